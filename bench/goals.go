package main

import (
	"fmt"
	"math"
	"strings"
)

// verdict is one goal, and whether this run met it.
type verdict struct {
	Goal   string `json:"goal"`
	Got    string `json:"got"`
	Met    bool   `json:"met"`
	Judged bool   `json:"judged"` // false: not measured
	Remark string `json:"remark,omitempty"`
}

func (v verdict) word() string {
	switch {
	case !v.Judged:
		return "–"
	case v.Met:
		return "met"
	}
	return "missed"
}

// atLeast judges a ratio that should not be below want, atMost one that should
// not be above it.
func atLeast(goal string, got spread, want float64, remark string) verdict {
	return verdict{goal, times(got), got.Median >= want, !math.IsNaN(got.Median), remark}
}

func atMost(goal string, got spread, want float64, remark string) verdict {
	return verdict{goal, times(got), got.Median <= want, !math.IsNaN(got.Median), remark}
}

// because adds why to a goal that was missed.
func (v verdict) because(why string) verdict {
	if v.Judged && !v.Met && why != "" {
		if v.Remark != "" {
			v.Remark += "; "
		}
		v.Remark += why
	}
	return v
}

// shown takes the judgement away: a figure that stands beside a goal.
func (v verdict) shown(remark string) verdict {
	v.Judged, v.Met, v.Remark = false, false, remark
	return v
}

func times(s spread) string {
	if math.IsNaN(s.Median) {
		return "not measured"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Low, s.High)
}

// judge holds the run against what is to be reached. Ratios are taken round by
// round; the median counts.
func judge(r *report) []verdict {
	g := groupCapture(small)
	f := func(name string) *outcome { return r.find(g, name) }
	batch, packet := r.kernelLimit(small, nameCeilBatch, nameBatch), r.kernelLimit(small, nameCeilPacket, namePacket)
	vs := []verdict{
		atLeast("capture, --stamp batch ≥ 2.5 × gopacket/afpacket", ratio(f(nameBatch), f(nameAFPacket), rate), 2.5, "").because(batch),
		atLeast("capture, --stamp batch ≥ 1.25 × asavie/xdp as published", ratio(f(nameBatch), f(nameAsavie), rate), 1.25, "").because(batch),
		atMost("… at ≤ 0.85 × its CPU a packet", ratio(f(nameBatch), f(nameAsavie), cpuOf), 0.85, "").because("asavie's process is woken by the kernel's core, which spent 27 % of itself on that under perf (Xeon guest); ours naps and pays for it itself"),
		atLeast("capture, --stamp packet ≥ 2.0 × gopacket/afpacket", ratio(f(namePacket), f(nameAFPacket), rate), 2.0, "").because(packet),
		atLeast("capture, --stamp packet ≥ 1.0 × asavie/xdp as published", ratio(f(namePacket), f(nameAsavie), rate), 1.0, "").because(packet).because("asavie's program reads no clock"),
		atMost("… at ≤ 0.85 × its CPU a packet", ratio(f(namePacket), f(nameAsavie), cpuOf), 0.85, "").because("asavie's loop looks at no frame; under perf (Xeon guest) 63 % of ours was waiting for the line with the stamp, which the kernel's core had just written").because("at one rate for both, 3 M/s: " + times(ratio(r.find(groupFixed(3e6), namePacket), r.find(groupFixed(3e6), nameAsavie), cpuOf))),
		atLeast("capture, --stamp packet ≥ 0.65 of its ceiling", ratio(f(namePacket), f(nameCeilPacket), rate), 0.65, "the same program, DROP for redirect").because(packet),
		atLeast("capture, --stamp batch ≥ 0.65 of its ceiling", ratio(f(nameBatch), f(nameCeilBatch), rate), 0.65, "the same program, DROP for redirect").because(batch),
		atLeast("capture, IMIX, --stamp batch ≥ 2.7 × tcpdump", ratio(r.find(groupCapture(imix), nameBatch), r.find(groupCapture(imix), nameTcpdump), rate), 2.7, "").because(r.kernelLimit(imix, nameCeilBatch, nameBatch)),
	}
	vs = append(vs, stampCost(f(nameBatch), f(namePacket)), verdict{
		Goal: "capture, --stamp packet, beside asavie/xdp that looks at each frame", Got: times(ratio(f(namePacket), f(nameAsavieLook), rate)),
		Remark: "shown, not judged: what a core has read of a frame, the kernel's core must fetch back to fill it again",
	})
	vs = append(vs, judgeCPU(r)...)
	vs = append(vs, judgePath(r)...)
	return vs
}

// stampCost only shows what --stamp packet costs the kernel's core.
func stampCost(batch, packet *outcome) verdict {
	b, p := batch.spread(coreOf), packet.spread(coreOf)
	v := verdict{Goal: "what --stamp packet costs the kernel's core, a frame", Got: "not measured"}
	if !math.IsNaN(b.Median) && !math.IsNaN(p.Median) {
		v.Got = fmt.Sprintf("%.0f ns (%.0f over %.0f)", p.Median-b.Median, p.Median, b.Median)
		v.Remark = "shown, not judged; with the generator's own work in both"
	}
	return v
}

