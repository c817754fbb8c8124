package store

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

var testStart = time.Date(2026, 11, 23, 5, 38, 0, 0, time.UTC).UnixNano()

// generator makes rows as a capture would: TCP and UDP of some flows over IPv4
// and IPv6, now and then ARP, ICMP and a damaged frame.
type generator struct {
	rng    *rand.Rand
	origin record.Origin
	now    int64 // packet time of the next row
	step   int64 // ns from packet to packet
	next   uint64
	rows   []codec.Row
	flows  []packet.Packet
}

func newGenerator(seed uint64, queue int) *generator {
	g := &generator{
		rng:    rand.New(rand.NewPCG(seed, 1)),
		origin: record.Origin{Host: "probe-1", Run: "0123456789ab", Interface: "eth1", Queue: queue},
		now:    testStart, step: 10_000,
	}
	for i := range 2000 {
		var p packet.Packet
		p.SourceMAC, p.DestinationMAC = [6]byte{2, 0, 0, 0, 0, byte(i % 7)}, [6]byte{2, 0, 0, 0, 1, byte(i % 5)}
		p.SourcePort, p.DestinationPort = uint16(g.rng.Uint32()), []uint16{80, 443, 53, 22}[i%4]
		p.SourceAddress = netip.AddrFrom4([4]byte{10, 0, byte(g.rng.Uint32()), byte(g.rng.Uint32())}).As16()
		p.DestinationAddress = netip.AddrFrom4([4]byte{192, 168, byte(i % 3), byte(g.rng.Uint32())}).As16()
		if i%10 == 0 {
			p.SourceAddress, p.DestinationAddress = [16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}, [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}
		}
		g.flows = append(g.flows, p)
	}
	return g
}

func set(p *packet.Packet, fields ...packet.Field) {
	for _, f := range fields {
		p.Present |= 1 << f
	}
}

// fill makes r the next row.
func (g *generator) fill(row *codec.Row) {
	r := &row.Record
	r.Packet = g.flows[g.rng.IntN(len(g.flows))]
	r.Present = 0
	set(&r.Packet, packet.FieldSourceMAC, packet.FieldDestinationMAC, packet.FieldEtherType, record.FieldSequence)
	r.TimestampNanos, r.Sequence = g.now, g.next
	r.OrigLen = uint32(60 + g.rng.IntN(1455))
	r.CapLen = r.OrigLen
	g.now += g.step/2 + g.rng.Int64N(g.step)
	g.next++
	switch k := g.rng.IntN(100); {
	case k < 2:
		g.arp(r)
	case k < 4:
		r.EtherType = 0x0800
		set(&r.Packet, packet.FieldStatus)
		r.Status = packet.StatusTruncated
	default:
		g.ip(r, k)
	}
	row.Origin = &g.origin
	row.ID = record.AppendID(row.ID[:0], r, row.Origin)
}

func (g *generator) arp(r *record.Record) {
	r.EtherType, r.ARPOperation = 0x0806, 1
	r.ARPSenderMAC, r.ARPSenderIP, r.ARPTargetIP = r.SourceMAC, 0x0a000001, 0x0a000000+uint32(g.rng.IntN(256))
	set(&r.Packet, packet.FieldARPOperation, packet.FieldARPSenderMAC, packet.FieldARPSenderIP, packet.FieldARPTargetMAC, packet.FieldARPTargetIP)
}

func (g *generator) ip(r *record.Record, k int) {
	p := &r.Packet
	p.TTL, p.TotalLength = 64, r.OrigLen-14
	set(p, packet.FieldIPVersion, packet.FieldTOS, packet.FieldTotalLength, packet.FieldTTL, packet.FieldProtocol,
		packet.FieldSourceAddress, packet.FieldDestinationAddress)
	if p.SourceAddress[0] == 0x20 {
		p.EtherType, p.IPVersion, p.NextHeader, p.FlowLabel = 0x86dd, 6, 6, uint32(p.SourcePort)
		set(p, packet.FieldFlowLabel, packet.FieldNextHeader)
	} else {
		p.EtherType, p.IPVersion, p.IPHeaderLen, p.IPFlags = 0x0800, 4, 20, 2
		p.Identification, p.HeaderChecksum = uint32(uint16(g.rng.Uint32())), uint16(g.rng.Uint32())
		set(p, packet.FieldIPHeaderLen, packet.FieldIdentification, packet.FieldIPFlags, packet.FieldFragmentOffset, packet.FieldHeaderChecksum)
	}
	if k < 8 {
		p.Protocol, p.ICMPType, p.ICMPChecksum = 1, 8, uint16(g.rng.Uint32())
		set(p, packet.FieldICMPType, packet.FieldICMPCode, packet.FieldICMPChecksum)
		return
	}
	set(p, packet.FieldSourcePort, packet.FieldDestinationPort)
	if p.DestinationPort == 53 {
		p.Protocol, p.UDPLength, p.UDPChecksum = 17, uint16(p.TotalLength-20), uint16(g.rng.Uint32())
		set(p, packet.FieldUDPLength, packet.FieldUDPChecksum)
		return
	}
	p.Protocol, p.DataOffset, p.TCPFlags, p.Window = 6, 8, 16, uint16(g.rng.IntN(500))
	p.SequenceNumber, p.AcknowledgmentNumber, p.TCPChecksum = g.rng.Uint32(), g.rng.Uint32(), uint16(g.rng.Uint32())
	p.TCPOptions = append(p.TCPOptions[:0:0], 1, 1, 8, 10, byte(r.Sequence>>24), byte(r.Sequence>>16), byte(r.Sequence>>8), byte(r.Sequence), 0, 0, 0, 0)
	set(p, packet.FieldSequenceNumber, packet.FieldAcknowledgmentNumber, packet.FieldDataOffset, packet.FieldTCPFlags,
		packet.FieldWindow, packet.FieldTCPChecksum, packet.FieldUrgentPointer, packet.FieldTCPOptions)
}

// block makes the next n rows, valid until the next call.
func (g *generator) block(n int) []codec.Row {
	for len(g.rows) < n {
		g.rows = append(g.rows, codec.Row{})
	}
	for i := range n {
		g.fill(&g.rows[i])
	}
	return g.rows[:n]
}

// testMessage is the message at offset of a partition.
func testMessage(topic string, partition int32, offset int64) *message.Message {
	return &message.Message{Topic: topic, Partition: partition, Offset: offset}
}
