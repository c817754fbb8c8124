package packet

import "encoding/binary"

// maxTags bounds the walk over VLAN tags: the kernel's own VLAN_MAX_DEPTH
// (include/linux/if_vlan.h, 6.1). 802.1ad stacks two.
const maxTags = 8

// Address families of LINKTYPE_NULL and LINKTYPE_LOOP; that of IPv6 depends on
// the system that wrote the file.
const (
	familyIPv4        = 2
	familyIPv6Linux   = 10
	familyIPv6NetBSD  = 24 // and OpenBSD
	familyIPv6FreeBSD = 28
	familyIPv6Darwin  = 30
)

// ARPHRD_ numbers (include/uapi/linux/if_arp.h) of the cooked headers: in the
// three last the protocol field is no EtherType.
const (
	hardwareEthernet = 1
	hardwareFRAD     = 770
	hardwareRadiotap = 803
	hardwareNetlink  = 824
)

func (w *walk) link(linkType uint16) {
	switch linkType {
	case LinkTypeEthernet:
		w.ethernet()
	case LinkTypeRaw, LinkTypeRawBSD:
		w.rawIP()
	case LinkTypeIPv4:
		w.ipv4(0)
	case LinkTypeIPv6:
		w.ipv6(0)
	case LinkTypeNull, LinkTypeLoop:
		w.loopback()
	case LinkTypeLinuxSLL:
		w.cooked1()
	case LinkTypeLinuxSLL2:
		w.cooked2()
	default:
		w.stop(StatusUnsupportedLinkType, LayerEthernet, 0, 0, 0)
	}
}

var ethernetEnds = []fieldEnd{{6, FieldDestinationMAC}, {12, FieldSourceMAC}}

// ethernet reads the Ethernet II or IEEE 802.3 header at the start of the frame.
//
//	0             6        12                 14
//	+-------------+--------+------------------+
//	| destination | source | EtherType or TPID |
//	+-------------+--------+------------------+
func (w *walk) ethernet() {
	if !w.whole(LayerEthernet, 0, ethernetLen) {
		var h [12]byte
		w.cut(h[:], 0, ethernetEnds)
		readMACs(w.p, &h)
		return
	}
	readMACs(w.p, (*[12]byte)(w.frame))
	w.present |= 1<<FieldDestinationMAC | 1<<FieldSourceMAC
	w.etherType(12, 14)
}

func readMACs(p *Packet, h *[12]byte) {
	p.DestinationMAC = [6]byte(h[0:6])
	p.SourceMAC = [6]byte(h[6:12])
}

// etherType walks the VLAN tags, if any, from the type field at offset typeAt,
// which is whole, and goes on with what is behind them; next is the offset of
// what is behind the type.
//
//	+---------+-----+-----+--------+------------------------+
//	| TPID 16 | PCP | DEI | VID 12 | next TPID or EtherType |
//	+---------+-----+-----+--------+------------------------+
//
// The innermost tag is one of two or more whose EtherType was seen: of a cut
// stack only the outermost is known.
func (w *walk) etherType(typeAt, next int) {
	etherType := binary.BigEndian.Uint16(w.frame[typeAt:])
	var tags int
	var tci uint16
	for ; isTag(etherType); tags++ {
		if tags == maxTags {
			w.stop(StatusTooManyTags, LayerVLAN, typeAt, 0, 0)
			return
		}
		if next+2 <= w.end {
			tci = binary.BigEndian.Uint16(w.frame[next:])
			if tags == 0 {
				w.p.VLANID, w.p.VLANPriority = readTCI(tci)
				w.present |= 1<<FieldVLANID | 1<<FieldVLANPriority
			}
		}
		if !w.whole(LayerVLAN, next, tagLen) {
			return
		}
		typeAt, next = next+2, next+tagLen
		etherType = binary.BigEndian.Uint16(w.frame[typeAt:])
	}
	if tags >= 2 {
		w.p.VLANInnerID, w.p.VLANInnerPriority = readTCI(tci)
		w.present |= 1<<FieldVLANInnerID | 1<<FieldVLANInnerPriority
	}
	w.payload(etherType, typeAt, next)
}

