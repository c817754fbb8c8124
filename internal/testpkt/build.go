package testpkt

import (
	"encoding/binary"
	"net/netip"
)

// Protocol numbers and EtherTypes the builders know by name.
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeVLAN = 0x8100
	EtherTypeQinQ = 0x88a8
	EtherTypeIPv6 = 0x86dd

	ProtocolICMP   = 1
	ProtocolTCP    = 6
	ProtocolUDP    = 17
	ProtocolICMPv6 = 58
)

// MAC addresses of the two ends in frames whose test does not care.
var (
	MACA = [6]byte{0x02, 0, 0, 0, 0, 0x0a}
	MACB = [6]byte{0x02, 0, 0, 0, 0, 0x0b}
)

// IP addresses of the two ends (RFC 5737, RFC 3849).
var (
	A4 = netip.MustParseAddr("192.0.2.1")
	B4 = netip.MustParseAddr("198.51.100.2")
	A6 = netip.MustParseAddr("2001:db8::1")
	B6 = netip.MustParseAddr("2001:db8::2")
)

// Tag is one VLAN tag.
type Tag struct {
	TPID uint16 // 0 is 0x8100
	PCP  uint8
	VID  uint16
}

// Ethernet builds a frame from MACA to MACB; tags from the outside in. It adds
// no padding: see Pad.
func Ethernet(etherType uint16, payload []byte, tags ...Tag) []byte {
	b := append(append(make([]byte, 0, 14+4*len(tags)+len(payload)), MACB[:]...), MACA[:]...)
	for _, t := range tags {
		tpid := t.TPID
		if tpid == 0 {
			tpid = EtherTypeVLAN
		}
		b = binary.BigEndian.AppendUint16(b, tpid)
		b = binary.BigEndian.AppendUint16(b, uint16(t.PCP)<<13|t.VID&0xfff)
	}
	return append(binary.BigEndian.AppendUint16(b, etherType), payload...)
}

// Pad fills a frame with fill to 60 bytes, the shortest Ethernet frame without
// its check sequence.
func Pad(frame []byte, fill byte) []byte {
	for len(frame) < 60 {
		frame = append(frame, fill)
	}
	return frame
}

// ARP builds an ARP packet of Ethernet and IPv4 addresses.
func ARP(operation uint16, senderMAC [6]byte, sender netip.Addr, targetMAC [6]byte, target netip.Addr) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 1, 8, 0, 6, 4}, operation)
	b = append(append(b, senderMAC[:]...), sender.AsSlice()...)
	return append(append(b, targetMAC[:]...), target.AsSlice()...)
}

// IPv4Header holds what a test may want to choose of an IPv4 header; a zero
// field takes the default named.
type IPv4Header struct {
	Source, Destination netip.Addr // A4, B4
	Protocol            uint8
	TOS                 uint8
	Identification      uint16
	Flags               uint8  // 4 reserved, 2 DF, 1 MF
	FragmentOffset      uint16 // units of 8 bytes
	TTL                 uint8  // 64
	Options             []byte // a multiple of 4 bytes
}

// IPv4 builds a datagram with right lengths and checksums: a TCP, UDP or ICMP
// checksum of 0 in a payload that is no fragment is filled in.
func IPv4(h IPv4Header, payload []byte) []byte {
	if len(h.Options)%4 != 0 || len(h.Options) > 40 {
		panic("testpkt: IPv4 options must be at most 40 bytes and a multiple of 4")
	}
	source, destination := or(h.Source, A4), or(h.Destination, B4)
	headerLen := 20 + len(h.Options)
	b := make([]byte, headerLen, headerLen+len(payload))
	b[0], b[1] = 4<<4|byte(headerLen/4), h.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(headerLen+len(payload)))
	binary.BigEndian.PutUint16(b[4:], h.Identification)
	binary.BigEndian.PutUint16(b[6:], uint16(h.Flags)<<13|h.FragmentOffset&0x1fff)
	b[8], b[9] = h.TTL, h.Protocol
	if h.TTL == 0 {
		b[8] = 64
	}
	copy(b[12:], source.AsSlice())
	copy(b[16:], destination.AsSlice())
	copy(b[20:], h.Options)
	binary.BigEndian.PutUint16(b[10:], ^Sum(0, b))
	b = append(b, payload...)
	if h.FragmentOffset == 0 && h.Flags&1 == 0 {
		fillChecksum(b[headerLen:], h.Protocol, source, destination)
	}
	return b
}

// Extension is one IPv6 extension header: its number, and its bytes without the
// first one (the next header), which the builder writes.
type Extension struct {
	Protocol uint8
	Body     []byte
}

