package packet

// Status says how far the decoder got with a frame. Every frame gives one
// record; the status is StatusWhole when every header in it was whole.
type Status uint8

// The numbers are stored in Arrow blocks and must never change.
const (
	StatusWhole Status = iota
	// Notes: the record says all there is to say.
	StatusLaterFragment        // ports are in the first fragment
	StatusUnsupportedLinkType  //
	StatusUnsupportedEtherType // wire name unsupported_ethernet_type
	StatusUnsupportedProtocol  //
	StatusIEEE8023             // length field instead of an EtherType: LLC, not decoded
	StatusZeroTotalLength      // segmentation offload: the frame's length counts
	StatusSnapped              // a header ends where the snap length cut it
	// Errors: the frame itself is damaged; it goes to the errors topic.
	StatusTruncated               // the frame (or datagram) ends inside a header
	StatusBadVersion              // version nibble contradicts the EtherType
	StatusBadHeaderLength         // IHL or data offset below 5, or beyond its datagram
	StatusBadTotalLength          // total length below the header length
	StatusBadUDPLength            // below 8
	StatusBadExtensionHeader      //
	StatusTooManyTags             //
	StatusTooManyExtensionHeaders //
	NumStatus
)

var statusNames = [NumStatus]string{
	"", "later_fragment", "unsupported_link_type", "unsupported_ethernet_type",
	"unsupported_protocol", "ieee_802_3", "zero_total_length", "snapped",
	"truncated", "bad_version", "bad_header_length", "bad_total_length",
	"bad_udp_length", "bad_extension_header", "too_many_tags", "too_many_extension_headers",
}

// String is the code as it stands in records; "" for StatusWhole.
func (s Status) String() string {
	if s < NumStatus {
		return statusNames[s]
	}
	return "unknown"
}

// IsError reports whether a frame with this status goes to the errors topic.
func (s Status) IsError() bool { return s >= StatusTruncated }

// ParseStatus is the inverse of String.
func ParseStatus(name string) (Status, bool) {
	for s, n := range statusNames {
		if n == name {
			return Status(s), true
		}
	}
	return 0, false
}

// Layer is the header a status is about.
type Layer uint8

// The layers of interfaces: ethernet vlan arp ipv4 ipv6 tcp udp icmp sctp.
const (
	LayerEthernet Layer = iota // any link layer
	LayerVLAN
	LayerARP
	LayerIPv4
	LayerIPv6
	LayerTCP
	LayerUDP // and UDP-Lite
	LayerICMP
	LayerSCTP // and DCCP
	NumLayers
)

var layerNames = [NumLayers]string{"ethernet", "vlan", "arp", "ipv4", "ipv6", "tcp", "udp", "icmp", "sctp"}

func (l Layer) String() string {
	if l < NumLayers {
		return layerNames[l]
	}
	return "unknown"
}

// ChecksumStatus is the verdict of checksum verification.
type ChecksumStatus uint8

// The numbers are stored in Arrow blocks and must never change.
const (
	ChecksumNone    ChecksumStatus = iota // no checksum sent, or not enough bytes captured to tell
	ChecksumGood                          //
	ChecksumBad                           //
	ChecksumPartial                       // only the pseudo header was summed: left to the sender's NIC
	numChecksumStatus
)

var checksumNames = [numChecksumStatus]string{"none", "good", "bad", "partial"}

func (c ChecksumStatus) String() string {
	if c < numChecksumStatus {
		return checksumNames[c]
	}
	return "unknown"
}
