package packet

import (
	"encoding/binary"
	"math/bits"
)

// Odd constants without structure: fractional digits of pi in hexadecimal.
const (
	mix1 = 0x243f6a8885a308d3
	mix2 = 0x13198a2e03707345
	mix3 = 0xa4093822299f31d1
)

// FlowHash returns a number that is the same for both directions of a flow and
// on every machine: for message keys and for keeping a flow on one worker.
//
// IP: addresses, protocol and, where there are any, ports. Fragments, the first
// included, count without ports, so that all of a datagram stay together. ARP:
// the two IP addresses. Other frames: the two MAC addresses. 0 is a frame of
// which none of these is known. It is no defence against a sender who picks
// colliding addresses.
func (p *Packet) FlowHash() uint64 {
	switch {
	case p.Present.Has(FieldDestinationAddress):
		var source, destination uint64
		if p.Present&portFields == portFields && !p.isFragment() {
			source, destination = uint64(p.SourcePort), uint64(p.DestinationPort)
		}
		var protocol uint64 = 256 // not known: behind a cut extension header
		if p.Present.Has(FieldProtocol) {
			protocol = uint64(p.Protocol)
		}
		return pairHash(endpointHash(&p.SourceAddress, source), endpointHash(&p.DestinationAddress, destination), protocol)
	case p.Present.Has(FieldARPTargetIP):
		return pairHash(mix(uint64(p.ARPSenderIP), mix2), mix(uint64(p.ARPTargetIP), mix2), etherTypeARP)
	case p.Present.Has(FieldSourceMAC) && p.Present.Has(FieldDestinationMAC):
		return pairHash(mix(macNumber(&p.SourceMAC), mix2), mix(macNumber(&p.DestinationMAC), mix2), 1<<16)
	}
	return 0
}

// FlowHashOf is the FlowHash of a frame that nobody has decoded yet: of the most
// common frames without decoding them. It gives the number that Decode and
// FlowHash give. scratch is for the others; what it holds afterwards means
// nothing.
func FlowHashOf(scratch *Packet, linkType uint16, frame []byte, origLen uint32) uint64 {
	if linkType == LinkTypeEthernet {
		if hash, ok := commonFlowHash(frame); ok {
			return hash
		}
	}
	Decode(scratch, linkType, frame, origLen)
	return scratch.FlowHash()
}

// commonFlowHash is the hash of a frame as decodeCommon knows them, of no
// fragment. It looks at no more than it takes to be sure of that.
func commonFlowHash(frame []byte) (hash uint64, ok bool) {
	const shortest = ethernetLen + ipv4Len + udpLen
	if len(frame) < shortest+tagLen {
		return 0, false // the shortest of all are not the most common
	}
	etherType, network := binary.BigEndian.Uint16(frame[ethernetLen-2:]), ethernetLen
	if isTag(etherType) {
		etherType, network = binary.BigEndian.Uint16(frame[ethernetLen+2:]), ethernetLen+tagLen
	}
	var (
		source, destination [2]uint64 // high, low
		protocol            uint8
		end                 int // of the datagram
	)
	ip := frame[network:]
	headerLen := ipv4Len
	switch etherType {
	case etherTypeIPv4:
		h := (*[ipv4Len]byte)(ip)
		const moreFragments = 0x20
		if h[0] != 4<<4|ipv4Len/4 || h[6]&(moreFragments|0x1f)|h[7] != 0 {
			return 0, false
		}
		source[1] = 0xffff<<32 | uint64(binary.BigEndian.Uint32(h[12:]))
		destination[1] = 0xffff<<32 | uint64(binary.BigEndian.Uint32(h[16:]))
		protocol, end = h[9], int(binary.BigEndian.Uint16(h[2:]))
	case etherTypeIPv6:
		if len(ip) < ipv6Len || ip[0]>>4 != 6 {
			return 0, false
		}
		h := (*[ipv6Len]byte)(ip)
		source = [2]uint64{binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint64(h[16:])}
		destination = [2]uint64{binary.BigEndian.Uint64(h[24:]), binary.BigEndian.Uint64(h[32:])}
		protocol, end = h[6], ipv6Len+int(binary.BigEndian.Uint16(h[4:]))
		headerLen = ipv6Len
	default:
		return 0, false
	}
	need := udpLen
	switch protocol {
	case protocolTCP:
		need = tcpLen
	case protocolUDP:
	default:
		return 0, false
	}
	if min(end, len(ip)) < headerLen+need {
		return 0, false
	}
	ports := binary.BigEndian.Uint32(ip[headerLen:])
	return pairHash(wordsHash(source[0], source[1], uint64(ports>>16)),
		wordsHash(destination[0], destination[1], uint64(ports&0xffff)), uint64(protocol)), true
}

// isFragment reports whether p is a fragment, first or later.
func (p *Packet) isFragment() bool {
	return p.Present.Has(FieldFragmentOffset) && (p.FragmentOffset != 0 || p.IPFlags&1 != 0)
}

func endpointHash(address *[16]byte, port uint64) uint64 {
	return wordsHash(binary.BigEndian.Uint64(address[:8]), binary.BigEndian.Uint64(address[8:]), port)
}

func wordsHash(high, low, port uint64) uint64 { return mix(mix(high^mix1, low^mix2)^port, mix3) }

// pairHash mixes the hashes of the two ends. Their sum does not know an order.
func pairHash(a, b, kind uint64) uint64 { return mix(a+b, kind^mix1) }

// mix folds the 128-bit product of a and b.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

func macNumber(mac *[6]byte) uint64 {
	return uint64(binary.BigEndian.Uint16(mac[:]))<<32 | uint64(binary.BigEndian.Uint32(mac[2:]))
}