// IPv6Header holds what a test may want to choose of an IPv6 header.
type IPv6Header struct {
	Source, Destination netip.Addr // A6, B6
	Protocol            uint8      // behind the extension headers
	TrafficClass        uint8
	FlowLabel           uint32
	HopLimit            uint8 // 64
	Extensions          []Extension
}

// IPv6 is IPv4 for IPv6. It fills in the checksum of the transport header unless
// there is a fragment header.
func IPv6(h IPv6Header, payload []byte) []byte {
	source, destination := or(h.Source, A6), or(h.Destination, B6)
	next := func(i int) uint8 {
		if i < len(h.Extensions) {
			return h.Extensions[i].Protocol
		}
		return h.Protocol
	}
	b := binary.BigEndian.AppendUint32(nil, 6<<28|uint32(h.TrafficClass)<<20|h.FlowLabel&0xfffff)
	b = append(b, 0, 0, next(0), h.HopLimit)
	if h.HopLimit == 0 {
		b[7] = 64
	}
	b = append(append(b, source.AsSlice()...), destination.AsSlice()...)
	fragment := false
	for i, e := range h.Extensions {
		b = append(append(b, next(i+1)), e.Body...)
		fragment = fragment || e.Protocol == 44
	}
	at := len(b)
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	if !fragment {
		fillChecksum(b[at:], h.Protocol, source, destination)
	}
	return b
}

// TCPHeader holds what a test may want to choose of a TCP header.
type TCPHeader struct {
	SourcePort, DestinationPort uint16
	Sequence, Acknowledgment    uint32
	Flags                       uint16 // 9 bits
	Window, Urgent              uint16
	Options                     []byte // a multiple of 4 bytes
}

// TCP builds a segment with a checksum of 0, for IPv4 or IPv6 to fill in.
func TCP(h TCPHeader, data []byte) []byte {
	if len(h.Options)%4 != 0 || len(h.Options) > 40 {
		panic("testpkt: TCP options must be at most 40 bytes and a multiple of 4")
	}
	b := binary.BigEndian.AppendUint16(nil, h.SourcePort)
	b = binary.BigEndian.AppendUint16(b, h.DestinationPort)
	b = binary.BigEndian.AppendUint32(b, h.Sequence)
	b = binary.BigEndian.AppendUint32(b, h.Acknowledgment)
	b = binary.BigEndian.AppendUint16(b, uint16(5+len(h.Options)/4)<<12|h.Flags&0x1ff)
	b = binary.BigEndian.AppendUint16(b, h.Window)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, h.Urgent)
	return append(append(b, h.Options...), data...)
}

// UDP builds a UDP datagram with a checksum of 0, for IPv4 or IPv6 to fill in.
func UDP(sourcePort, destinationPort uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, sourcePort)
	b = binary.BigEndian.AppendUint16(b, destinationPort)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	return append(append(b, 0, 0), data...)
}

// ICMP builds an ICMP or ICMPv6 message; rest starts at its fifth byte.
func ICMP(kind, code uint8, rest []byte) []byte {
	return append([]byte{kind, code, 0, 0}, rest...)
}

func or(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

// Sum returns the ones' complement sum of b, an odd last byte padded with 0,
// added to sum (RFC 1071).
func Sum(sum uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// PseudoSum returns the ones' complement sum of the pseudo header (RFC 9293 3.1,
// RFC 8200 8.1): what a sender leaves in the checksum field for its NIC.
func PseudoSum(protocol uint8, source, destination netip.Addr, length int) uint16 {
	sum := uint32(Sum(0, source.AsSlice())) + uint32(Sum(0, destination.AsSlice()))
	return Sum(sum+uint32(protocol)+uint32(length), nil)
}

// fillChecksum fills in a checksum field of 0.
func fillChecksum(segment []byte, protocol uint8, source, destination netip.Addr) {
	var at int
	var sum uint32
	switch protocol {
	case ProtocolTCP:
		at = 16
	case ProtocolUDP:
		at = 6
	case ProtocolICMP, ProtocolICMPv6:
		at = 2
	default:
		return
	}
	if len(segment) < at+2 || binary.BigEndian.Uint16(segment[at:]) != 0 {
		return
	}
	if protocol != ProtocolICMP {
		sum = uint32(PseudoSum(protocol, source, destination, len(segment)))
	}
	checksum := ^Sum(sum, segment)
	if checksum == 0 && protocol == ProtocolUDP {
		checksum = 0xffff
	}
	binary.BigEndian.PutUint16(segment[at:], checksum)
}