// isTag reports whether a type is the TPID of a VLAN tag.
func isTag(etherType uint16) bool {
	return etherType == etherTypeVLAN || etherType == etherTypeQinQ || etherType == etherTypeOldTag
}

// readTCI takes tag control information apart; DEI is not kept.
func readTCI(tci uint16) (vid uint16, pcp uint8) { return tci & 0xfff, uint8(tci >> 13) }

// payload goes on at offset next, behind the EtherType at offset typeAt.
func (w *walk) payload(etherType uint16, typeAt, next int) {
	if etherType < minEtherType {
		w.stop(StatusIEEE8023, LayerEthernet, typeAt, 0, 0)
		return
	}
	w.p.EtherType = etherType
	w.present |= 1 << FieldEtherType
	switch etherType {
	case etherTypeIPv4:
		w.ipv4(next)
	case etherTypeIPv6:
		w.ipv6(next)
	case etherTypeARP:
		w.arp(next)
	default:
		w.stop(StatusUnsupportedEtherType, LayerEthernet, typeAt, 0, 0)
	}
}

// rawIP tells IPv4 from IPv6 by the version nibble.
func (w *walk) rawIP() {
	if len(w.frame) > 0 && w.frame[0]>>4 == 6 {
		w.ipv6(0)
		return
	}
	w.ipv4(0)
}

// loopback reads the four bytes of address family. A family below 256 is told
// from its byte-swapped self, so the writer's byte order need not be known.
func (w *walk) loopback() {
	if !w.whole(LayerEthernet, 0, 4) {
		return
	}
	family := binary.BigEndian.Uint32(w.frame)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(w.frame)
	}
	switch family {
	case familyIPv4:
		w.ipv4(4)
	case familyIPv6Linux, familyIPv6NetBSD, familyIPv6FreeBSD, familyIPv6Darwin:
		w.ipv6(4)
	default:
		w.stop(StatusUnsupportedEtherType, LayerEthernet, 0, 0, 0)
	}
}

// cooked1 reads the 16 bytes of a Linux cooked header, version 1.
//
//	0             2        4                6            14         16
//	+-------------+--------+----------------+------------+----------+
//	| packet type | ARPHRD | address length | address    | protocol |
//	+-------------+--------+----------------+------------+----------+
func (w *walk) cooked1() {
	if !w.whole(LayerEthernet, 0, 16) {
		return
	}
	h := (*[16]byte)(w.frame)
	w.cooked(binary.BigEndian.Uint16(h[2:]), binary.BigEndian.Uint16(h[4:]), (*[6]byte)(h[6:]), 14, 16)
}

// cooked2 reads the 20 bytes of a Linux cooked header, version 2.
//
//	0          2          4           8        10            11               12        20
//	+----------+----------+-----------+--------+-------------+----------------+---------+
//	| protocol | reserved | interface | ARPHRD | packet type | address length | address |
//	+----------+----------+-----------+--------+-------------+----------------+---------+
func (w *walk) cooked2() {
	if !w.whole(LayerEthernet, 0, 20) {
		return
	}
	h := (*[20]byte)(w.frame)
	w.cooked(binary.BigEndian.Uint16(h[8:]), uint16(h[11]), (*[6]byte)(h[12:]), 0, 20)
}

func (w *walk) cooked(hardware, addressLen uint16, address *[6]byte, protocolAt, next int) {
	if hardware == hardwareEthernet && addressLen == 6 {
		w.p.SourceMAC = *address
		w.present |= 1 << FieldSourceMAC
	}
	switch hardware {
	case hardwareFRAD, hardwareRadiotap, hardwareNetlink:
		w.stop(StatusUnsupportedEtherType, LayerEthernet, protocolAt, 0, 0)
	default:
		w.etherType(protocolAt, next)
	}
}
