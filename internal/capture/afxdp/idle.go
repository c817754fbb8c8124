package afxdp

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
)

// How an empty ring is waited on. A waiter in poll(2) costs the kernel's core a
// wake-up for every batch, 30-50 ns a frame; one that naps costs it nothing. So:
// naps while traffic flows, longer ones while they bring little, and poll after
// a silence.
const (
	shortNap  = 50 * time.Microsecond
	longNap   = 200 * time.Microsecond
	pollAfter = 2 * time.Millisecond
	// frameTime is the shortest time between two frames to be ready for (20
	// Mpps): no nap is longer than the ring lasts.
	frameTime = 50 * time.Nanosecond
	// spinSlice is how long spinning goes on before other goroutines get a
	// turn and the end of the wait is looked at.
	spinSlice = 20 * time.Microsecond
	// timerSlack is what the kernel may add to a nap; its default is 50 µs.
	timerSlack = time.Microsecond
)

// idle is how one source waits. It is used by one goroutine.
type idle struct {
	spin   bool
	batch  int
	nap    time.Duration // the next one's length
	maxNap time.Duration
	napped bool      // the batch at hand was waited for with a nap
	since  time.Time // when the ring was first found empty; zero: it was not
	slack  bool      // the timer slack is set
	poll   []unix.PollFd
}

func newIdle(c Config) idle {
	maxNap := min(max(time.Duration(c.RingSize)*frameTime, time.Microsecond), longNap)
	return idle{spin: c.Spin, batch: c.Batch, nap: min(shortNap, maxNap), maxNap: maxNap}
}

// took adapts the naps to a batch of n frames.
func (i *idle) took(n int) {
	i.since = time.Time{}
	if !i.napped {
		return
	}
	i.napped = false
	switch {
	case n < i.batch/2:
		i.nap = min(2*i.nap, i.maxNap)
	case n >= i.batch:
		i.nap = min(shortNap, i.maxNap)
	}
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
			s.idle.napFor(min(s.idle.nap, left))
		}
		if n := s.take(frames); n > 0 {
			s.idle.took(n)
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

// napFor sleeps without help of Go's timers, which are exact to a millisecond.
func (i *idle) napFor(d time.Duration) {
	if !i.slack {
		unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0)
		i.slack = true
	}
	i.napped = true
	t := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&t, nil) // cut short by a signal: the next look comes earlier
}

// pollFor waits for a frame, the end of the device, or d.
func (i *idle) pollFor(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	n, err := unix.Ppoll(i.poll, &t, nil)
	if err == nil && n > 0 && i.poll[0].Revents&^unix.POLLIN != 0 {
		// A socket in trouble answers at once, again and again.
		i.napFor(min(i.maxNap, d))
	}
}
