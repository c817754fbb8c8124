package store

import (
	"io"
	"testing"
)

// counter counts what is written.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// BenchmarkWindow is the whole cost of a row on one core without the disk:
// gathering blocks of four queues, sorting, encoding, compressing.
func BenchmarkWindow(b *testing.B) {
	const blocks, rows = 480, 256 // 122,880 rows: one row group
	var queues []*generator
	for q := range 4 {
		queues = append(queues, newGenerator(uint64(q), q))
	}
	w, e := newWindow(), newEncoder(defaultLevel)
	var out counter
	b.ReportAllocs()
	for b.Loop() {
		w.reset()
		for i := range blocks {
			b.StopTimer()
			block := queues[i%len(queues)].block(rows)
			b.StartTimer()
			w.append(testMessage("t", 0, int64(i)), block, func() {})
		}
		out.n = 0
		for _, p := range w.parts() {
			if err := e.encode(&out, fileName{Topic: "t"}, w, p.rows); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(blocks*rows), "ns/row")
	b.ReportMetric(float64(blocks*rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(out.n)/(blocks*rows), "B/row")
	b.ReportMetric(float64(w.bytes)/(blocks*rows), "heldB/row")
}

var _ io.Writer = (*counter)(nil)
