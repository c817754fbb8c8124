package afxdp

import (
	"math"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ringOffsets is the layout of the rings made here: each index on a cache line
// of its own, as the kernel has it.
var ringOffsets = unix.XDPRingOffset{Producer: 0, Consumer: 64, Flags: 128, Desc: 192}

// ringMemory is zeroed memory for a ring of size entries of entry bytes.
func ringMemory(size, entry int) []byte {
	words := make([]uint64, (192+size*entry)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
}

// ringStarts are indices from which a few entries wrap the entries, or the
// 32-bit index itself.
var ringStarts = []uint32{0, 3, math.MaxInt32 - 1, math.MaxUint32 - 1, math.MaxUint32}

func TestFillRingPut(t *testing.T) {
	for _, start := range ringStarts {
		r := newFillRing(ringMemory(4, 8), ringOffsets, 4)
		*r.producer, *r.consumer = start, start
		r.cachedProducer, r.cachedConsumer = start, start
		steps := []struct {
			put      []uint64
			consumed uint32 // by the kernel, before
			want     int
		}{
			{[]uint64{10, 11, 12}, 0, 3},
			{[]uint64{13, 14}, 0, 1}, // full
			{[]uint64{15}, 0, 0},
			{[]uint64{16, 17, 18}, 2, 2},
			{nil, 0, 0},
			{[]uint64{19, 20, 21, 22}, 4, 4},
		}
		published := start
		for i, step := range steps {
			*r.consumer += step.consumed
			if n := r.put(step.put); n != step.want {
				t.Fatalf("start %d, step %d: put %d entries, want %d", start, i, n, step.want)
			}
			for j, addr := range step.put[:step.want] {
				if at := (published + uint32(j)) % 4; r.addrs[at] != addr {
					t.Errorf("start %d, step %d: entry %d is %d, want %d", start, i, at, r.addrs[at], addr)
				}
			}
			published += uint32(step.want)
			if *r.producer != published {
				t.Errorf("start %d, step %d: producer %d, want %d", start, i, *r.producer, published)
			}
		}
	}
}

func TestRXRingTake(t *testing.T) {
	for _, start := range ringStarts {
		r := newRXRing(ringMemory(4, int(unsafe.Sizeof(unix.XDPDesc{}))), ringOffsets, 4)
		*r.producer, *r.consumer = start, start
		r.cachedProducer, r.cachedConsumer = start, start
		next := uint64(0) // address the kernel writes
		want := uint64(0) // address expected
		for i, step := range []struct{ produce, want, ready, consume uint32 }{
			{0, 4, 0, 0}, {3, 4, 3, 2}, {3, 1, 1, 1}, {0, 4, 3, 3}, {4, 2, 4, 4}, {0, 1, 0, 0},
		} {
			for range step.produce {
				r.descs[*r.producer%4].Addr = next
				*r.producer++
				next++
			}
			if n := r.available(step.want); n != step.ready {
				t.Fatalf("start %d, step %d: %d available, want %d", start, i, n, step.ready)
			}
			for j := range step.consume {
				if addr := r.at(j).Addr; addr != want {
					t.Errorf("start %d, step %d: descriptor %d has address %d, want %d", start, i, j, addr, want)
				}
				want++
			}
			r.consume(step.consume)
			if *r.consumer != start+uint32(want) {
				t.Errorf("start %d, step %d: consumer %d, want %d", start, i, *r.consumer, start+uint32(want))
			}
		}
	}
}

func TestRingNeedsWakeup(t *testing.T) {
	r := newFillRing(ringMemory(4, 8), ringOffsets, 4)
	var answers []bool
	for _, flags := range []uint32{0, unix.XDP_RING_NEED_WAKEUP, 2} {
		*r.flags = flags
		answers = append(answers, r.needWakeup())
	}
	if want := []bool{false, true, false}; !slices.Equal(answers, want) {
		t.Errorf("got %v, want %v", answers, want)
	}
}

// What is sent goes through the TX ring and comes home through the completion
// ring, whatever the indices are.
func TestTXAndCompletionRing(t *testing.T) {
	for _, start := range ringStarts {
		tx := newTXRing(ringMemory(4, int(unsafe.Sizeof(unix.XDPDesc{}))), ringOffsets, 4)
		home := newCompletionRing(ringMemory(4, 8), ringOffsets, 4)
		for _, r := range []*ring{&tx.ring, &home.ring} {
			*r.producer, *r.consumer, r.cachedProducer, r.cachedConsumer = start, start, start, start
		}
		next, want := uint64(0), uint64(0)
		for i, step := range []struct{ put, room, send uint32 }{
			{3, 4, 2}, {2, 3, 0}, {1, 1, 4}, {4, 4, 4}, {0, 4, 0}, {1, 4, 1},
		} {
			if got := tx.room(4); got != step.room {
				t.Fatalf("start %d, step %d: room for %d, want %d", start, i, got, step.room)
			}
			before := *tx.producer
			for range step.put {
				tx.put(unix.XDPDesc{Addr: next})
				next++
			}
			if *tx.producer != before {
				t.Fatalf("start %d, step %d: the kernel sees a frame before submit", start, i)
			}
			tx.submit()
			for range step.send { // the kernel's side
				home.addrs[*home.producer%4] = tx.descs[*tx.consumer%4].Addr
				*tx.consumer++
				*home.producer++
			}
			if got, want := tx.waiting(), *tx.producer-*tx.consumer; got != want {
				t.Errorf("start %d, step %d: %d wait, want %d", start, i, got, want)
			}
			got := home.take(make([]uint64, 0, 4))
			if len(got) != int(step.send) || *home.consumer != *home.producer {
				t.Fatalf("start %d, step %d: %d came home, want %d", start, i, len(got), step.send)
			}
			for _, addr := range got {
				if addr != want {
					t.Errorf("start %d, step %d: chunk %d came home, want %d", start, i, addr, want)
				}
				want++
			}
		}
	}
}
