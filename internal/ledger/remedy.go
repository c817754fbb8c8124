package ledger

// Remedy says what a reason of loss means and what helps against it. The README
// shows the same table; a test compares them.
type Remedy struct {
	Reason Reason
	Rooms  string
	Cause  string // what happened
	Helps  string // "": nothing, the packet is to blame
}

// Remedies lists every reason, in the order in which a packet meets the rooms.
// Words in backquotes are typed as they stand.
var Remedies = []Remedy{
	{"no_socket", "xdp", "the RX queue has no AF_XDP socket; the host got the frame", "a queue was added while capturing: start again"},
	{"no_metadata", "xdp", "the driver leaves no room in front of the frame", "`--stamp batch`"},
	{"snap_failed", "xdp", "the frame could not be cut", "capture without `-s`"},
	{"ring_full", "ring", "the worker did not empty the RX ring in time", "more queues, `--rings 16384`, a core of its own"},
	{"fill_ring_empty", "ring", "no free memory for the next frame: a scheduling stall", "`--rings 16384 --frames 32768`, keep the workers off the NIC's cores"},
	{"too_large", "ring, kafka, wire", "the frame is longer than a chunk; the message longer than the broker allows; the frame longer than the MTU it is replayed to", "`--chunk 4096`, a smaller MTU; `-X message.max.bytes`; `ip link set dev IF mtu 9000`"},
	{"too_short", "wire", "the packet of a capture file holds no whole Ethernet header", ""},
	{"send_failed", "wire", "the interface did not take the frame", "see the error: link down, interface gone"},
	{"invalid_descriptor", "ring", "the kernel refused a descriptor", "a bug: report it"},
	{"worker_full", "ring", "with `--workers`: the worker that has the frame's flow was behind", "more workers, `--frames 32768`; one flow alone cannot be split"},
	{"socket_full", "socket", "the AF_PACKET ring was full", "`--engine afxdp` on a mirror port"},
	{"buffer_full", "kafka", "the brokers are slower than the traffic", "`--buffer`, more partitions, `--compression zstd`, `-s`"},
	{"delivery_failed", "kafka", "the broker refused the message for good", "see the log line"},
	{"error_suppressed", "kafka", "more damaged frames than `--errors-per-second`", "raise it; the counts are exact"},
	{"disk_full", "save", "the disk of the capture file of `-w` is full (or its pipe closed); the file is whole up to there", "room, or `-b files:N`"},
	{"other_link_type", "file, fetch", "a packet has another link type than the first, and the capture holds one", "split the file by interface; `consume -F pcapng`"},
	{"unreadable", "fetch", "a batch of messages is damaged, or too large when unpacked: its offsets", "see the log line"},
	{"shutdown", "kafka, wire", "not acknowledged when `--drain` was over; read from the file but not sent when the replay was interrupted", "`--drain 60s`"},
}

// RemedyFor finds the entry of a reason; false: there is none.
func RemedyFor(reason Reason) (Remedy, bool) {
	for _, r := range Remedies {
		if r.Reason == reason {
			return r, true
		}
	}
	return Remedy{}, false
}
