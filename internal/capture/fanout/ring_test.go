package fanout

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"xcapa/internal/capture"
)

// startAt puts every index of an empty ring at start.
func startAt(r *ring, start uint32) {
	r.next, r.home, r.freed, r.taken, r.shown = start, start, start, start, start
	r.put.Store(start)
	r.done.Store(start)
}

// What goes through a ring comes out and home in order, once, whatever both
// sides do when, and wherever the indices wrap: compared with a model that
// counts.
func TestRingAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, start := range []uint32{0, 1, math.MaxInt32 - 3, math.MaxUint32 - 5, math.MaxUint32} {
		for _, size := range []int{1, 2, 8, 64} {
			r := newRing(size)
			startAt(r, start)
			var added, shown, taken, done, home uint64
			frames := make([]capture.Frame, 100)
			for range 20_000 {
				switch random.IntN(5) {
				case 0:
					for range random.IntN(2*size) + 1 {
						room := added-home < uint64(size)
						if r.add(&capture.Frame{Sequence: added}) != room {
							t.Fatalf("start %d, size %d: %d of %d away: add says %v", start, size, added-home, size, !room)
						}
						if !room {
							break
						}
						added++
					}
				case 1:
					r.show()
					shown = added
				case 2:
					want := random.IntN(len(frames)) + 1
					n := r.take(frames[:want])
					if n > want || uint64(n) > shown-taken || n < want && uint64(n) != shown-taken {
						t.Fatalf("start %d, size %d: took %d of %d, %d were shown", start, size, n, want, shown-taken)
					}
					for _, f := range frames[:n] {
						if f.Sequence != taken {
							t.Fatalf("start %d, size %d: took frame %d, want %d", start, size, f.Sequence, taken)
						}
						taken++
					}
				case 3:
					r.release()
					done = taken
				case 4:
					r.collect(func(back []capture.Frame) {
						for _, f := range back {
							if f.Sequence != home {
								t.Fatalf("start %d, size %d: frame %d came home, want %d", start, size, f.Sequence, home)
							}
							home++
						}
					})
					if home != done {
						t.Fatalf("start %d, size %d: %d are home, want %d", start, size, home, done)
					}
				}
				if r.away() != int(added-home) || r.empty() != (shown == taken) {
					t.Fatalf("start %d, size %d: away %d, empty %v; want %d, %v", start, size, r.away(), r.empty(), added-home, shown == taken)
				}
			}
		}
	}
}

// pump sends n frames through r, from one goroutine to another and home, and
// calls check with every frame on both sides.
func pump(r *ring, n int, atWorker, atHome func(*capture.Frame)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		frames := make([]capture.Frame, 64)
		for taken := 0; taken < n; {
			got := r.take(frames)
			if got == 0 {
				runtime.Gosched()
				continue
			}
			for i := range frames[:got] {
				atWorker(&frames[i])
			}
			taken += got
			r.release()
		}
	})
	collect := func(back []capture.Frame) {
		for i := range back {
			atHome(&back[i])
		}
	}
	for sent := 0; sent < n; {
		batch := 0
		for batch < 64 && sent < n && r.add(&capture.Frame{Sequence: uint64(sent)}) {
			sent++
			batch++
		}
		r.show()
		if batch < 64 || r.away() >= 64 {
			r.collect(collect)
		}
		if batch == 0 {
			runtime.Gosched()
		}
	}
	wg.Wait()
	r.collect(collect)
}

// Two goroutines at once, for the race detector; over the wrap of the indices.
func TestRingConcurrently(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 200_000
	}
	for _, size := range []int{1, 64, 1024} {
		r := newRing(size)
		startAt(r, math.MaxUint32-uint32(n/2))
		if size == 1 {
			n /= 10
		}
		taken, home := uint64(0), uint64(0)
		pump(r, n, func(f *capture.Frame) {
			if f.Sequence != taken {
				t.Errorf("size %d: took %d, want %d", size, f.Sequence, taken)
			}
			taken++
		}, func(f *capture.Frame) {
			if f.Sequence != home {
				t.Errorf("size %d: %d came home, want %d", size, f.Sequence, home)
			}
			home++
		})
		if taken != uint64(n) || home != uint64(n) || r.away() != 0 {
			t.Errorf("size %d: %d taken, %d home, %d away; want %d", size, taken, home, r.away(), n)
		}
	}
}

// BenchmarkHop is one frame's way from the receiver to a worker and home, in
// batches of 64: on one core, which is what the instructions cost, and between
// two, which adds the cache lines.
func BenchmarkHop(b *testing.B) {
	b.Run("one_core", func(b *testing.B) {
		r := newRing(1024)
		frames := make([]capture.Frame, 64)
		f := &capture.Frame{Data: make([]byte, 60)}
		b.ReportAllocs()
		for done := 0; done < b.N; done += 64 {
			for range 64 {
				r.add(f)
			}
			r.show()
			r.take(frames)
			r.release()
			r.collect(func([]capture.Frame) {})
		}
	})
	b.Run("two_cores", func(b *testing.B) {
		b.ReportAllocs()
		pump(newRing(1024), b.N, func(*capture.Frame) {}, func(*capture.Frame) {})
	})
}
