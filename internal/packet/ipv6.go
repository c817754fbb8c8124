package packet

import "encoding/binary"

// maxExtensionHeaders bounds the walk over IPv6 extension headers. RFC 8200 4.1
// knows each once, destination options twice; Suricata stops at 16 layers.
const maxExtensionHeaders = 16

var ipv6Ends = []fieldEnd{
	{1, FieldIPVersion}, {2, FieldTOS}, {4, FieldFlowLabel}, {6, FieldTotalLength}, {7, FieldNextHeader},
	{8, FieldTTL}, {24, FieldSourceAddress}, {40, FieldDestinationAddress},
}

// ipv6 reads the header at offset at, clips what follows to the datagram and
// walks the extension headers.
//
// A payload length of 0 with a header to follow is what segmentation offload
// and jumbograms (RFC 2675) leave: the frame counts.
func (w *walk) ipv6(at int) {
	if at < w.end && w.frame[at]>>4 != 6 {
		w.stop(StatusBadVersion, LayerIPv6, at, 0, 0)
		return
	}
	w.p.NetworkOffset = uint32(at)
	if !w.whole(LayerIPv6, at, ipv6Len) {
		var h [ipv6Len]byte
		w.cut(h[:], at, ipv6Ends)
		readIPv6(w.p, &h)
		return
	}
	readIPv6(w.p, (*[ipv6Len]byte)(w.frame[at:]))
	w.present |= ipv6Fields
	if w.p.TotalLength == ipv6Len && w.p.NextHeader != protocolNoNext {
		w.zeroLayer, w.zeroOffset = LayerIPv6, at+4
	} else {
		w.limit = at + int(w.p.TotalLength)
		w.end = min(w.end, w.limit)
	}
	w.extensionHeaders(at+6, at+ipv6Len)
}

// readIPv6 reads the fixed header. RFC 8200 3.
//
//	0                   4                   8
//	+----+---------+----+-------------------+
//	|Ver | class 8 | flow label 20          |
//	| payload length 16 | next 8  | hops 8  |
//	| source address 128                    |
//	| destination address 128               |
func readIPv6(p *Packet, h *[ipv6Len]byte) {
	first := binary.BigEndian.Uint32(h[0:])
	p.IPVersion = 6
	p.TOS = uint8(first >> 20)
	p.FlowLabel = first & 0xfffff
	p.TotalLength = ipv6Len + uint32(binary.BigEndian.Uint16(h[4:]))
	p.NextHeader = h[6]
	p.TTL = h[7]
	p.SourceAddress = [16]byte(h[8:24])
	p.DestinationAddress = [16]byte(h[24:40])
}

// extensionHeaders walks the extension headers from offset at; nextAt is the
// offset of the byte that names the first of them. RFC 8200 4; RFC 4302 2.
//
//	+----------+------------------+-----
//	| next 8   | length 8         | ...
//	+----------+------------------+-----
//
// The length counts units of 8 bytes beyond the first 8, in an Authentication
// Header units of 4; a Fragment header has none and is 8 bytes long. The protocol
// is known only when the last of them is whole.
func (w *walk) extensionHeaders(nextAt, at int) {
	first := at
	next := w.frame[nextAt]
	fragment := false // a Fragment header was read; a second one does not count
	for walked := 0; ; walked++ {
		switch next {
		case protocolHopByHop, protocolRouting, protocolDestination, protocolAH, protocolFragment:
		default:
			w.p.Protocol = next
			w.present |= 1 << FieldProtocol
			w.transport(LayerIPv6, nextAt, at)
			return
		}
		if walked == maxExtensionHeaders {
			w.stop(StatusTooManyExtensionHeaders, LayerIPv6, at, 0, 0)
			return
		}
		if !w.whole(LayerIPv6, at, 8) {
			return
		}
		h := (*[8]byte)(w.frame[at:])
		size := extensionLen(next, h[1])
		if at+size > w.limit {
			w.stop(StatusBadExtensionHeader, LayerIPv6, at, size, w.limit-at)
			return
		}
		if !w.whole(LayerIPv6, at, size) {
			return
		}
		if next == protocolFragment && !fragment {
			fragment = true
			readFragment(w.p, h)
			w.present |= 1<<FieldFragmentOffset | 1<<FieldIPFlags | 1<<FieldIdentification
		}
		next, nextAt, at = h[0], at, at+size
		w.p.ExtensionHeaders = uint16(at - first)
		w.present |= 1 << FieldExtensionHeaders
		if fragment && w.p.FragmentOffset != 0 {
			w.p.Protocol = next
			w.present |= 1 << FieldProtocol
			w.stop(StatusLaterFragment, LayerIPv6, nextAt+2, 0, 0)
			return
		}
	}
}

// extensionLen returns the bytes of an extension header of which length is the
// second byte.
func extensionLen(protocol, length uint8) int {
	switch protocol {
	case protocolFragment:
		return 8
	case protocolAH:
		return 8 + 4*int(length)
	}
	return 8 + 8*int(length)
}

// readFragment reads the Fragment header. RFC 8200 4.5.
//
//	+--------+------------+--------------------+-------+---+-------------------+
//	| next 8 | reserved 8 | fragment offset 13 | res 2 | M | identification 32 |
//	+--------+------------+--------------------+-------+---+-------------------+
func readFragment(p *Packet, h *[8]byte) {
	offset := binary.BigEndian.Uint16(h[2:])
	p.FragmentOffset = offset >> 3
	p.IPFlags = uint8(offset & 1)
	p.Identification = binary.BigEndian.Uint32(h[4:])
}
