package e2e

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// TestIndexerKilled kills the indexer ten times while 100,000 records pass,
// each time after it has fetched some. Each record must be stored exactly once.
func TestIndexerKilled(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	to := pair.Ends[1]
	addr := startBroker(t, to, "4")
	capture := startCapture(t, to, addr, "--engine", "afxdp", "--rings", "16384", "--frames", "32768")
	dir := filepath.Join(t.TempDir(), "store")
	startIndex := func() *process {
		return start(t, to, "index", "--brokers", addr, "--store", dir, "--store-window", "300ms", "--quiet",
			"-X", "group.instance.id=e2e")
	}
	// The load outlives the ten indexers.
	load := sized(testnet.Load{Frames: 100_000, Rate: 12_500, Flows: 16}, testnet.Load{Frames: 10_000, Rate: 100, Flows: 16})
	ctx, cancel := context.WithTimeout(context.Background(), patience(30*time.Second))
	sent := make(chan uint64, 1)
	defer cancel()
	go func() {
		n, err := testnet.Generate(ctx, pair.Ends[0], load)
		if err != nil {
			t.Errorf("generate: %v", err)
		}
		sent <- n
	}()
	for kill := range 10 {
		index := startIndex()
		await(t, 8*time.Second, "the indexer fetches", func() bool {
			l := index.books()
			return l != nil && len(l.Rooms) > 0 && l.Rooms[0].In > 0
		})
		time.Sleep(time.Duration(kill) * 60 * time.Millisecond) // before, in and after a file's window
		index.kill()
	}
	n := <-sent
	capture.stop(t)
	l := capture.final(t)
	want := l.Rooms[len(l.Rooms)-1].Out
	if n != load.Frames || want == 0 {
		t.Fatalf("sent %d, delivered %d; want %d and more than none", n, want, load.Frames)
	}
	index := startIndex()
	await(t, 15*time.Second, "every record is in the store", func() bool {
		rows, _, err := tryCountStore(dir)
		return err == nil && rows >= int64(want)
	})
	index.stop(t)
	t.Logf("%d sent, %d delivered and stored", n, want)
	wantStore(t, dir, want)
}
