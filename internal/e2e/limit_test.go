package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// TestEmbeddedLimit is ten minutes of 100,000 packets a second under the default
// limit, made smaller: the smallest limit, which is 3/16 of the default, 3/16 of
// the packets, at twice the pace, and a store window as much shorter. That takes
// 56 s, with XCAPA_TEST_LONG=1; else it ends after the first 5. The broker's
// memory must stay under the limit all the time, and the books must balance.
func TestEmbeddedLimit(t *testing.T) {
	testnet.RequireRoot(t)
	const limit = 96 << 20
	load := sized(testnet.Load{Frames: 1_000_000, Rate: 200_000, Flows: 64, Size: 128}, testnet.Load{Frames: 20_000, Rate: 1_000, Flows: 64, Size: 128})
	if os.Getenv("XCAPA_TEST_LONG") == "1" {
		load.Frames = 11_250_000
	}
	pair := testnet.Pair(t, veth.Options{})
	run := startQuiet(t, pair.Ends[1], "run", "-i", pair.Ends[1].Name, "--page", "off", "--store", filepath.Join(t.TempDir(), "store"),
		"--embedded-limit", "96MiB", "--store-window", "5625ms")
	run.says(t, "capturing on")
	broker := child(t, run, "broker")
	ctx, cancel := context.WithTimeout(t.Context(), patience(2*time.Minute))
	defer cancel()
	began := time.Now()
	sent, err := testnet.Generate(ctx, pair.Ends[0], load)
	if err != nil || sent != load.Frames {
		t.Fatalf("sent %d of %d frames, %v", sent, load.Frames, err)
	}
	took := time.Since(began)
	peak := peakMemory(t, broker) // before the end: it is gone then
	run.stop(t)
	t.Logf("%d frames in %v, the broker took at most %.1f MiB of 96\n%s", sent, took.Round(time.Millisecond), float64(peak)/(1<<20), run.words.String())
	if peak > limit {
		t.Errorf("the broker took %d bytes, limit %d", peak, limit)
	}
	if !strings.Contains(run.words.String(), "balanced: in = out") {
		t.Error("the ledger does not say that it balanced")
	}
}

// child is the process id of the stage that p started.
func child(t *testing.T, p *process, stage string) int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		b, _ := os.ReadFile(list) // the thread may have ended
		for _, pid := range strings.Fields(string(b)) {
			args, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			if words := strings.Split(string(args), "\x00"); len(words) > 1 && words[1] == stage {
				n, err := strconv.Atoi(pid)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
	}
	t.Fatalf("%s started no %s:\n%s", p.name, stage, p.words.String())
	return 0
}

// peakMemory is the most physical memory that a process ever had, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	return kib << 10
}
