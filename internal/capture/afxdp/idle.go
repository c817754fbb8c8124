package afxdp

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
)

// How an empty ring is waited on. A waiter in poll(2) costs the kernel's core a
// wake-up for every batch, 30-50 ns a frame; one that naps costs it nothing. So:
// naps while traffic flows, and poll after a silence.
const (
	pollAfter = 2 * time.Millisecond
	// frameTime is the shortest time between two frames to be ready for (20
	// Mpps): no nap is longer than the ring lasts.
	frameTime = 50 * time.Nanosecond
	// spinSlice is how long spinning goes on before other goroutines get a
	// turn and the end of the wait is looked at.
	spinSlice = 20 * time.Microsecond
	// troubleNap is between two polls of a socket in trouble, which answer at
	// once.
	troubleNap = 200 * time.Microsecond
)

// idle is how one source waits. It is used by one goroutine.
type idle struct {
	capture.Naps
	spin  bool
	since time.Time // when the ring was first found empty; zero: it was not
	poll  []unix.PollFd
}

func newIdle(c Config) idle {
	longest := max(time.Duration(c.RingSize)*frameTime, time.Microsecond)
	// An eighth of the ring: a stall then still has the rest of it.
	return idle{Naps: capture.NewNaps(max(c.RingSize/8, c.Batch), longest), spin: c.Spin}
}

// took ends the wait, which n frames were behind.
func (i *idle) took(n int) {
	i.since = time.Time{}
	i.Took(n)
}

// await fills frames with the first that come within wait.
func (s *source) await(frames []capture.Frame, wait time.Duration) (int, error) {
	now := time.Now()
	deadline := now.Add(wait)
	if s.idle.since.IsZero() {
		s.idle.since = now
	}
	for {
		if s.stopping.Load() {
			return 0, capture.ErrClosed
		}
		if err := s.ended(); err != nil {
			return 0, err
		}
		left := deadline.Sub(now)
		if left <= 0 {
			return 0, nil
		}
		switch {
		case s.idle.spin:
			s.spin(min(left, spinSlice))
		case now.Sub(s.idle.since) >= pollAfter && len(s.idle.poll) > 0:
			s.idle.pollFor(left)
		default:
			s.idle.Nap(left)
		}
		if n := s.take(frames); n > 0 {
			s.idle.took(n + int(s.rx.available(0)))
			return n, nil
		}
		now = time.Now()
	}
}

// spin looks at the ring until there is something or time is over, then lets
// other goroutines run. Never longer: without a pause the goroutine that handles
// a signal might not get a core.
func (s *source) spin(limit time.Duration) {
	end := time.Now().Add(limit)
	for s.rx.available(1) == 0 && time.Now().Before(end) {
	}
	runtime.Gosched()
}

// pollFor waits for a frame, the end of the device, or d.
func (i *idle) pollFor(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	n, err := unix.Ppoll(i.poll, &t, nil)
	if err == nil && n > 0 && i.poll[0].Revents&^unix.POLLIN != 0 {
		// A socket in trouble answers at once, again and again.
		capture.Nap(min(troubleNap, d))
	}
}
