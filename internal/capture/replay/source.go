package replay

import (
	"errors"
	"io"
	"math"
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

	opened  int   // files so far, over all passes
	behind  int64 // bytes of the files of this pass before the one being read
	current int64 // bytes of that one
}

// Queue is 0.
func (s *source) Queue() int { return 0 }

// Release frees the bytes of all frames received so far.
func (s *source) Release() { s.arena.reset() }

// Receive copies the next packets into the arena, at most len(frames) of them,
// with ByFile of one file. It never waits. It returns capture.ErrClosed behind the last
// packet.
func (s *source) Receive(frames []capture.Frame, _ time.Duration) (int, error) {
	if s.device.isStopped() {
		return 0, capture.ErrClosed
	}
	n := s.take(frames)
	if n == 0 && !s.hasPending {
		return 0, s.err
	}
	return n, nil
}

// take delivers what fits into frames.
func (s *source) take(frames []capture.Frame) int {
	n, other, part := 0, uint64(0), 0
	for n < len(frames) && s.err == nil {
		if !s.hasPending {
			if n > 0 && s.current == 0 && s.reader.Buffered() == 0 {
				break // a pipe: those that are here do not wait for the next
			}
			s.err = s.advance()
			continue
		}
		if n == 0 {
			part = s.opened
		} else if s.opened != part && s.device.config.ByFile {
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
	if n > 0 {
		d.part.Store(int64(part))
	}
	s.progress()
	return n
}

// progress notes how far the passes have come.
func (s *source) progress() {
	total := s.device.total
	if total == 0 {
		return
	}
	at, _ := s.reader.Position()
	done := float64(s.pass) + float64(s.behind+min(at, s.current))/float64(total)
	s.device.done.Store(math.Float64bits(done))
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
		case s.device.isStopped():
			return capture.ErrClosed // Detach has ended the read
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
		s.behind, s.current = 0, 0
	}
	r, err := s.device.openAt(s.file)
	if err != nil {
		return err
	}
	s.reader = r
	s.device.reading(r)
	s.file++
	s.opened++
	s.behind += s.current
	_, s.current = r.Position()
	return nil
}

func (s *source) closeReader() {
	if s.reader != nil {
		s.reader.Close()
	}
}
