package main

import (
	"fmt"
	"math"
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
	vs := []verdict{
		atLeast("capture, --stamp batch ≥ 2.5 × gopacket/afpacket", ratio(f(nameBatch), f(nameAFPacket), rate), 2.5, ""),
		atLeast("capture, --stamp batch ≥ 1.25 × asavie/xdp as published", ratio(f(nameBatch), f(nameAsavie), rate), 1.25, ""),
		atMost("… at ≤ 0.85 × its CPU a packet", ratio(f(nameBatch), f(nameAsavie), cpuOf), 0.85, ""),
		atLeast("capture, --stamp packet ≥ 2.0 × gopacket/afpacket", ratio(f(namePacket), f(nameAFPacket), rate), 2.0, ""),
		atLeast("capture, --stamp packet ≥ 1.0 × asavie/xdp as published", ratio(f(namePacket), f(nameAsavie), rate), 1.0, ""),
		atMost("… at ≤ 0.85 × its CPU a packet", ratio(f(namePacket), f(nameAsavie), cpuOf), 0.85, ""),
		atLeast("capture, --stamp packet ≥ 0.65 of its ceiling", ratio(f(namePacket), f(nameCeilPacket), rate), 0.65, "the same program, DROP for redirect"),
		atLeast("capture, --stamp batch ≥ 0.65 of its ceiling", ratio(f(nameBatch), f(nameCeilBatch), rate), 0.65, "the same program, DROP for redirect"),
		atLeast("capture, IMIX, --stamp batch ≥ 2.7 × tcpdump", ratio(r.find(groupCapture(imix), nameBatch), r.find(groupCapture(imix), nameTcpdump), rate), 2.7, ""),
		atMost("the stamp: --stamp packet's kernel time a frame over --stamp batch's", ratio(f(namePacket), f(nameBatch), func(s sample) float64 { return s.Core }), 10, "shown, not judged"),
	}
	return vs
}
