package indexer

import "sync"

// job is one thing for the worker to do; exactly one of its parts is set.
type job struct {
	batch    *Batch
	window   *window // of batch
	assigned []Position
	flush    *flushing
}

// flushing is a flush under way; err may be read when done is closed.
type flushing struct {
	done chan struct{}
	err  error
}

// queue hands jobs from Run to the worker. It is not bounded: Run pauses the
// partitions when bytes is too much, and takes what was already fetched.
type queue struct {
	mu     sync.Mutex
	ready  sync.Cond
	jobs   []job
	bytes  int64 // of the batches in jobs, and of the one the worker has
	closed bool

	low     int64  // below this the owner is woken
	drained func() // called when bytes falls below low; must not block
}

func newQueue(low int64, drained func()) *queue {
	q := &queue{low: low, drained: drained}
	q.ready.L = &q.mu
	return q
}

// push adds a job behind all others.
func (q *queue) push(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.batch != nil {
		q.bytes += int64(j.batch.Bytes)
	}
	q.jobs = append(q.jobs, j)
	q.ready.Signal()
}

// urgent adds a job before all others.
func (q *queue) urgent(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append([]job{j}, q.jobs...)
	q.ready.Signal()
}

// next waits for a job; false after close.
func (q *queue) next() (job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 && !q.closed {
		q.ready.Wait()
	}
	if q.closed {
		return job{}, false
	}
	j := q.jobs[0]
	q.jobs[0] = job{}
	q.jobs = q.jobs[1:]
	return j, true
}

// finished gives the bytes of a batch back.
func (q *queue) finished(b *Batch) {
	q.mu.Lock()
	before := q.bytes
	q.bytes -= int64(b.Bytes)
	wake := before >= q.low && q.bytes < q.low
	q.mu.Unlock()
	if wake {
		q.drained()
	}
}

// discard drops the batches that the worker has not taken.
func (q *queue) discard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.jobs[:0]
	for _, j := range q.jobs {
		if j.batch != nil {
			q.bytes -= int64(j.batch.Bytes)
			continue
		}
		kept = append(kept, j)
	}
	clear(q.jobs[len(kept):])
	q.jobs = kept
}

func (q *queue) size() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// close makes next return; jobs that wait are not done.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, j := range q.jobs {
		if j.flush != nil {
			j.flush.err = errStopped
			close(j.flush.done)
		}
	}
	q.jobs = nil
	q.ready.Broadcast()
}
