package packet

import "strconv"

// AppendStatus appends the status of p as it stands in record_errors, such as
//
//	truncated: tcp header at byte 34 needs 20 bytes, 12 are there
//
// and appends nothing if p is whole.
func (p *Packet) AppendStatus(dst []byte) []byte {
	if p.Status == StatusWhole {
		return dst
	}
	dst = append(dst, p.Status.String()...)
	dst = append(dst, ": "...)
	dst = append(dst, p.StatusLayer.String()...)
	dst = append(dst, statusObject(p.Status)...)
	dst = append(dst, " at byte "...)
	dst = strconv.AppendUint(dst, uint64(p.StatusOffset), 10)
	if p.StatusNeed != 0 {
		dst = append(dst, " needs "...)
		dst = strconv.AppendUint(dst, uint64(p.StatusNeed), 10)
		dst = append(dst, " bytes, "...)
		dst = strconv.AppendUint(dst, uint64(p.StatusHave), 10)
		dst = append(dst, p.statusHave()...)
	}
	return dst
}

// statusObject names what is at StatusOffset, behind the name of the layer.
func statusObject(s Status) string {
	switch s {
	case StatusLaterFragment:
		return " fragment offset"
	case StatusUnsupportedEtherType, StatusIEEE8023:
		return " type"
	case StatusUnsupportedProtocol:
		return " protocol"
	case StatusZeroTotalLength, StatusBadTotalLength, StatusBadUDPLength:
		return " length"
	case StatusBadVersion:
		return " version"
	case StatusBadExtensionHeader, StatusTooManyExtensionHeaders:
		return " extension header"
	case StatusTooManyTags:
		return " tag"
	}
	return " header"
}

// statusHave says what StatusHave counts.
func (p *Packet) statusHave() string {
	switch p.Status {
	case StatusBadTotalLength, StatusBadUDPLength:
		return " are given"
	case StatusBadHeaderLength, StatusBadExtensionHeader:
		// below the shortest header, or what the length claims and does not find
		if p.StatusNeed > ipv4Len || p.Status == StatusBadExtensionHeader {
			return " are left of the datagram"
		}
		return " are given"
	}
	return " are there"
}

// ProtocolName returns the IANA keyword of a protocol number in lower case, as
// ECS wants it in network.transport, and "" for those this package does not
// decode.
func ProtocolName(protocol uint8) string {
	switch protocol {
	case protocolICMP:
		return "icmp"
	case protocolTCP:
		return "tcp"
	case protocolUDP:
		return "udp"
	case protocolDCCP:
		return "dccp"
	case protocolICMPv6:
		return "ipv6-icmp"
	case protocolSCTP:
		return "sctp"
	case protocolUDPLite:
		return "udplite"
	}
	return ""
}
