package packet

import "encoding/binary"

// Header lengths without options, bytes.
const (
	ethernetLen = 14
	tagLen      = 4 // TCI and the type behind it
	ipv4Len     = 20
	ipv6Len     = 40
	tcpLen      = 20
	udpLen      = 8
)

// EtherTypes (IEEE 802 Numbers, IANA).
const (
	etherTypeIPv4   = 0x0800
	etherTypeARP    = 0x0806
	etherTypeVLAN   = 0x8100 // 802.1Q, TPID of the customer's tag
	etherTypeIPv6   = 0x86dd
	etherTypeQinQ   = 0x88a8 // 802.1ad, TPID of the provider's tag
	etherTypeOldTag = 0x9100 // stacked tags before 802.1ad
	minEtherType    = 0x0600 // below: a length, IEEE 802.3
)

// Protocol numbers (IANA Protocol Numbers).
const (
	protocolHopByHop    = 0
	protocolICMP        = 1
	protocolTCP         = 6
	protocolUDP         = 17
	protocolDCCP        = 33
	protocolRouting     = 43
	protocolFragment    = 44
	protocolAH          = 51
	protocolICMPv6      = 58
	protocolNoNext      = 59
	protocolDestination = 60
	protocolSCTP        = 132
	protocolUDPLite     = 136
)

// The fields of headers that are whole, one constant each.
const (
	ethernetFields FieldSet = 1<<FieldSourceMAC | 1<<FieldDestinationMAC | 1<<FieldEtherType
	ipv4Fields     FieldSet = 1<<FieldIPVersion | 1<<FieldIPHeaderLen | 1<<FieldTOS | 1<<FieldTotalLength |
		1<<FieldIdentification | 1<<FieldIPFlags | 1<<FieldFragmentOffset | 1<<FieldTTL |
		1<<FieldProtocol | 1<<FieldHeaderChecksum | 1<<FieldSourceAddress | 1<<FieldDestinationAddress
	ipv6Fields FieldSet = 1<<FieldIPVersion | 1<<FieldTOS | 1<<FieldFlowLabel | 1<<FieldTotalLength |
		1<<FieldNextHeader | 1<<FieldTTL | 1<<FieldSourceAddress | 1<<FieldDestinationAddress
	portFields FieldSet = 1<<FieldSourcePort | 1<<FieldDestinationPort
	tcpFields           = portFields | 1<<FieldSequenceNumber | 1<<FieldAcknowledgmentNumber | 1<<FieldDataOffset |
		1<<FieldTCPFlags | 1<<FieldWindow | 1<<FieldTCPChecksum | 1<<FieldUrgentPointer
	udpFields = portFields | 1<<FieldUDPLength | 1<<FieldUDPChecksum
)

// Decode reads the headers of one frame into p and replaces all that p said of
// the frame before: Present, Status and the offsets. Fields whose bit is not in
// p.Present keep whatever an earlier frame left there.
//
// frame is the captured bytes, from the first byte of the link header that
// linkType (a LINKTYPE number) names. origLen is its length on the wire, bytes;
// less than len(frame) counts as len(frame). The frame may be shorter than
// origLen (snap length) and longer than its datagram (padding): bytes behind
// the datagram are never read as a header.
//
// p.Status is StatusWhole, or what stopped decoding first; then the fields that
// were whole before that point are set, down to the one in whose middle a cut
// fell. StatusZeroTotalLength stops nothing, so anything that stops decoding
// later replaces it. The slices in p are views into frame.
//
// Decode does not allocate, does not panic on any input, and may run on many
// goroutines with different p.
//
// RFC 791 3.1; RFC 8200 3, 4; RFC 9293 3.1; RFC 768; IEEE 802.1Q 9.6.
func Decode(p *Packet, linkType uint16, frame []byte, origLen uint32) {
	if linkType != LinkTypeEthernet || !decodeCommon(p, frame) {
		decodeAny(p, linkType, frame, origLen)
	}
}

// decodeCommon decodes nearly all traffic: Ethernet with at most one tag, IPv4
// without options or IPv6 without extension headers, and a whole TCP or UDP
// header. It reports false for anything else, having written nothing that
// counts; then decodeAny starts over. Both give the same result where this one
// gives any.
func decodeCommon(p *Packet, frame []byte) bool {
	// All headers below fit into this much, or the frame is none of ours.
	const shortest = ethernetLen + ipv4Len + udpLen
	if len(frame) < shortest {
		return false
	}
	present := ethernetFields
	network := ethernetLen
	etherType := binary.BigEndian.Uint16(frame[ethernetLen-2:])
	if isTag(etherType) {
		if len(frame) < shortest+tagLen {
			return false
		}
		tag := (*[tagLen]byte)(frame[ethernetLen:])
		p.VLANID, p.VLANPriority = readTCI(binary.BigEndian.Uint16(tag[:]))
		present |= 1<<FieldVLANID | 1<<FieldVLANPriority
		network += tagLen
		etherType = binary.BigEndian.Uint16(tag[2:])
	}

	ip := frame[network:]
	var (
		headerLen int
		length    int // of the datagram
		protocol  uint8
	)
	switch etherType {
	case etherTypeIPv4:
		h := (*[ipv4Len]byte)(ip)
		// version 4 and IHL 5, fragment offset 0
		if h[0] != 4<<4|ipv4Len/4 || h[6]&0x1f|h[7] != 0 {
			return false
		}
		readIPv4Start(p, h)
		readIPv4End(p, h)
		headerLen, length, protocol = ipv4Len, int(p.TotalLength), h[9]
		present |= ipv4Fields
	case etherTypeIPv6:
		if len(ip) < ipv6Len || ip[0]>>4 != 6 {
			return false
		}
		readIPv6(p, (*[ipv6Len]byte)(ip))
		p.Protocol = p.NextHeader
		headerLen, length, protocol = ipv6Len, int(p.TotalLength), p.NextHeader
		present |= ipv6Fields | 1<<FieldProtocol
	default:
		return false
	}

	// A length of 0 leaves no room for a header: that is decodeAny's case.
	end := min(length, len(ip))
	if end < headerLen {
		return false
	}
	segment := ip[headerLen:end]
	switch protocol {
	case protocolTCP:
		if len(segment) < tcpLen {
			return false
		}
		readTCP(p, (*[tcpLen]byte)(segment))
		present |= tcpFields
		if tcpHeaderLen := int(p.DataOffset) * 4; tcpHeaderLen != tcpLen {
			if tcpHeaderLen < tcpLen || tcpHeaderLen > len(segment) {
				return false
			}
			present |= p.setTCPOptions(segment[tcpLen:tcpHeaderLen])
		}
	case protocolUDP:
		if len(segment) < udpLen {
			return false
		}
		readUDP(p, (*[udpLen]byte)(segment))
		if p.UDPLength < udpLen {
			return false
		}
		present |= udpFields
	default:
		return false
	}

	readMACs(p, (*[12]byte)(frame))
	p.EtherType = etherType
	p.Status = StatusWhole
	p.NetworkOffset = uint32(network)
	p.TransportOffset = uint32(network + headerLen)
	p.Present = present
	return true
}
