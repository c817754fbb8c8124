package indexer

import (
	"sync"
	"sync/atomic"
	"time"
)

// job is one thing for a lane to do; exactly one of its parts is set. None: the
// deadline that was asked for has passed.
type job struct {
	batch    *Batch
	window   *window // of batch
	assigned []Position
	flush    *flushing
}

// flushing is a flush under way in one or more lanes; err may be read when done
// is closed.
type flushing struct {
	done chan struct{}
	mu   sync.Mutex
	left int
	err  error
}

func newFlushing(lanes int) *flushing {
	f := &flushing{done: make(chan struct{}), left: lanes}
	if lanes == 0 {
		close(f.done)
	}
	return f
}

// answer is one lane's.
func (f *flushing) answer(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	if f.left--; f.left == 0 {
		close(f.done)
	}
}

// load is the bytes of all batches that lanes have not finished.
type load struct {
	bytes   atomic.Int64
	low     int64  // below this the owner is woken
	drained func() // called when bytes falls below low; must not block
}

func (l *load) add(n int64) { l.bytes.Add(n) }

func (l *load) remove(n int64) {
	if after := l.bytes.Add(-n); after < l.low && after+n >= l.low {
		l.drained()
	}
}

// queue hands jobs from Run to the one goroutine of a lane. It is not bounded:
// Run pauses the partitions when the load is too much, and takes what was
// already fetched.
type queue struct {
	load  *load
	ready chan struct{} // capacity 1: there is something to look at

	mu     sync.Mutex
	jobs   []job
	closed bool
}

func newQueue(l *load) *queue { return &queue{load: l, ready: make(chan struct{}, 1)} }

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// push adds a job behind all others.
func (q *queue) push(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		j.refuse()
		return
	}
	if j.batch != nil {
		q.load.add(int64(j.batch.Bytes))
	}
	q.jobs = append(q.jobs, j)
	q.signal()
}

// urgent adds a flush before all others.
func (q *queue) urgent(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		j.refuse()
		return
	}
	q.jobs = append([]job{j}, q.jobs...)
	q.signal()
}

func (j job) refuse() {
	if j.flush != nil {
		j.flush.answer(errStopped)
	}
}

// next waits for a job; false after close. With a deadline that passes first, or
// has passed, it returns a job that has nothing set.
func (q *queue) next(deadline time.Time) (job, bool) {
	var late <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		late = t.C
	}
	for {
		q.mu.Lock()
		closed := q.closed
		var j job
		overdue := !deadline.IsZero() && !time.Now().Before(deadline)
		found := !closed && !overdue && len(q.jobs) > 0
		if found {
			j, q.jobs[0] = q.jobs[0], job{}
			q.jobs = q.jobs[1:]
		}
		q.mu.Unlock()
		if closed || found || overdue {
			return j, !closed
		}
		select {
		case <-q.ready:
		case <-late:
			return job{}, true
		}
	}
}

// finished gives the bytes of a batch back.
func (q *queue) finished(b *Batch) { q.load.remove(int64(b.Bytes)) }

// discard drops the batches that the lane has not taken.
func (q *queue) discard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.jobs[:0]
	for _, j := range q.jobs {
		if j.batch != nil {
			q.finished(j.batch)
			continue
		}
		kept = append(kept, j)
	}
	clear(q.jobs[len(kept):])
	q.jobs = kept
}

// close makes next return; jobs that wait are not done.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, j := range q.jobs {
		j.refuse()
		if j.batch != nil {
			q.finished(j.batch)
		}
	}
	q.jobs = nil
	q.signal()
}
