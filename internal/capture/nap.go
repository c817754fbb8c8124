package capture

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How long a receiver that finds nothing sleeps. A short nap costs the sender's
// side nothing, where one that is woken costs it a system call for every batch;
// a longer one while naps bring little.
const (
	shortNap = 50 * time.Microsecond
	longNap  = 200 * time.Microsecond
	// timerSlack is what the kernel may add to a nap; its default is 50 µs.
	timerSlack = time.Microsecond
)

// Nap sleeps for d on this thread, without help of Go's timers, which are exact
// to a millisecond. A signal cuts it short.
func Nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	// Raw: a nap ends before the runtime would have found another thread for
	// what else there is to do, and the switch there and back costs as much as
	// the nap. What stops the world waits for it, 200 µs at most.
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
}

// ExactNaps has the kernel end the naps of the calling thread, which must be
// locked to its goroutine, within a microsecond instead of 50.
func ExactNaps() { unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) }

// Naps adapts the length of naps to what they bring. Each costs some 10 µs of
// CPU in a guest, whatever it brings: as much as hundreds of frames. It is used
// by one goroutine, locked to its thread.
type Naps struct {
	enough int // frames behind a nap that are worth it
	next   time.Duration
	max    time.Duration
	napped bool // what is there now was waited for with a nap
	exact  bool // ExactNaps was called
}

// NewNaps is for naps that bring about enough frames each, none longer than max.
func NewNaps(enough int, max time.Duration) Naps {
	max = min(max, longNap)
	return Naps{enough: enough, next: min(shortNap, max), max: max}
}

// Nap sleeps, not longer than limit.
func (n *Naps) Nap(limit time.Duration) {
	if !n.exact {
		ExactNaps()
		n.exact = true
	}
	n.napped = true
	Nap(min(n.next, limit))
}

// Took tells how many frames there were behind the nap, if there was one.
func (n *Naps) Took(frames int) {
	if !n.napped {
		return
	}
	n.napped = false
	switch {
	case frames < n.enough/2:
		n.next = min(2*n.next, n.max)
	case frames >= n.enough:
		n.next = max(n.next/2, min(shortNap, n.max))
	}
}
