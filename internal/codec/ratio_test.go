//go:build !race

package codec

import (
	"testing"

	"xcapa/internal/record"
)

// What is claimed, and the share of it that must be seen on any machine.
const (
	jsonRatio  = 4.0 // encoding/json's time for a document over AppendJSON's
	blockRatio = 6.0 // AppendJSON's time for a record over a block's
	share      = 0.8
)

// TestRatios measures the peers in the same run, rounds taken in turn, the best
// of each: what else runs on the machine slows single rounds, never speeds one
// up. The inputs are the same; TestJSONEqualsEncodingJSON says that the
// documents are.
func TestRatios(t *testing.T) {
	if testing.Short() {
		t.Skip("measuring takes seconds")
	}
	rows := tcpRecords(4096, false)
	dst := make([]byte, 0, 1<<20)
	block := NewArrowBlock(MaxBlockRows)
	row := 0
	next := func() *record.Record { row++; return &rows[row&4095] }
	work := [...]func(){
		func() { _, _ = peerJSON(next(), captured) },
		func() { dst = AppendJSON(dst[:0], next(), captured, nil) },
		func() {
			if block.Append(next()); block.Full() {
				dst = block.AppendTo(dst[:0])
				block.Reset()
			}
		},
	}
	var best [len(work)]float64
	for range 5 {
		for i, f := range work {
			r := testing.Benchmark(func(b *testing.B) {
				for b.Loop() {
					f()
				}
			})
			if ns := float64(r.T.Nanoseconds()) / float64(r.N); best[i] == 0 || ns < best[i] {
				best[i] = ns
			}
		}
		peer, ours, arrow := best[0], best[1], best[2]
		t.Logf("encoding/json %.0f ns, JSON %.0f ns (%.1f times), block %.1f ns a record (1/%.1f of JSON)", peer, ours, peer/ours, arrow, ours/arrow)
		if peer/ours >= share*jsonRatio && ours/arrow >= share*blockRatio {
			return
		}
	}
	t.Errorf("want JSON at least %.1f times as fast as encoding/json, and a block at most 1/%.1f of JSON", share*jsonRatio, share*blockRatio)
}
