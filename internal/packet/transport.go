package packet

import "encoding/binary"

var (
	tcpEnds = []fieldEnd{
		{2, FieldSourcePort}, {4, FieldDestinationPort}, {8, FieldSequenceNumber}, {12, FieldAcknowledgmentNumber},
		{13, FieldDataOffset}, {14, FieldTCPFlags}, {16, FieldWindow}, {18, FieldTCPChecksum}, {20, FieldUrgentPointer},
	}
	udpEnds  = []fieldEnd{{2, FieldSourcePort}, {4, FieldDestinationPort}, {6, FieldUDPLength}, {8, FieldUDPChecksum}}
	portEnds = []fieldEnd{{2, FieldSourcePort}, {4, FieldDestinationPort}}
	icmpEnds = []fieldEnd{{1, FieldICMPType}, {2, FieldICMPCode}, {4, FieldICMPChecksum}}
)

// transport goes on at offset at, in the first fragment of a datagram or in a
// whole one. protocolAt is the offset of the byte that names the protocol.
//
// Header lengths of the protocols of which only a part is kept: ICMP 8 (RFC 792,
// all messages), ICMPv6 4 (RFC 4443 2.1), SCTP 12 (RFC 9260 3.1), UDP-Lite 8
// (RFC 3828 3.1), DCCP 12 (RFC 4340 5.1).
func (w *walk) transport(ip Layer, protocolAt, at int) {
	switch protocol := w.p.Protocol; {
	case protocol == protocolTCP:
		w.tcp(at)
	case protocol == protocolUDP:
		w.udp(at)
	case protocol == protocolICMP && ip == LayerIPv4:
		w.icmp(at, 8)
	case protocol == protocolICMPv6 && ip == LayerIPv6:
		w.icmp(at, 4)
	case protocol == protocolUDPLite:
		w.ports(LayerUDP, at, 8)
	case protocol == protocolSCTP, protocol == protocolDCCP:
		w.ports(LayerSCTP, at, 12)
	case protocol == protocolNoNext && ip == LayerIPv6: // nothing follows, and nothing is missing
	default:
		w.stop(StatusUnsupportedProtocol, ip, protocolAt, 0, 0)
	}
}

// tcp reads the header at offset at.
func (w *walk) tcp(at int) {
	w.p.TransportOffset = uint32(at)
	if !w.whole(LayerTCP, at, tcpLen) {
		var h [tcpLen]byte
		w.cut(h[:], at, tcpEnds)
		readTCP(w.p, &h)
		return
	}
	readTCP(w.p, (*[tcpLen]byte)(w.frame[at:]))
	w.present |= tcpFields
	headerLen := int(w.p.DataOffset) * 4
	switch {
	case headerLen < tcpLen:
		w.stop(StatusBadHeaderLength, LayerTCP, at, tcpLen, headerLen)
	case at+headerLen > w.limit:
		w.stop(StatusBadHeaderLength, LayerTCP, at, headerLen, w.limit-at)
	case w.whole(LayerTCP, at, headerLen) && headerLen > tcpLen:
		w.present |= w.p.setTCPOptions(w.frame[at+tcpLen : at+headerLen])
	}
}

// readTCP reads the fixed part of the header. RFC 9293 3.1; RFC 3540 for NS, now
// AE (RFC 9768), the lowest bit of the byte that the data offset leads.
//
//	0                   2                   4                   8                       12
//	+-------------------+-------------------+-------------------+-----------------------+
//	| source port       | destination port  | sequence number   | acknowledgment number |
//	| offset 4 |res 3|NS| CWR ... FIN 8    | window | checksum | urgent pointer        |
func readTCP(p *Packet, h *[tcpLen]byte) {
	p.SourcePort = binary.BigEndian.Uint16(h[0:])
	p.DestinationPort = binary.BigEndian.Uint16(h[2:])
	p.SequenceNumber = binary.BigEndian.Uint32(h[4:])
	p.AcknowledgmentNumber = binary.BigEndian.Uint32(h[8:])
	p.DataOffset = h[12] >> 4
	p.TCPFlags = binary.BigEndian.Uint16(h[12:]) & 0x1ff
	p.Window = binary.BigEndian.Uint16(h[14:])
	p.TCPChecksum = binary.BigEndian.Uint16(h[16:])
	p.UrgentPointer = binary.BigEndian.Uint16(h[18:])
}

// udp reads the header at offset at. A length of 0 is that of a jumbogram (RFC
// 2675 4) or of segmentation offload, and an error where the IP header knows
// its own length. A length beyond the datagram is kept as it is.
func (w *walk) udp(at int) {
	w.p.TransportOffset = uint32(at)
	if !w.whole(LayerUDP, at, udpLen) {
		var h [udpLen]byte
		w.cut(h[:], at, udpEnds)
		readUDP(w.p, &h)
		return
	}
	readUDP(w.p, (*[udpLen]byte)(w.frame[at:]))
	w.present |= udpFields
	if length := int(w.p.UDPLength); length < udpLen && (length != 0 || w.zeroOffset == 0) {
		w.stop(StatusBadUDPLength, LayerUDP, at+4, udpLen, length)
	}
}

// readUDP reads the whole header: four fields of 16 bits. RFC 768.
func readUDP(p *Packet, h *[udpLen]byte) {
	p.SourcePort = binary.BigEndian.Uint16(h[0:])
	p.DestinationPort = binary.BigEndian.Uint16(h[2:])
	p.UDPLength = binary.BigEndian.Uint16(h[4:])
	p.UDPChecksum = binary.BigEndian.Uint16(h[6:])
}

// icmp reads type, code and checksum of the ICMP or ICMPv6 header of size bytes
// at offset at.
func (w *walk) icmp(at, size int) {
	w.p.TransportOffset = uint32(at)
	w.whole(LayerICMP, at, size)
	var h [4]byte
	w.cut(h[:], at, icmpEnds)
	w.p.ICMPType, w.p.ICMPCode = h[0], h[1]
	w.p.ICMPChecksum = binary.BigEndian.Uint16(h[2:])
}

// ports reads the two ports that lead the header of size bytes at offset at.
func (w *walk) ports(layer Layer, at, size int) {
	w.p.TransportOffset = uint32(at)
	w.whole(layer, at, size)
	var h [4]byte
	w.cut(h[:], at, portEnds)
	w.p.SourcePort = binary.BigEndian.Uint16(h[0:])
	w.p.DestinationPort = binary.BigEndian.Uint16(h[2:])
}
