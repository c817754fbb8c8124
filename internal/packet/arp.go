package packet

import "encoding/binary"

var arpEnds = []fieldEnd{
	{8, FieldARPOperation}, {14, FieldARPSenderMAC}, {18, FieldARPSenderIP},
	{24, FieldARPTargetMAC}, {28, FieldARPTargetIP},
}

const arpFields FieldSet = 1<<FieldARPOperation | 1<<FieldARPSenderMAC | 1<<FieldARPSenderIP |
	1<<FieldARPTargetMAC | 1<<FieldARPTargetIP

// arp reads the 28 bytes of Ethernet/IPv4 ARP; other kinds of address are noted
// as an unsupported protocol. RFC 826.
//
//	0          2          4        5        6           8            14          18           24          28
//	+----------+----------+--------+--------+-----------+------------+-----------+------------+-----------+
//	| hardware | protocol | HW len | P len  | operation | sender MAC | sender IP | target MAC | target IP |
//	+----------+----------+--------+--------+-----------+------------+-----------+------------+-----------+
func (w *walk) arp(at int) {
	const kindLen, size = 6, 28
	if !w.whole(LayerARP, at, kindLen) {
		return
	}
	if [kindLen]byte(w.frame[at:]) != [kindLen]byte{0, 1, 8, 0, 6, 4} {
		w.stop(StatusUnsupportedProtocol, LayerARP, at, 0, 0)
		return
	}
	if !w.whole(LayerARP, at, size) {
		var h [size]byte
		w.cut(h[:], at, arpEnds)
		readARP(w.p, &h)
		return
	}
	readARP(w.p, (*[size]byte)(w.frame[at:]))
	w.present |= arpFields
}

func readARP(p *Packet, h *[28]byte) {
	p.ARPOperation = binary.BigEndian.Uint16(h[6:])
	p.ARPSenderMAC = [6]byte(h[8:14])
	p.ARPSenderIP = binary.BigEndian.Uint32(h[14:])
	p.ARPTargetMAC = [6]byte(h[18:24])
	p.ARPTargetIP = binary.BigEndian.Uint32(h[24:])
}
