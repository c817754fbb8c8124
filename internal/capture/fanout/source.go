package fanout

import (
	"time"

	"xcapa/internal/capture"
)

// source is what one worker sees of its queue.
type source struct {
	ring     *ring
	receiver *receiver
	queue    int

	naps  capture.Naps
	since time.Time // when the ring was first found empty; zero: it was not
	timer *time.Timer
}

// parkAfter is the silence behind which a worker does not nap any more.
const parkAfter = 2 * time.Millisecond

// longestNap is as long as naps get.
const longestNap = 200 * time.Microsecond

func newSource(r *receiver, ring *ring) *source {
	s := &source{
		ring: ring, receiver: r, queue: r.source.Queue(),
		naps:  capture.NewNaps(len(r.frames), longestNap),
		timer: time.NewTimer(time.Hour),
	}
	s.timer.Stop()
	return s
}

// Queue is the number of the RX queue, which several workers share.
func (s *source) Queue() int { return s.queue }

// Release lets the receiver take every frame received so far home.
func (s *source) Release() { s.ring.release() }

// Receive fills frames with what the receiver has for this worker. It naps while
// traffic flows and parks while there is none, for no longer than wait; behind
// Detach, until the receiver has emptied the queue.
func (s *source) Receive(frames []capture.Frame, wait time.Duration) (int, error) {
	if s.receiver.stop.Load() {
		return 0, capture.ErrClosed // what is on the ring is gone
	}
	if n := s.ring.take(frames); n > 0 {
		s.took(n)
		return n, nil
	}
	now := time.Now()
	deadline := now.Add(wait)
	if s.since.IsZero() {
		s.since = now
	}
	for {
		// Asked before the ring is looked at: what the receiver put there
		// before it ended is seen.
		over, err := s.receiver.over()
		if s.receiver.stop.Load() {
			return 0, capture.ErrClosed
		}
		if n := s.ring.take(frames); n > 0 {
			s.took(n)
			return n, nil
		}
		if over && err != nil {
			return 0, err
		}
		left := deadline.Sub(now)
		switch {
		case left <= 0 && (over || !s.receiver.detached.Load()):
			return 0, nil
		case left <= 0:
			capture.Nap(drainNap)
		case over || now.Sub(s.since) >= parkAfter:
			s.park(left)
		default:
			s.naps.Nap(left)
		}
		now = time.Now()
	}
}

// drainNap is between two looks while the receiver empties the queue.
const drainNap = 100 * time.Microsecond

func (s *source) took(n int) {
	s.since = time.Time{}
	s.naps.Took(n)
}

// park sleeps until the receiver has something or has ended, at most limit.
func (s *source) park(limit time.Duration) {
	s.ring.parked.Store(true)
	defer s.ring.parked.Store(false)
	if !s.ring.empty() {
		return
	}
	s.timer.Reset(limit)
	select {
	case <-s.ring.wake:
		s.timer.Stop()
	case <-s.timer.C:
	}
}
