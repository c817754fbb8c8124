package store

import (
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

// BenchmarkStore is a row's way through a Store onto the disk, synced files
// and all: windows of 131,072 rows, 4 partitions, one goroutine that writes.
func BenchmarkStore(b *testing.B) {
	const size, blocks, partitions = 1024, 512, 4
	var queues []*generator
	for q := range 4 {
		queues = append(queues, newGenerator(uint64(q), q))
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s, err := New(b.TempDir(), Options{WindowBytes: 241 << 17})
		if err != nil {
			b.Fatal(err)
		}
		for p := range int32(partitions) {
			if err := s.Assigned("t", p, 0); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for i := range blocks {
			b.StopTimer()
			rows := queues[i%4].block(size)
			b.StartTimer()
			if err := s.Write(b.Context(), testMessage("t", int32(i/4%partitions), int64(i)), rows, func() {}); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if r := s.Room(); r.Out != size*blocks {
			b.Fatalf("room %+v", r)
		}
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(size*blocks)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
