package afpacket

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
)

// source is one socket with its ring. It implements capture.Source.
type source struct {
	name  string // interface
	queue int
	fd    int
	ring  *ring
	wake  int // eventfd: readable once the device is detached or closed

	isDown bool // the interface was seen going down and no frame came since
	isGone bool // it was removed

	// expected is how many frames there are to deliver in all, plus one; 0
	// until the device is detached.
	expected atomic.Uint64
	_        [56]byte // what follows is written per batch
	inside   atomic.Bool
	closed   atomic.Bool
	out      atomic.Uint64 // frames delivered

	mu          sync.Mutex // guards fd against Close, and the sums
	in, dropped uint64     // of PACKET_STATISTICS
}

// Queue is the number of the worker.
func (s *source) Queue() int { return s.queue }

// Release gives the blocks whose frames were all received back to the kernel.
func (s *source) Release() {
	if s.enter() {
		s.ring.release()
		s.inside.Store(false)
	}
}

// enter keeps Close from unmapping the ring; false: it is closed.
func (s *source) enter() bool {
	s.inside.Store(true)
	if s.closed.Load() {
		s.inside.Store(false)
		return false
	}
	return true
}

// Receive fills frames with views into the ring, valid until Release, and
// returns how many. It waits up to wait for the first; behind Detach as long as
// the kernel still holds frames of ours back, but not longer than a second.
//
// It returns an error if the interface is removed, and capture.ErrClosed behind
// Close.
func (s *source) Receive(frames []capture.Frame, wait time.Duration) (int, error) {
	if !s.enter() {
		return 0, capture.ErrClosed
	}
	defer s.inside.Store(false)
	if n := s.take(frames); n > 0 || len(frames) == 0 {
		return n, nil
	}
	deadline := time.Now().Add(wait)
	for {
		left := time.Until(deadline)
		if s.isDetached() {
			left = time.Until(deadline.Add(time.Second))
			if s.drained() {
				left = 0
			}
		}
		if left <= 0 {
			return 0, s.atRest()
		}
		if err := s.await(left); err != nil {
			return 0, err
		}
		if s.closed.Load() {
			return 0, capture.ErrClosed
		}
		if n := s.take(frames); n > 0 {
			return n, nil
		}
	}
}

func (s *source) take(frames []capture.Frame) int {
	delivered := s.out.Load()
	n := s.ring.peek(frames, delivered)
	if n > 0 {
		s.out.Store(delivered + uint64(n)) // only this goroutine writes it
		s.isDown = false
	}
	return n
}

// atRest is what Receive returns with no frames.
func (s *source) atRest() error {
	if s.isGone {
		return fmt.Errorf("interface %s was removed while it was captured: start again when it is back", s.name)
	}
	return nil
}

func (s *source) isDetached() bool { return s.expected.Load() != 0 }

// drained: every frame that the kernel counted was delivered.
func (s *source) drained() bool { return s.out.Load()+1 >= s.expected.Load() }

// await waits for a block, a signal or an end, at most wait.
func (s *source) await(wait time.Duration) error {
	if s.ring.held > 0 {
		// The kernel would call the socket readable for the blocks we hold.
		time.Sleep(min(wait, time.Millisecond))
		return nil
	}
	fds := [2]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
	watched := fds[:]
	if s.isDetached() {
		watched = fds[:1] // wake stays readable
		wait = min(wait, 50*time.Millisecond)
	}
	if s.isDown {
		wait = min(wait, 100*time.Millisecond)
	}
	_, err := unix.Poll(watched, int((wait+time.Millisecond-1)/time.Millisecond))
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("wait for frames on %s: %w", s.name, err)
	}
	if fds[0].Revents&unix.POLLERR != 0 {
		if err := s.socketError(); err != nil {
			return err
		}
	}
	if s.isDown && !s.isGone && isGone(s.fd) {
		s.isGone = true
		s.expect() // nothing can come any more, but frames may still be in the ring
	}
	return nil
}

// socketError reads and clears the socket's error. An interface going down is
// not the end: the kernel connects the socket again when it comes up.
func (s *source) socketError() error {
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("read the socket error of %s: %w", s.name, err)
	}
	switch e := unix.Errno(code); {
	case code == 0:
		return nil
	case errors.Is(e, unix.ENETDOWN):
		s.isDown = true
		return nil
	default:
		return fmt.Errorf("receive from %s: %w", s.name, e)
	}
}

// count adds the kernel's counters, which reading resets, to the sums.
func (s *source) count() (in, out, dropped uint64) {
	// Out first: a frame counted as delivered must be counted as come in.
	out = s.out.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		if st, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			s.in += uint64(st.Packets) // drops included
			s.dropped += uint64(st.Drops)
		}
	}
	return s.in, out, s.dropped
}

// detach refuses new frames from here on.
func (s *source) detach() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return nil
	}
	return setFilter(s.fd, refuseAll())
}

// expect fixes how many frames are to be delivered, once none can be added.
func (s *source) expect() {
	in, _, dropped := s.count()
	s.expected.Store(in - dropped + 1)
}

// close ends the source. A goroutine inside Receive is woken by the device and
// waited for; frames it was given are not valid any more.
func (s *source) close() error {
	for s.inside.Load() {
		time.Sleep(100 * time.Microsecond)
	}
	s.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return nil
	}
	var errs []error
	if s.ring != nil {
		errs = append(errs, s.ring.close())
	}
	errs = append(errs, unix.Close(s.fd))
	s.fd = -1
	return errors.Join(errs...)
}
