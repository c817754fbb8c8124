// Package ledger holds the books of a run: one Room per stage a packet passes,
// each obeying in = out + passed + dropped + in flight.
//
// In: every stage fills a Room from its own counters. Out: the same Ledger is
// printed as a table, written to the stats file, served by the page and added
// up by tests. Nothing here touches a packet.
//
// Non-obvious:
//   - InFlight is computed by Settle as what the other terms leave over; it is
//     never reported by a stage, so a packet that nobody counted shows up here.
//   - Balanced is the sum, computed. A negative InFlight (more out than in) is
//     as unbalanced as a positive one on a final ledger.
package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Reason names why a stage did not hand a packet on. The set is closed and
// documented in the README.
type Reason = string

// The reasons of loss. Each belongs to the rooms named behind it.
const (
	NoSocket          Reason = "no_socket"          // xdp: the queue has no AF_XDP socket, the host got the frame
	NoMetadata        Reason = "no_metadata"        // xdp: no room in front of the frame for the metadata area, the host got it
	SnapFailed        Reason = "snap_failed"        // xdp: the frame could not be cut to the snap length, the host got it
	RingFull          Reason = "ring_full"          // ring: RX ring full
	FillRingEmpty     Reason = "fill_ring_empty"    // ring: no free frame in UMEM
	TooLarge          Reason = "too_large"          // ring: longer than a chunk; kafka: longer than a message may be; wire: longer than the MTU
	TooShort          Reason = "too_short"          // wire: no whole Ethernet header
	SendFailed        Reason = "send_failed"        // wire: the interface did not take it
	InvalidDescriptor Reason = "invalid_descriptor" // ring: the kernel refused a descriptor
	WorkerFull        Reason = "worker_full"        // ring: the worker that has the flow was behind, with --workers
	SocketFull        Reason = "socket_full"        // socket: AF_PACKET ring full
	BufferFull        Reason = "buffer_full"        // kafka: the producer's buffer is full
	DeliveryFailed    Reason = "delivery_failed"    // kafka: the broker never acknowledged
	ErrorSuppressed   Reason = "error_suppressed"   // kafka: error record over the rate limit
	DiskFull          Reason = "disk_full"          // save: no room in the capture file of -w, or its pipe closed
	OtherLinkType     Reason = "other_link_type"    // file, fetch: a packet's link type is not the capture's
	Unreadable        Reason = "unreadable"         // fetch: offsets of a batch that is damaged
	Shutdown          Reason = "shutdown"           // kafka: not acknowledged when the drain time was over; wire: interrupted before it was sent
)

// Room is one stage's account, in packets.
type Room struct {
	Room     string            `json:"room"`
	In       uint64            `json:"in"`
	Out      uint64            `json:"out"`
	Passed   uint64            `json:"passed,omitempty"`
	ByStatus map[string]uint64 `json:"by_status,omitempty"` // of Out: records by decode status
	Counts   map[string]uint64 `json:"counts,omitempty"`    // beside the sum: already_indexed, errors, ...
	Dropped  map[Reason]uint64 `json:"dropped"`
	InFlight int64             `json:"in_flight"`
	Messages uint64            `json:"messages,omitempty"` // Kafka messages (blocks) that carried Out
}

// Ledger is the account of one process, or of a run added up, at one instant.
type Ledger struct {
	Time     time.Time `json:"time"`
	Command  string    `json:"command"`
	Final    bool      `json:"final"`
	Balanced bool      `json:"balanced"`
	Rooms    []Room    `json:"rooms"`
}

// DroppedTotal is the sum over all reasons.
func (r *Room) DroppedTotal() uint64 {
	var n uint64
	for _, d := range r.Dropped {
		n += d
	}
	return n
}

// ErrorsTopic is the Counts entry for the part of Out that ended in the errors
// topic: it is delivered, but the next room does not see it.
const ErrorsTopic = "errors_topic"

