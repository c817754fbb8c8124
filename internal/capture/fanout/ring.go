package fanout

import (
	"sync/atomic"

	"xcapa/internal/capture"
)

// ring carries frames from the receiver to one worker, and home again. Indices
// run over all of uint32; index & mask is the slot.
//
//	 home            done             taken            put
//	──┴── done with ──┴── at the worker ─┴── waiting ───┴──▶
//
// Each side keeps a copy of the other's index and loads the real one (acquire)
// only when the copy says that there is nothing left, and stores its own
// (release) once a batch: each load or store of a shared index moves a cache
// line between two cores.
type ring struct {
	slots []capture.Frame
	mask  uint32
	_     line

	// The receiver's own.
	next  uint32 // slot to be filled; those from put on are not shown yet
	home  uint32 // slots before it are free
	freed uint32 // done, as last seen
	_     line

	put    atomic.Uint32 // written by the receiver
	parked atomic.Bool   // the worker sleeps until it is woken
	wake   chan struct{}
	_      line

	done atomic.Uint32 // written by the worker
	_    line

	// The worker's own.
	taken uint32 // slots before it were received
	shown uint32 // put, as last seen
	_     line
}

// line keeps what two cores write on cache lines of their own, and on pairs of
// them: hardware fetches the neighbour too.
type line [128]byte

// newRing makes a ring of at least size slots.
func newRing(size int) *ring {
	n := 1
	for n < size {
		n *= 2
	}
	return &ring{slots: make([]capture.Frame, n), mask: uint32(n - 1), wake: make(chan struct{}, 1)}
}

// add puts a frame into the next slot, to be shown by show; false: the ring is
// full. The receiver calls it.
func (r *ring) add(f *capture.Frame) bool {
	if r.next-r.home == uint32(len(r.slots)) {
		return false
	}
	r.slots[r.next&r.mask] = *f
	r.next++
	return true
}

// show lets the worker see what was added, and wakes it if it is parked.
func (r *ring) show() {
	if r.next == r.put.Load() {
		return
	}
	r.put.Store(r.next)
	// Loaded behind the store of put. A worker that parks stores parked and
	// then loads put: one of the two sees what the other has stored.
	if r.parked.Load() {
		r.alarm()
	}
}

// alarm wakes the worker, now or when it parks next.
func (r *ring) alarm() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// away is how many frames are not home. The receiver calls it.
func (r *ring) away() int { return int(r.next - r.home) }

// collect hands the frames that the worker is done with to home, in order, and
// frees their slots. The receiver calls it.
func (r *ring) collect(home func([]capture.Frame)) {
	r.freed = r.done.Load()
	for r.home != r.freed {
		from := r.home & r.mask
		n := min(r.freed-r.home, uint32(len(r.slots))-from)
		home(r.slots[from : from+n])
		r.home += n
	}
}

// take copies the next frames and returns how many. The worker calls it.
func (r *ring) take(frames []capture.Frame) int {
	if r.shown-r.taken < uint32(len(frames)) {
		r.shown = r.put.Load()
	}
	n := min(r.shown-r.taken, uint32(len(frames)))
	from := r.taken & r.mask
	first := copy(frames[:n], r.slots[from:])
	copy(frames[first:n], r.slots)
	r.taken += n
	return int(n)
}

// empty reports whether nothing waits. The worker calls it.
func (r *ring) empty() bool { return r.put.Load() == r.taken }

// release lets the receiver take home what was received. The worker calls it.
func (r *ring) release() {
	if r.done.Load() != r.taken {
		r.done.Store(r.taken)
	}
}
