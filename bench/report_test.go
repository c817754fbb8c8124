package main

import (
	"strings"
	"testing"
)

func TestWithoutFolders(t *testing.T) {
	for in, want := range map[string]string{
		"start /opt/x/bin/xcapa capture -i a --stats-file /tmp/b-1/stats: no": "start xcapa capture -i a --stats-file stats: no",
		"dial http://127.0.0.1:9200/_bulk: refused":                           "dial http://127.0.0.1:9200/_bulk: refused",
		`open "/var/tmp/a b": 1/2`:                                            `open "a b": 1/2`,
	} {
		if got := withoutFolders(in); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// trial is a sample with what the profile reads.
func trial(core, cpu, rate float64) []sample {
	return []sample{{Core: core, CPU: cpu, Delivered: uint64(rate), Seconds: 1}}
}

// The profile is differences between cases, and a goal that was missed says
// which core is full; what was not measured is left out.
func TestProfile(t *testing.T) {
	g := groupCapture(small)
	r := &report{Outcomes: []*outcome{
		{Group: g, Name: nameAlone, Samples: trial(60, 0, 1)},
		{Group: g, Name: nameDrop, Samples: trial(150, 0, 1)},
		{Group: g, Name: nameCeilPacket, Samples: trial(210, 0, 1)},
		{Group: g, Name: namePacket, Samples: trial(300, 90, 3e6)},
		{Group: g, Name: nameAsavie, Samples: trial(270, 100, 4e6)},
	}}
	var m strings.Builder
	r.profile(&m)
	for _, line := range []string{"| redirect, copy, ring | 90 |", "| our program: stamp, sequence, wire length | 60 |", "| **all** | **300** |"} {
		if !strings.Contains(m.String(), line) {
			t.Errorf("no %q in\n%s", line, m.String())
		}
	}
	if strings.Contains(m.String(), "NaN") || strings.Contains(m.String(), "IMIX") || strings.Contains(m.String(), "capture's core") {
		t.Errorf("what was not measured is there:\n%s", m.String())
	}
	for _, v := range judge(r) {
		if v.Goal == "capture, --stamp packet ≥ 1.0 × asavie/xdp as published" {
			if v.word() != "missed" || !strings.Contains(v.Remark, "ours is 27 % busy") || !strings.Contains(v.Remark, "reads no clock") {
				t.Errorf("%s: %q", v.word(), v.Remark)
			}
			return
		}
	}
	t.Error("the goal is gone")
}

func TestLosses(t *testing.T) {
	o := &outcome{Samples: []sample{{Offered: 1000, Delivered: 800, Lost: map[string]uint64{"ring ring_full": 120, "kafka buffer_full": 79, "veth queue": 1}}}}
	if got, want := o.losses(), "20.00 % (ring ring_full 60 %, kafka buffer_full 39 %)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	o.Samples[0].Lost = map[string]uint64{"ring ring_full": 200}
	if got, want := o.losses(), "20.00 % (ring ring_full)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	o.Samples[0].Lost = nil // a peer that does not know
	if got, want := o.losses(), "20.00 %"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
