package worker

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// Config says what a worker makes of its frames.
type Config struct {
	Source capture.Source
	Output Output       // where records go; owned by this worker
	Errors *ErrorOutput // where records of class error go; nil: to Output like all others

	LinkType        uint16        // LINKTYPE number of the source's frames
	Batch           int           // frames per Receive; default 64
	Idle            time.Duration // longest wait for a frame when nothing is open; default 100 ms
	VerifyChecksums bool          // reads every payload byte
	Quota           *Quota        // nil: no limit
	CountOnly       bool          // look at no frame: what rings alone can do
}

// Output takes the records of one worker and hands them on in messages. It is
// used by that worker's goroutine alone.
type Output interface {
	// Append takes one record; frame is what it was decoded from. Neither may
	// be kept. It must not block and, per packet, not allocate.
	Append(r *record.Record, frame []byte)
	// Deadline is when the open message must be handed on; the zero time: none
	// is open.
	Deadline() time.Time
	// Flush hands the open message on.
	Flush()
}

// Quota is a number of frames that several workers may take together (-c).
type Quota struct{ left atomic.Int64 }

// NewQuota allows n frames.
func NewQuota(n int64) *Quota {
	q := &Quota{}
	q.left.Store(n)
	return q
}

// take grants up to n frames and says whether the quota is used up with them.
func (q *Quota) take(n int) (granted int, used bool) {
	if q == nil {
		return n, false
	}
	left := q.left.Add(-int64(n))
	if left >= 0 {
		return n, left == 0
	}
	return max(0, n+int(left)), true
}

// Worker turns the frames of one source into records. One goroutine, locked to
// its thread, runs it from ring to message.
type Worker struct {
	cfg      Config
	frames   []capture.Frame
	rec      record.Record
	counts   counts // this goroutine's own
	shown    shared // what other goroutines may read
	draining atomic.Bool
}

// New makes a worker; Run starts it.
func New(cfg Config) *Worker {
	if cfg.Batch <= 0 {
		cfg.Batch = 64
	}
	if cfg.Idle <= 0 {
		cfg.Idle = 100 * time.Millisecond
	}
	return &Worker{cfg: cfg, frames: make([]capture.Frame, cfg.Batch)}
}

// Drain asks Run to end once the source gives no more frames; the device must
// have been detached before.
func (w *Worker) Drain() { w.draining.Store(true) }

// Run takes frames until the source ends (nil), Drain was called and the source
// is empty (nil), the quota is used up (ErrQuota), or the source fails.
func (w *Worker) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer w.publish()
	empty := 0
	for {
		// Read before the frames are asked for: a Drain that comes later is
		// seen in the next turn, so none that arrived before it is missed.
		draining := w.draining.Load()
		n, err := w.cfg.Source.Receive(w.frames, w.patience(draining))
		granted, used := w.cfg.Quota.take(n)
		if w.cfg.CountOnly {
			w.counts.byStatus[packet.StatusWhole] += uint64(granted)
		} else {
			for i := range w.frames[:granted] {
				w.handle(&w.frames[i])
			}
		}
		w.counts.received += uint64(n)
		w.counts.beyond += uint64(n - granted)
		if n > 0 {
			empty = 0
			w.cfg.Source.Release()
			w.publish()
		} else {
			empty++
		}
		if d := w.cfg.Output.Deadline(); !d.IsZero() && !time.Now().Before(d) {
			w.cfg.Output.Flush()
		}
		end := errors.Is(err, capture.ErrClosed) || (draining && empty >= 2)
		if !end && !used && err == nil {
			continue
		}
		w.cfg.Output.Flush()
		switch {
		case end:
			return nil
		case used:
			return ErrQuota
		}
		return fmt.Errorf("receive from queue %d: %w", w.cfg.Source.Queue(), err)
	}
}

// ErrQuota ends Run when the quota is used up; the caller then detaches, and
// drains what is still in the rings with Discard.
var ErrQuota = errors.New("the number of frames asked for was captured")

// Discard takes what is left in the rings after Run ended with ErrQuota and the
// device was detached, so that the books close: those frames are counted as
// passed, not recorded.
func (w *Worker) Discard() {
	defer w.publish()
	for empty := 0; empty < 2; {
		n, err := w.cfg.Source.Receive(w.frames, time.Millisecond)
		w.counts.received += uint64(n)
		w.counts.beyond += uint64(n)
		if n == 0 {
			empty++
		} else {
			empty = 0
			w.cfg.Source.Release()
		}
		if err != nil {
			return
		}
	}
}

// patience is how long Receive may wait: an open message is never held past
// its linger.
func (w *Worker) patience(draining bool) time.Duration {
	if draining {
		return time.Millisecond
	}
	d := w.cfg.Output.Deadline()
	if d.IsZero() {
		return w.cfg.Idle
	}
	return min(w.cfg.Idle, max(0, time.Until(d)))
}

// handle takes one frame from view to message.
func (w *Worker) handle(f *capture.Frame) {
	r := &w.rec
	r.SetPacket(w.cfg.LinkType, f.Data, f.OrigLen, f.TimestampNanos)
	if w.cfg.VerifyChecksums {
		packet.Verify(&r.Packet, f.Data)
	}
	r.Sequence = f.Sequence
	r.Present |= 1 << record.FieldSequence
	w.counts.byStatus[r.Status]++
	if r.Status.IsError() && w.cfg.Errors != nil {
		w.cfg.Errors.Append(r, f.Data)
		if !w.cfg.Errors.InOutput() {
			return
		}
	}
	w.cfg.Output.Append(r, f.Data)
}
