package main

import (
	"fmt"
	"slices"
	"time"
)

// The receivers of the capture benchmarks. Our own end where the peers do: the
// frame is counted and given back.
func ours(flags ...string) receiver {
	return receiver{args: append([]string{"{xcapa}", "capture", "-i", "{if}", "--until", "ring"}, flags...), kind: kindXcapa}
}

// spin marks a receiver that loses whatever time its core does not give it.
func spin(r receiver) receiver {
	r.spins = true
	return r
}

// limit is the run delay beyond which a trial of r is repeated.
func (r receiver) limit() float64 {
	switch {
	case r.spins:
		return spinning
	case r.broker:
		return crowded
	}
	return blocking
}

func peer(name string, flags ...string) receiver {
	return receiver{args: append([]string{"{self}", "peer", name, "-i", "{if}"}, flags...), kind: kindPeer}
}

var tcpdump = receiver{args: []string{"tcpdump", "-n", "-i", "{if}", "-s", "128", "-B", "65536", "-w", "/dev/null"}, kind: kindTcpdump}

// Names that goals and the report look cases up by.
const (
	nameAlone       = "generator alone"
	nameDrop        = "XDP count and drop"
	nameCeilPacket  = "ceiling of --stamp packet"
	nameCeilBatch   = "ceiling of --stamp batch"
	namePacket      = "xcapa --stamp packet"
	nameBatch       = "xcapa --stamp batch"
	nameSpin        = "xcapa --stamp packet --spin"
	nameEngine      = "xcapa --engine asavie"
	nameAsavie      = "asavie/xdp as published"
	nameAsavieLook  = "asavie/xdp, looking at each frame"
	nameAFPacket    = "gopacket/afpacket"
	nameTcpdump     = "tcpdump"
	nameOurAFPacket = "xcapa --engine afpacket"
)

type named struct {
	name string
	r    receiver
	note string
}

var captureCases = []named{
	{nameDrop, peer("drop"), "the least an XDP program can do"},
	{nameCeilPacket, peer("drop", "-stamp", "clock"), "our program, XDP_DROP for the redirect"},
	{nameCeilBatch, peer("drop", "-stamp", "none"), "our program, XDP_DROP for the redirect"},
	{namePacket, ours(), ""},
	{nameBatch, ours("--stamp", "batch"), ""},
	{nameSpin, spin(ours("--spin")), "no naps: all of a core"},
	{nameEngine, ours("--engine", "asavie"), "its sockets and rings behind our program, stamps included"},
	{nameAsavie, peer("asavie"), "the loop of its examples, rings as large as ours"},
	{nameAsavieLook, peer("asavie", "-look"), "the same, and the first byte of each frame is read, as --stamp packet reads its stamp"},
	{nameAFPacket, peer("afpacket"), "TPACKET_V3, 64 blocks of 1 MiB"},
	{nameOurAFPacket, ours("--engine", "afpacket"), ""},
	{nameTcpdump, tcpdump, "-w /dev/null"},
}

// smallOnly are the cases of which longer frames would say nothing more; the
// ceiling of batch stands beside IMIX too.
var smallOnly = []string{nameCeilBatch, nameSpin, nameEngine, nameAsavieLook, nameOurAFPacket}

func (h *harness) captureCase(group string, n named, t traffic) benchCase {
	return benchCase{group: group, name: n.name, unit: "packets", limit: n.r.limit(), note: n.note,
		run: func() (sample, error) { return h.measure(n.r, t, h.length) }}
}

func groupCapture(t traffic) string { return "capture " + t.name }

// capture is B1 to B4: as many frames as there can be, counted.
func (h *harness) capture() {
	for _, t := range []traffic{small, imix, medium, large} {
		n, budget := h.count, 100*time.Second
		if t.name != small.name {
			n, budget = min(h.count, 3), 40*time.Second
		}
		cases := []benchCase{{group: groupCapture(t), name: nameAlone, unit: "packets", note: "frames made and dropped at once: the generator's own part of its core",
			run: func() (sample, error) { return h.generatorAlone(t) }}}
		for _, c := range captureCases {
			if t.name == small.name || t.name == imix.name && c.name == nameCeilBatch || !slices.Contains(smallOnly, c.name) {
				cases = append(cases, h.captureCase(groupCapture(t), c, t))
			}
		}
		h.rounds(n, budget, cases)
	}
}

// generatorAlone measures what of its core the generator takes for itself.
func (h *harness) generatorAlone(t traffic) (s sample, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return s, err
	}
	defer w.close()
	t.flags = append(slices.Clone(t.flags), "--alone")
	s.Offered, s.Seconds, err = w.generate(t, h.length/2)
	s.Delivered, s.Bytes = s.Offered, t.bytes
	s.Core = s.Seconds * 1e9 / float64(max(s.Offered, 1))
	return s, err
}

func groupFixed(rate float64) string { return fmt.Sprintf("CPU at %.0f M/s", rate/1e6) }

// fixed is B5: what a given rate costs both sides together.
func (h *harness) fixed() {
	for _, rate := range []float64{1e6, 3e6} {
		var cases []benchCase
		for _, c := range captureCases {
			switch c.name {
			case namePacket, nameBatch, nameAsavie, nameAFPacket:
				cases = append(cases, h.captureCase(groupFixed(rate), c, small.at(rate)))
			}
		}
		h.rounds(min(h.count, 3), 30*time.Second, cases)
	}
}
