package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// path is one whole path: load, capture, broker, indexer, store.
type path struct {
	sent  uint64
	delay time.Duration // the capture waited for a CPU
	l     *ledger.Ledger
	store string
}

// runPath sends load through the whole path, with these flags for the capture,
// and ends it in order. Books that do not balance fail the test.
func runPath(t *testing.T, load testnet.Load, flags ...string) path {
	t.Helper()
	pair := testnet.Pair(t, veth.Options{})
	to := pair.Ends[1]
	addr := startBroker(t, to, "4")
	r := path{store: filepath.Join(t.TempDir(), "store")}
	index := start(t, to, "index", "--brokers", addr, "--store", r.store, "--store-window", "1s", "--quiet")
	capture := startCapture(t, to, addr, append([]string{"--engine", "afxdp", "--rings", "16384", "--frames", "32768"}, flags...)...)
	before := capture.runDelay()
	ctx, cancel := context.WithTimeout(context.Background(), patience(30*time.Second))
	defer cancel()
	var err error
	if r.sent, err = testnet.Generate(ctx, pair.Ends[0], load); err != nil {
		t.Fatal(err)
	}
	r.delay = capture.runDelay() - before
	capture.stop(t)
	c := capture.final(t)
	last := &c.Rooms[len(c.Rooms)-1]
	due := last.Out - last.Counts[ledger.ErrorsTopic]
	await(t, 30*time.Second, "the indexer settled all", func() bool {
		l := index.books()
		return l != nil && len(l.Rooms) > 0 && l.Rooms[len(l.Rooms)-1].Out >= due
	})
	index.stop(t)
	r.l = ledger.Join("run", c, index.final(t))
	if !r.l.Balanced {
		t.Fatalf("%s\n%s", r.l.Verdict(), table(r.l))
	}
	if got := r.l.Rooms[0].In; got != r.sent {
		t.Fatalf("sent %d frames, the first room saw %d\n%s", r.sent, got, table(r.l))
	}
	wantStore(t, r.store, due)
	return r
}

func (r *path) lost() (n uint64) {
	for i := range r.l.Rooms {
		n += r.l.Rooms[i].DroppedTotal()
	}
	return n
}

// TestConservationPaced wants every frame of 100,000 a second in the store; of
// 1,000 on an emulator.
func TestConservationPaced(t *testing.T) {
	testnet.RequireRoot(t)
	load := sized(testnet.Load{Frames: 200_000, Rate: 100_000, Flows: 16}, testnet.Load{Frames: 5_000, Rate: 1_000, Flows: 16})
	if os.Getenv("XCAPA_TEST_LONG") == "1" {
		load.Frames = 1_000_000
	}
	for attempt := 1; ; attempt++ {
		r := runPath(t, load)
		t.Logf("%d sent, %d lost, the capture waited %v for a CPU\n%s", r.sent, r.lost(), r.delay, table(r.l))
		if r.lost() == 0 {
			wantStore(t, r.store, load.Frames)
			return
		}
		if r.delay < 100*time.Millisecond || attempt == 3 {
			t.Fatalf("attempt %d: %d of %d frames lost", attempt, r.lost(), r.sent)
		}
	}
}

// TestConservationWorkers shares one queue out among three workers, in both
// engines that can: every loss is named, and no two records have one id.
func TestConservationWorkers(t *testing.T) {
	testnet.RequireRoot(t)
	load := sized(testnet.Load{Frames: 100_000, Rate: 50_000, Flows: 64}, testnet.Load{Frames: 5_000, Rate: 1_000, Flows: 64})
	for _, engine := range []string{"afxdp", "afpacket"} {
		t.Run(engine, func(t *testing.T) {
			r := runPath(t, load, "--engine", engine, "--workers", "3")
			t.Logf("%d sent, %d lost, the capture waited %v for a CPU\n%s", r.sent, r.lost(), r.delay, table(r.l))
			stored := r.l.Rooms[len(r.l.Rooms)-1].Out
			if stored+r.lost() != r.sent || stored == 0 {
				t.Errorf("%d stored and %d lost of %d sent", stored, r.lost(), r.sent)
			}
		})
	}
}

// TestConservationFlatOut wants each loss of an overload named.
func TestConservationFlatOut(t *testing.T) {
	testnet.RequireRoot(t)
	r := runPath(t, testnet.Load{For: time.Second, Flows: 16})
	t.Logf("%d sent, %d lost\n%s", r.sent, r.lost(), table(r.l))
	for _, room := range r.l.Rooms {
		for reason, n := range room.Dropped {
			if reason == "" && n > 0 {
				t.Errorf("room %s lost %d without a reason", room.Room, n)
			}
		}
	}
	stored := r.l.Rooms[len(r.l.Rooms)-1].Out
	if stored+r.lost() != r.sent {
		t.Errorf("%d stored and %d lost of %d sent", stored, r.lost(), r.sent)
	}
}