// onward is how many packets the next room takes in.
func (r *Room) onward() uint64 { return r.Out - r.Counts[ErrorsTopic] }

// Drop adds n packets lost for reason; n == 0 leaves no trace.
func (r *Room) Drop(reason Reason, n uint64) {
	if n == 0 {
		return
	}
	if r.Dropped == nil {
		r.Dropped = map[Reason]uint64{}
	}
	r.Dropped[reason] += n
}

// Settle computes InFlight of every room from its other terms and Balanced for
// the whole: on a final ledger every InFlight must be 0, before that none may
// be negative; and each room must have taken in what the one before put out.
func (l *Ledger) Settle() {
	l.Balanced = true
	for i := range l.Rooms {
		r := &l.Rooms[i]
		if r.Dropped == nil {
			r.Dropped = map[Reason]uint64{}
		}
		r.InFlight = int64(r.In) - int64(r.Out) - int64(r.Passed) - int64(r.DroppedTotal())
	}
	l.Balanced = len(l.Imbalances()) == 0
}

// entrance reports whether packets come into a run at this room: several
// engines at once give several of them, and their outputs add up. One behind the
// room wire (a replay into the same run) must have seen every frame sent.
func entrance(room string) bool { return room == "xdp" || room == "socket" || room == "file" }

// Imbalances says in words where the books do not add up; empty when they do.
func (l *Ledger) Imbalances() []string {
	var out []string
	var onward uint64 // what the rooms so far handed to the next one
	for i := range l.Rooms {
		r := &l.Rooms[i]
		if r.InFlight < 0 || (l.Final && r.InFlight != 0) {
			out = append(out, fmt.Sprintf("room %s: in %d, out %d, passed %d, dropped %d leave %d",
				r.Room, r.In, r.Out, r.Passed, r.DroppedTotal(), r.InFlight))
		}
		switch {
		case entrance(r.Room) && !(i > 0 && l.Rooms[i-1].Room == "wire"):
			onward += r.onward()
			continue
		case l.Final && i > 0 && onward != r.In:
			out = append(out, fmt.Sprintf("room %s took in %d of the %d handed to it by %s",
				r.Room, r.In, onward, l.Rooms[i-1].Room))
		}
		onward = r.onward()
	}
	return out
}

// Merge adds rooms of the same name together, in order of first appearance:
// the queues of one interface, or the interfaces of one process.
func Merge(lists ...[]Room) []Room {
	var out []Room
	at := map[string]int{}
	for _, list := range lists {
		for _, r := range list {
			i, ok := at[r.Room]
			if !ok {
				i = len(out)
				at[r.Room] = i
				out = append(out, Room{Room: r.Room, Dropped: map[Reason]uint64{}})
			}
			o := &out[i]
			o.In += r.In
			o.Out += r.Out
			o.Passed += r.Passed
			o.Messages += r.Messages
			o.ByStatus = addCounts(o.ByStatus, r.ByStatus)
			o.Counts = addCounts(o.Counts, r.Counts)
			o.Dropped = addCounts(o.Dropped, r.Dropped)
		}
	}
	return out
}

func addCounts(dst, src map[string]uint64) map[string]uint64 {
	if len(src) == 0 {
		return dst
	}
	if dst == nil {
		dst = map[string]uint64{}
	}
	for k, v := range src {
		dst[k] += v
	}
	return dst
}

// Count is one named number.
type Count struct {
	Name string
	N    uint64
}

// SortedCounts lists the non-zero entries of m, largest first.
func SortedCounts(m map[string]uint64) []Count {
	var out []Count
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] > 0 {
			out = append(out, Count{k, m[k]})
		}
	}
	slices.SortStableFunc(out, func(a, b Count) int { return cmp.Compare(b.N, a.N) })
	return out
}

func countWords(m map[string]uint64) []string {
	var out []string
	for _, c := range SortedCounts(m) {
		out = append(out, fmt.Sprintf("%s %d", c.Name, c.N))
	}
	return out
}
