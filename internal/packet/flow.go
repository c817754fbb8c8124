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

// isFragment reports whether p is a fragment, first or later.
func (p *Packet) isFragment() bool {
	return p.Present.Has(FieldFragmentOffset) && (p.FragmentOffset != 0 || p.IPFlags&1 != 0)
}

func endpointHash(address *[16]byte, port uint64) uint64 {
	high, low := binary.BigEndian.Uint64(address[:8]), binary.BigEndian.Uint64(address[8:])
	return mix(mix(high^mix1, low^mix2)^port, mix3)
}

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
