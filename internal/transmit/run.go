package transmit

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"xcapa/internal/capture"
)

// File is what Run needs of a capture file that was opened as a device; package
// capture/replay has it.
type File interface {
	Sources() []capture.Source
	// Part is the number of the file, counted over all passes, that the frames
	// received last are of: at the pace of the capture a file begins at once.
	Part() int
}

// Run sends frames of File with Sender. Its methods may be called from any
// goroutine while Frames works.
type Run struct {
	File   File
	Sender *Sender
	Pace   Pace
	Limit  uint64 // frames at most; 0: all

	snapped atomic.Uint64
}

// runBatch is how many frames are taken at once.
const runBatch = 64

// Frames sends until the file's end, Limit, or the end of ctx, which is no
// error. When it returns, every frame taken from the file is accounted for by
// Sender.
func (r *Run) Frames(ctx context.Context) (Timing, error) {
	runtime.LockOSThread() // the timer slack is the thread's
	defer runtime.UnlockOSThread()
	s := &sending{Run: r, schedule: newSchedule(r.Pace), clock: newClock(), batch: make([]capture.Frame, runBatch)}
	err := s.all(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	if errDrain := r.Sender.Drain(); err == nil {
		err = errDrain
	}
	return s.late.timing(), err
}

// Snapped is how many frames were shorter in the file than on the wire they
// came from; they are sent as they are.
func (r *Run) Snapped() uint64 { return r.snapped.Load() }

// sending is a Run at work.
type sending struct {
	*Run
	schedule *schedule
	clock    *clock
	late     lateness
	batch    []capture.Frame
	part     int
	taken    uint64
}

func (s *sending) all(ctx context.Context) error {
	source := s.File.Sources()[0]
	for ctx.Err() == nil {
		want := uint64(len(s.batch))
		if s.Limit > 0 {
			want = min(want, s.Limit-s.taken)
		}
		if want == 0 {
			return nil
		}
		n, err := source.Receive(s.batch[:want], 0)
		s.taken += uint64(n)
		if n > 0 {
			if errSend := s.send(ctx, s.batch[:n]); errSend != nil {
				return errSend
			}
			source.Release()
		}
		switch {
		case errors.Is(err, capture.ErrClosed):
			return nil
		case err != nil:
			return err
		}
	}
	return ctx.Err()
}

// send sends the frames of one batch, each when it is due.
func (s *sending) send(ctx context.Context, frames []capture.Frame) error {
	if part := s.File.Part(); part != s.part {
		s.part = part
		s.schedule.restart()
	}
	for i := range frames {
		f := &frames[i]
		if err := s.await(ctx, f); err != nil {
			s.Sender.Refuse(len(frames)-i, err)
			return err
		}
		if err := s.Sender.Send(ctx, f.Data); err != nil {
			s.Sender.Refuse(len(frames)-i-1, err)
			return err
		}
		if int(f.OrigLen) > len(f.Data) {
			s.snapped.Store(s.snapped.Load() + 1)
		}
	}
	return s.flush(ctx)
}

// await returns when f is due. What waits for a flush leaves before.
func (s *sending) await(ctx context.Context, f *capture.Frame) error {
	if s.Pace.TopSpeed {
		return nil
	}
	due := s.schedule.next(f)
	if due > s.clock.now() {
		if err := s.flush(ctx); err != nil {
			return err
		}
		if err := s.clock.wait(ctx, due); err != nil {
			return err
		}
	}
	s.late.queue(due)
	return nil
}

func (s *sending) flush(ctx context.Context) error {
	err := s.Sender.Flush(ctx)
	if err == nil {
		s.late.left(s.clock.now())
	}
	return err
}
