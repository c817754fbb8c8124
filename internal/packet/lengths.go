package packet

// lengthUnknown reports whether the IP header left its length to the frame:
// total length 0, IPv6 payload length 0.
func (p *Packet) lengthUnknown() bool {
	return p.TotalLength == 0 || p.IPVersion == 6 && p.TotalLength == ipv6Len
}

// TCPSegmentLen returns the bytes of TCP header and data in the datagram, by
// its IP lengths: never below 0, and counting what the snap length cut away.
// Where the IP header has a length of 0 (segmentation offload), the rest of the
// frame of origLen bytes from TransportOffset counts.
//
// Valid if p has FieldTotalLength and is TCP and not a later fragment.
func (p *Packet) TCPSegmentLen(origLen uint32) uint32 {
	if p.lengthUnknown() {
		return subClamped(origLen, p.TransportOffset)
	}
	headers := uint32(p.IPHeaderLen)
	if p.IPVersion == 6 {
		headers = ipv6Len
		if p.Present.Has(FieldExtensionHeaders) {
			headers += uint32(p.ExtensionHeaders)
		}
	}
	return subClamped(p.TotalLength, headers)
}

// TCPDataLen returns the bytes of data in the segment: TCPSegmentLen without the
// TCP header, never below 0. Valid if p has FieldDataOffset as well.
func (p *Packet) TCPDataLen(origLen uint32) uint32 {
	return subClamped(p.TCPSegmentLen(origLen), uint32(p.DataOffset)*4)
}

func subClamped(a, b uint32) uint32 { return a - min(a, b) }

// RestoreOffsets computes NetworkOffset and TransportOffset of a Packet that was
// read back from a store, which keeps neither, from the other fields and the
// link type. It is exact for up to two VLAN tags: of a taller stack only the
// outermost and the innermost are stored.
func (p *Packet) RestoreOffsets(linkType uint16) {
	p.NetworkOffset, p.TransportOffset = 0, 0
	if !p.Present.Has(FieldIPVersion) {
		return
	}
	p.NetworkOffset = linkHeaderLen(linkType)
	if p.Present.Has(FieldVLANID) {
		p.NetworkOffset += tagLen
	}
	if p.Present.Has(FieldVLANInnerID) {
		p.NetworkOffset += tagLen
	}
	const transportFields = portFields | 1<<FieldICMPType
	if p.Present&transportFields == 0 {
		return
	}
	p.TransportOffset = p.NetworkOffset + uint32(p.IPHeaderLen)
	if p.IPVersion == 6 {
		p.TransportOffset = p.NetworkOffset + ipv6Len
		if p.Present.Has(FieldExtensionHeaders) {
			p.TransportOffset += uint32(p.ExtensionHeaders)
		}
	}
}

// linkHeaderLen returns the bytes of an untagged link header.
func linkHeaderLen(linkType uint16) uint32 {
	switch linkType {
	case LinkTypeEthernet:
		return ethernetLen
	case LinkTypeNull, LinkTypeLoop:
		return 4
	case LinkTypeLinuxSLL:
		return 16
	case LinkTypeLinuxSLL2:
		return 20
	}
	return 0
}