func judgeCPU(r *report) []verdict {
	f := func(name string) *outcome { return r.find(groupCPU, name) }
	most := func(goal, name string, ns float64) verdict {
		s := f(name).spread(cpuOf)
		if math.IsNaN(s.Median) {
			return verdict{Goal: goal, Got: "not measured"}
		}
		return verdict{goal, fmt.Sprintf("%.1f ns (%.1f–%.1f)", s.Median, s.Low, s.High), s.Median <= ns, true, "an absolute figure: of this machine"}
	}
	allocs := 0.0
	for _, name := range []string{nameDecodeOurs, nameJSONOurs, nameBlock, nameBlockOpts} {
		allocs += f(name).spread(func(s sample) float64 { return s.Allocs }).High
	}
	p := func(name string) *outcome { return r.find(groupParse, name) }
	x := func(name string) *outcome { return r.find(groupIndex, name) }
	return []verdict{
		atLeast("decode ≥ 6 × gopacket", ratio(f(nameGopacket), f(nameDecodeOurs), cpuOf), 6, "asserted at 80 % by the tests of internal/packet"),
		atLeast("JSON ≥ 4 × encoding/json", ratio(f(nameJSONStd), f(nameJSONOurs), cpuOf), 4, "asserted at 80 % by the tests of internal/codec"),
		{"decode, JSON and blocks allocate nothing", strings.ReplaceAll(fmt.Sprintf("%.0f", allocs), "NaN", "not measured"), allocs == 0, !math.IsNaN(allocs), ""},
		most("Arrow block ≤ 25 ns a record", nameBlock, 25),
		most("Arrow block with options ≤ 35 ns a record", nameBlockOpts, 35),
		most("Arrow block with nulls ≤ 35 ns a record", nameBlockMixed, 35),
		atLeast("parse ≥ 5 × the seed with Kryo, per CPU second", ratio(p(nameParseArrow), p(nameSeedKryo), perCPU), 5, "blocks; documents beside it in the table"),
		atLeast("index from blocks ≥ 2 × BulkIndexer and encoding/json, per CPU second", ratio(x(nameIndexArrow), x(nameBulkStd), perCPU), 2, "no compression"),
		atLeast("index from blocks ≥ 2 × bare BulkIndexer, per CPU second", ratio(x(nameIndexArrow), x(nameBulk), perCPU), 2, "which passes documents through unseen, names no index by time and commits nothing"),
		atLeast("the same, both with gzip", ratio(x(nameIndexGzip), x(nameBulkGzip), perCPU), 2, "gzip is most of both"),
	}
}

func judgePath(r *report) []verdict {
	f := func(name string) *outcome { return r.find(groupPath, name) }
	vs := []verdict{
		atLeast("whole path, arrow and snappy, ≥ 0.6 of counting only", ratio(f(nameArrowSnappy), f(nameRing), rate), 0.6, "acknowledged over counted, same stamp").because(r.clientLimit(nameEncodeArrow, nameArrowSnappy)),
		atLeast("whole path, arrow and snappy, ≥ 4 × a JSON message per packet", ratio(f(nameArrowSnappy), f(nameMessage), rate), 4, "as a user of franz-go sends it: a record of the client for each").because(r.clientLimit(nameEncodeArrow, nameArrowSnappy)),
		atLeast("… beside our own --encoding json", ratio(f(nameArrowSnappy), f(nameJSON), rate), 4, "").shown("shown, not judged: also a message per packet, but not through the client's records"),
		atLeast("arrow ≥ 2.5 × pycapa's shape in Go, per CPU second", ratio(f(nameArrowSnappy), f(namePycapaGo), perCPU), 2.5, ""),
		atLeast("arrow ≥ 10 × pycapa's shape in Python, per CPU second", ratio(f(nameArrowSnappy), f(namePycapaPy), perCPU), 10, ""),
		atLeast("raw ≥ 5 × pycapa's shape in Python, per CPU second", ratio(f(nameRaw), f(namePycapaPy), perCPU), 5, "").because(r.clientLimit(nameEncodeRaw, nameRaw)),
	}
	for _, name := range []string{nameArrowSnappy, nameRaw} {
		o := r.find(groupLarge, name)
		lost, got := o.spread(lostOf), o.spread(func(s sample) float64 { return s.Rate() * s.Bytes * 8 / 1e9 })
		if math.IsNaN(got.Median) {
			continue
		}
		v := verdict{"1514-byte frames above 1 Gbit/s without loss, " + name,
			fmt.Sprintf("%.2f Gbit/s, lost %.3f %%", got.Median, 100*lost.Median), got.Median > 1 && lost.Median == 0, true, "one queue, acknowledged"}
		if lost.Median == 0 {
			v = v.because(fmt.Sprintf("no more was offered: the broker takes %.0f ns a packet of the core that it shares with the generator", o.spread(func(s sample) float64 { return s.Other }).Median))
		}
		vs = append(vs, v)
	}
	c := func(name string) *outcome { return r.find(groupFiles, name) }
	return append(vs,
		atLeast("read ≥ 10 × tshark -T ek, per CPU second", ratio(c(nameRead), c(nameTshark), perCPU), 10, "our own goal"),
		atLeast("replay ≥ 1 × tcpreplay", ratio(r.find(groupReplay, nameReplay), r.find(groupReplay, nameTcpreplay), rate), 1, "our own goal"))
}
