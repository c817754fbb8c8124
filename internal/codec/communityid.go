package codec

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// The protocols whose ports (or type and code) are part of a Community ID.
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
	protocolSCTP   = 132
)

const jsonCommunityID = `,"` + record.NameCommunityID + `":"`

// putCommunityID writes the field, nothing where there is no flow.
func putCommunityID(b []byte, n int, r *record.Record) int {
	value := n + copy(b[n:], jsonCommunityID)
	end := len(AppendCommunityID(b[:value], r))
	if end == value {
		return n
	}
	b[end] = '"'
	return end + 1
}

// AppendCommunityID appends the record's Community ID, version 1.0 with seed 0:
// the same text for both directions of a flow. Nothing where there is no flow:
// no IP, a later fragment, a cut header.
//
// Community ID Flow Hashing specification, version 1: SHA-1 over seed, ordered
// addresses, protocol, a zero byte, ordered ports, network byte order.
func AppendCommunityID(dst []byte, r *record.Record) []byte {
	var tuple [2 + 16 + 16 + 2 + 4]byte
	n := flowTuple(&tuple, r)
	if n == 0 {
		return dst
	}
	sum := sha1.Sum(tuple[:n])
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), sum[:])
}

// flowTuple writes what is hashed and returns its length, 0 for no flow.
func flowTuple(t *[40]byte, r *record.Record) int {
	const need = 1<<packet.FieldProtocol | 1<<packet.FieldSourceAddress | 1<<packet.FieldDestinationAddress
	if r.Present&need != need {
		return 0
	}
	src, dst := r.SourceAddress[:], r.DestinationAddress[:]
	if r.IPVersion == 4 {
		src, dst = src[12:], dst[12:]
	}
	sport, dport, ports, oneWay, ok := flowPorts(r)
	if !ok {
		return 0
	}
	if order := bytes.Compare(src, dst); !oneWay && (order > 0 || order == 0 && sport > dport) {
		src, dst, sport, dport = dst, src, dport, sport
	}
	n := 2 // seed 0
	n += copy(t[n:], src)
	n += copy(t[n:], dst)
	t[n] = r.Protocol
	n += 2
	if ports {
		binary.BigEndian.PutUint16(t[n:], sport)
		binary.BigEndian.PutUint16(t[n+2:], dport)
		n += 4
	}
	return n
}

// flowPorts returns the ports of the flow. ICMP has its type and the type that
// answers it; one that has no answer is one-way, with its code.
func flowPorts(r *record.Record) (src, dst uint16, ports, oneWay, ok bool) {
	switch r.Protocol {
	case protocolTCP, protocolUDP, protocolSCTP:
		ok = r.Present&groupPorts == groupPorts
		return r.SourcePort, r.DestinationPort, true, false, ok
	case protocolICMP, protocolICMPv6:
		const need = 1<<packet.FieldICMPType | 1<<packet.FieldICMPCode
		answers := icmpAnswers
		if r.Protocol == protocolICMPv6 {
			answers = icmpv6Answers
		}
		answer, both := answers(r.ICMPType)
		if !both {
			answer = r.ICMPCode
		}
		return uint16(r.ICMPType), uint16(answer), true, !both, r.Present&need == need
	}
	return 0, 0, false, false, r.FragmentOffset == 0 || !r.Present.Has(packet.FieldFragmentOffset)
}

// icmpAnswers pairs the ICMP types that ask and answer: echo, router, timestamp,
// information, address mask.
func icmpAnswers(t uint8) (uint8, bool) {
	switch t {
	case 0, 8:
		return 8 - t, true
	case 9, 13, 15, 17:
		return t + 1, true
	case 10, 14, 16, 18:
		return t - 1, true
	}
	return 0, false
}

// icmpv6Answers pairs those of ICMPv6: echo, listener, router, neighbour, node
// information, home agent.
func icmpv6Answers(t uint8) (uint8, bool) {
	switch t {
	case 128, 130, 133, 135, 139, 144:
		return t + 1, true
	case 129, 131, 134, 136, 140, 145:
		return t - 1, true
	}
	return 0, false
}
