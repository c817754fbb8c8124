package cli

import (
	"runtime"
	"testing"

	"xcapa/internal/host"
)

func TestFreeCPUs(t *testing.T) {
	for _, tt := range []struct {
		name          string
		allowed, busy string
		queues        int
		want          string // "": all
	}{
		{"one_of_two", "0-1", "0", 1, "1"},
		{"one_of_two_two_queues", "0-1", "0", 2, ""},
		{"both_busy", "0-1", "0-1", 1, ""},
		{"four_of_eight", "0-7", "0-3", 4, "4-7"},
		{"six_of_eight", "0-7", "0-5", 6, ""},
		{"busy_ones_not_allowed", "2-3", "0-1", 1, ""},
		{"some_allowed", "1-3", "0-1", 1, "2-3"},
	} {
		allowed, err := host.ParseCPUs(tt.allowed)
		busy, err2 := host.ParseCPUs(tt.busy)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got := freeCPUs(allowed, busy, tt.queues); got.String() != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := freeCPUs(host.CPUs{0, 1}, nil, 1); got != nil {
		t.Errorf("no interrupts: got %s, want all", got)
	}
}

func TestLimitProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	t.Setenv("GOMAXPROCS", "")
	limitProcessors(4)
	if got := runtime.GOMAXPROCS(0); got != 6 {
		t.Errorf("4 workers: GOMAXPROCS %d, want 6", got)
	}
	t.Setenv("GOMAXPROCS", "3")
	limitProcessors(9)
	if got := runtime.GOMAXPROCS(0); got != 6 {
		t.Errorf("with GOMAXPROCS set: %d, want it left at 6", got)
	}
}
