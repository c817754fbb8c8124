package fanout

import (
	"runtime"
	"sync/atomic"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/packet"
)

// receiver shares one queue out among its workers.
type receiver struct {
	source   capture.Lender
	linkType uint16
	rings    []*ring
	frames   []capture.Frame // a batch
	refused  []capture.Frame // of it, those that no worker had room for
	scratch  packet.Packet

	detached atomic.Bool // nothing new comes; end when the queue is empty
	stop     atomic.Bool
	lost     atomic.Uint64 // frames dropped because a ring was full

	ended chan struct{} // closed when the goroutine ends
	err   error         // why it did; nil: the queue is drained. Valid once ended is closed
}

// The longest waits for a frame: while frames are away, which are to come home,
// and at rest.
const (
	busyPatience = time.Millisecond
	restPatience = 100 * time.Millisecond
)

// depth is how many frames each of n workers may have waiting or in work: a
// power of two, and all of them half of the queue's memory at most.
func depth(frames, n int) int {
	d := 1
	for 2*d*n <= frames/2 {
		d *= 2
	}
	return d
}

func newReceiver(s capture.Lender, linkType uint16, workers, batch int) *receiver {
	r := &receiver{
		source: s, linkType: linkType, ended: make(chan struct{}),
		frames: make([]capture.Frame, batch), refused: make([]capture.Frame, 0, batch),
	}
	for range workers {
		r.rings = append(r.rings, newRing(depth(s.Frames(), workers)))
	}
	s.Lend()
	return r
}

// run receives until the queue ends, fails, or is empty behind a Detach.
func (r *receiver) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	empty := 0
	for !r.stop.Load() {
		// Read before the frames are asked for: what came before a Detach is
		// in the queue then.
		detached := r.detached.Load()
		n, err := r.source.Receive(r.frames, r.patience(detached))
		r.collect(n == 0)
		r.share(r.frames[:n])
		if empty++; n > 0 {
			empty = 0
		}
		switch {
		case err != nil:
			r.end(err)
			return
		case detached && empty >= 2:
			r.end(nil)
			return
		}
	}
	r.end(capture.ErrClosed)
}

func (r *receiver) patience(detached bool) time.Duration {
	if detached || r.away() > 0 {
		return busyPatience
	}
	return restPatience
}

func (r *receiver) away() (n int) {
	for _, ring := range r.rings {
		n += ring.away()
	}
	return n
}

// collect takes frames home: all there are, or only from rings with a batch or
// more away, since a look at what a worker has done costs a cache line.
func (r *receiver) collect(all bool) {
	for _, ring := range r.rings {
		if n := ring.away(); n >= len(r.frames) || all && n > 0 {
			ring.collect(r.source.Return)
		}
	}
}

// share hands each frame to the worker that has its flow.
func (r *receiver) share(frames []capture.Frame) {
	if len(frames) == 0 {
		return
	}
	n := uint64(len(r.rings))
	for i := range frames {
		f := &frames[i]
		hash := packet.FlowHashOf(&r.scratch, r.linkType, f.Data, f.OrigLen)
		ring := r.rings[((hash>>32)*n)>>32]
		if !ring.add(f) {
			ring.collect(r.source.Return)
			if !ring.add(f) {
				r.refused = append(r.refused, *f)
			}
		}
	}
	for _, ring := range r.rings {
		ring.show()
	}
	if len(r.refused) > 0 {
		r.lost.Add(uint64(len(r.refused)))
		r.source.Return(r.refused)
		r.refused = r.refused[:0]
	}
}

// end lets the workers have what is on the rings, and then err.
func (r *receiver) end(err error) {
	r.err = err
	close(r.ended)
	for _, ring := range r.rings {
		ring.alarm()
	}
}

// over reports whether nothing more comes onto the rings, and why; nil: the
// queue is drained.
func (r *receiver) over() (bool, error) {
	select {
	case <-r.ended:
		return true, r.err
	default:
		return false, nil
	}
}
