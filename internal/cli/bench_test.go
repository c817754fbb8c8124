package cli

import (
	"strings"
	"testing"
)

func TestBenchJudge(t *testing.T) {
	r := benchReport{Lossless: 1.5e6, Tried: []float64{3.6e6, 3e6, 2e6}, Stages: []benchStage{
		{Stage: stageKernel, Rate: 16e6}, {Stage: stageRing, Rate: 10e6}, {Stage: stageDecode, Rate: 8e6},
		{Stage: stageEncode, Rate: 7e6}, {Stage: stageWhole, Rate: 4e6, Where: map[string]uint64{"a": 1, "ring ring_full": 9}},
	}}
	r.judge()
	if r.Breaks != stageWhole || !strings.Contains(r.Advice[0], "57 %") {
		t.Errorf("breaks %q, advice %q", r.Breaks, r.Advice)
	}
	var b strings.Builder
	if err := r.writeText(&b); err != nil || !strings.Contains(b.String(), "ring ring_full") || !strings.Contains(b.String(), "1,500,000 packets/s") {
		t.Errorf("%v: %s", err, b.String())
	}
	r = benchReport{Tried: []float64{5e5}, Stages: []benchStage{{Stage: stageKernel, Rate: 16e6}, {Stage: stageRing, Rate: 1e6, Waited: 0.7}}}
	r.judge()
	if all := strings.Join(r.Advice, "\n"); r.Breaks != stageRing || !strings.Contains(all, "500,000/s") || !strings.Contains(all, "the host was busy") {
		t.Errorf("breaks %q, advice %s", r.Breaks, all)
	}
}
