package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"xcapa/internal/testnet"
)

// bench measures every stage, and says which one breaks first.
func TestBench(t *testing.T) {
	testnet.RequireRoot(t)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "bench", "--for", "100ms", "--rounds", "1", "-o", "json").Output()
	if err != nil {
		t.Fatalf("got %v, want exit 0", err)
	}
	var report struct {
		Stages []struct {
			Stage string  `json:"stage"`
			Rate  float64 `json:"packets_per_second"`
		}
		Breaks string `json:"breaks_first"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(report.Stages) != 5 || report.Breaks == "" {
		t.Errorf("got %s, want five stages and the one that breaks", out)
	}
	for _, s := range report.Stages {
		if s.Rate <= 0 {
			t.Errorf("stage %q took %v packets/s", s.Stage, s.Rate)
		}
	}
}
