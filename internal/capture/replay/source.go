package replay

import (
	"errors"
	"io"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/pcap"
)

// source is the file as a queue. One goroutine uses it.
type source struct {
	device *Device
	reader *pcap.Reader
	file   int // the next one of the pass to open
	pass   int // passes finished
	inPass int // packets of this pass so far

	pending    pcap.Packet // read ahead, a view into reader; valid if hasPending
	hasPending bool
	err        error // final; returned once nothing is left to deliver

	arena    arena
	sequence uint64

	// Paced replay: fileStart is the time of the file's first packet, ns, and
	// wallStart when it was due; zero until then. Pauses between files are not
	// kept.
	fileStart int64
	wallStart time.Time
	timer     *time.Timer
}

// Queue is 0.
func (s *source) Queue() int { return 0 }

// Release frees the bytes of all frames received so far.
func (s *source) Release() { s.arena.reset() }

// Receive copies the next packets into the arena, at most len(frames) of them.
// Flat out it never waits; paced, it waits up to wait for the first packet's
// time. It returns capture.ErrClosed behind the last packet.
func (s *source) Receive(frames []capture.Frame, wait time.Duration) (int, error) {
	select {
	case <-s.device.stop:
		return 0, capture.ErrClosed
	default:
	}
	n := s.take(frames)
	if n == 0 && s.hasPending && wait > 0 && s.nap(wait) {
		n = s.take(frames)
	}
	if n == 0 && !s.hasPending {
		return 0, s.err
	}
	return n, nil
}

// take delivers what is due and fits into frames.
func (s *source) take(frames []capture.Frame) int {
	n, other := 0, uint64(0)
	var now time.Time
	if s.device.config.Paced {
		now = time.Now()
	}
	for n < len(frames) && s.err == nil {
		if !s.hasPending {
			s.err = s.advance()
			continue
		}
		if s.device.config.Paced && s.due(now).After(now) {
			break
		}
		if s.pending.LinkType != s.device.info.LinkType {
			other++
		} else {
			frames[n] = capture.Frame{
				Data: s.arena.keep(s.pending.Data), TimestampNanos: s.pending.TimestampNanos,
				Sequence: s.sequence, OrigLen: s.pending.OrigLen,
			}
			s.sequence++
			n++
		}
		s.hasPending = false
	}
	d := s.device
	d.in.Add(uint64(n) + other) // before out: nobody may see more out than in
	d.otherLink.Add(other)
	d.out.Add(uint64(n))
	return n
}

// due is when the pending packet is to be delivered; the zero time is now.
func (s *source) due(now time.Time) time.Time {
	if !s.pending.HasTime {
		return time.Time{}
	}
	if s.wallStart.IsZero() {
		s.wallStart, s.fileStart = now, s.pending.TimestampNanos
	}
	return s.wallStart.Add(time.Duration(s.pending.TimestampNanos - s.fileStart))
}

// nap waits for the pending packet's time, at most wait, and reports whether it
// has come. Detach ends it.
func (s *source) nap(wait time.Duration) bool {
	now := time.Now()
	left := s.due(now).Sub(now)
	if s.timer == nil {
		s.timer = time.NewTimer(min(left, wait))
	} else {
		s.timer.Reset(min(left, wait))
	}
	select {
	case <-s.timer.C:
		return left <= wait
	case <-s.device.stop:
		s.timer.Stop()
		return false
	}
}

// advance reads the next packet into pending, over the ends of files and
// passes. capture.ErrClosed: there is none left.
func (s *source) advance() error {
	for {
		p, err := s.reader.Next()
		if err == nil {
			s.pending, s.hasPending = p, true
			s.inPass++
			return nil
		}
		var d *pcap.DamageError
		switch {
		case err == io.EOF:
			if err := s.openNext(); err != nil {
				return err
			}
		case errors.As(err, &d) && s.device.config.Resync:
			s.device.damage(d)
		default:
			return err
		}
	}
}

// openNext goes on to the next file of the pass, or to the next pass.
func (s *source) openNext() error {
	s.closeReader()
	c := &s.device.config
	if s.file == len(c.Files) {
		s.pass++
		if c.Loops >= 0 && s.pass >= max(c.Loops, 1) || s.inPass == 0 {
			return capture.ErrClosed
		}
		s.file, s.inPass = 0, 0
	}
	r, err := s.device.openAt(s.file)
	if err != nil {
		return err
	}
	s.reader = r
	s.file++
	s.wallStart = time.Time{}
	return nil
}

func (s *source) closeReader() {
	if s.reader != nil {
		s.reader.Close()
	}
}
