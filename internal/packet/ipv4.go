package packet

import "encoding/binary"

var ipv4Ends = []fieldEnd{
	{1, FieldIPVersion}, {1, FieldIPHeaderLen}, {2, FieldTOS}, {4, FieldTotalLength},
	{6, FieldIdentification}, {7, FieldIPFlags}, {8, FieldFragmentOffset}, {9, FieldTTL},
	{10, FieldProtocol}, {12, FieldHeaderChecksum}, {16, FieldSourceAddress}, {20, FieldDestinationAddress},
}

// ipv4 reads the header at offset at and clips what follows to the datagram.
//
// The checks come in the order of the bytes: version, IHL, total length. An
// error in one of the last two still gives the 20 fixed bytes as they are on
// the wire: whoever hunts a broken sender needs its address.
func (w *walk) ipv4(at int) {
	if at < w.end && w.frame[at]>>4 != 4 {
		w.stop(StatusBadVersion, LayerIPv4, at, 0, 0)
		return
	}
	w.p.NetworkOffset = uint32(at)
	if !w.whole(LayerIPv4, at, ipv4Len) {
		var h [ipv4Len]byte
		w.cut(h[:], at, ipv4Ends)
		readIPv4(w.p, &h)
		return
	}
	readIPv4(w.p, (*[ipv4Len]byte)(w.frame[at:]))
	w.present |= ipv4Fields

	headerLen, totalLength := int(w.p.IPHeaderLen), int(w.p.TotalLength)
	switch {
	case headerLen < ipv4Len:
		w.stop(StatusBadHeaderLength, LayerIPv4, at, ipv4Len, headerLen)
		return
	case totalLength == 0:
		w.zeroLayer, w.zeroOffset = LayerIPv4, at+2
	case totalLength < ipv4Len:
		w.stop(StatusBadTotalLength, LayerIPv4, at+2, ipv4Len, totalLength)
		return
	case totalLength < headerLen:
		w.stop(StatusBadHeaderLength, LayerIPv4, at, headerLen, totalLength)
		return
	default:
		w.limit = at + totalLength
		w.end = min(w.end, w.limit)
	}
	if !w.whole(LayerIPv4, at, headerLen) {
		return
	}
	if headerLen > ipv4Len {
		w.present |= w.p.setIPOptions(w.frame[at+ipv4Len : at+headerLen])
	}
	if w.p.FragmentOffset != 0 {
		w.stop(StatusLaterFragment, LayerIPv4, at+6, 0, 0)
		return
	}
	w.transport(LayerIPv4, at+9, at+headerLen)
}

// readIPv4 reads the fixed part of the header, in two halves so that the
// compiler inlines both. RFC 791 3.1.
//
//	0      1          2                4                   6                     8
//	+------+----------+----------------+-------------------+---------------------+
//	| V, IHL | TOS    | total length   | identification    | flags 3, offset 13  |
//	| TTL  | protocol | checksum       | source address                          |
//	| destination address              |
func readIPv4(p *Packet, h *[ipv4Len]byte) {
	readIPv4Start(p, h)
	readIPv4End(p, h)
}

func readIPv4Start(p *Packet, h *[ipv4Len]byte) {
	p.IPVersion = 4
	p.IPHeaderLen = h[0] & 0xf * 4
	p.TOS = h[1]
	p.TotalLength = uint32(binary.BigEndian.Uint16(h[2:]))
	p.Identification = uint32(binary.BigEndian.Uint16(h[4:]))
	p.IPFlags = h[6] >> 5
	p.FragmentOffset = binary.BigEndian.Uint16(h[6:]) & 0x1fff
}

func readIPv4End(p *Packet, h *[ipv4Len]byte) {
	p.TTL = h[8]
	p.Protocol = h[9]
	p.HeaderChecksum = binary.BigEndian.Uint16(h[10:])
	setIPv4(&p.SourceAddress, h[12:16])
	setIPv4(&p.DestinationAddress, h[16:20])
}

// setIPv4 writes the four bytes of from as ::ffff:a.b.c.d (RFC 4291 2.5.5.2),
// in two stores.
func setIPv4(to *[16]byte, from []byte) {
	binary.LittleEndian.PutUint64(to[0:], 0)
	binary.LittleEndian.PutUint64(to[8:], uint64(binary.LittleEndian.Uint32(from))<<32|0xffff<<16)
}
