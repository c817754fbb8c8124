package indexer

import (
	"cmp"
	"slices"
	"sync"
)

// window is the messages of one partition that have been begun, in order, up to
// the first that is not settled: what may be committed.
type window struct {
	partition partition

	mu       sync.Mutex
	list     []entry // list[head:] are begun and not yet passed
	head     int
	sequence int64       // number of list[0] since the assignment
	position int64       // everything before is settled
	stored   int64       // committed
	stopped  bool        // begin no more: the partition is being given back
	batches  []*batchRun // not yet passed, in order
}

// entry is one message: done when it is settled, next the offset behind it.
type entry struct {
	next int64
	done bool
}

// begin adds a message; next is the offset behind it. It returns the number to
// settle it with; false: the partition is no longer ours to begin with.
func (w *window) begin(next int64) (int64, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return 0, false
	}
	w.shrink()
	w.list = append(w.list, entry{next: next})
	return w.sequence + int64(len(w.list)) - 1, true
}

// extend moves the end of the message (or run of messages) begun last to next.
// It must not be settled yet. false: nothing more may be begun.
func (w *window) extend(number, next int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return false
	}
	w.list[number-w.sequence].next = next
	return true
}

// shrink drops the passed half of the list, so that it stays as long as what is
// in flight.
func (w *window) shrink() {
	if w.head < 64 || w.head < len(w.list)/2 {
		return
	}
	n := copy(w.list, w.list[w.head:])
	w.list = w.list[:n]
	w.sequence += int64(w.head)
	w.head = 0
}

// settle marks a message and moves the position over all that are settled.
func (w *window) settle(number int64) {
	w.mu.Lock()
	w.list[number-w.sequence].done = true
	for w.head < len(w.list) && w.list[w.head].done {
		w.position = w.list[w.head].next
		w.head++
	}
	var passed []*batchRun
	for len(w.batches) > 0 && w.batches[0].next <= w.position {
		passed = append(passed, w.batches[0])
		w.batches = w.batches[1:]
	}
	w.mu.Unlock()
	for _, b := range passed {
		b.settled()
	}
}

// watch has b told when everything up to its end is settled.
func (w *window) watch(b *batchRun) {
	if b == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches = append(w.batches, b)
}

// stop makes begin refuse.
func (w *window) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

func (w *window) isStopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

// unsettled is how many begun messages are not settled.
func (w *window) unsettled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.list[w.head:] {
		if !e.done {
			n++
		}
	}
	return n
}

// offsets are the windows of the partitions that are ours.
type offsets struct {
	mu      sync.Mutex
	windows map[partition]*window
}

// assign makes a fresh window, reading from offset at.
func (o *offsets) assign(p partition, at int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.windows == nil {
		o.windows = map[partition]*window{}
	}
	o.windows[p] = &window{partition: p, position: at, stored: at}
}

// get is the window of a partition; nil when it is not ours.
func (o *offsets) get(p partition) *window {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.windows[p]
}

// stop makes the windows of these partitions refuse new messages.
func (o *offsets) stop(parts []Position) {
	for _, p := range parts {
		if w := o.get(partitionOf(p)); w != nil {
			w.stop()
		}
	}
}

// drop forgets partitions: what settles later moves nothing.
func (o *offsets) drop(parts []Position) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range parts {
		if w := o.windows[partitionOf(p)]; w != nil {
			w.stop()
		}
		delete(o.windows, partitionOf(p))
	}
}

// all lists the windows in order of topic and partition.
func (o *offsets) all() []*window {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]*window, 0, len(o.windows))
	for _, w := range o.windows {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b *window) int {
		return cmp.Or(cmp.Compare(a.partition.topic, b.partition.topic), cmp.Compare(a.partition.number, b.partition.number))
	})
	return out
}

// parts are the partitions that are ours.
func (o *offsets) parts() []Position {
	var out []Position
	for _, w := range o.all() {
		out = append(out, Position{Topic: w.partition.topic, Partition: w.partition.number})
	}
	return out
}

// due lists what can be committed and has not been.
func (o *offsets) due() []Position {
	var out []Position
	for _, w := range o.all() {
		w.mu.Lock()
		if w.position > w.stored {
			out = append(out, Position{Topic: w.partition.topic, Partition: w.partition.number, Offset: w.position})
		}
		w.mu.Unlock()
	}
	return out
}

// committed remembers what the broker took.
func (o *offsets) committed(list []Position) {
	for _, p := range list {
		if w := o.get(partitionOf(p)); w != nil {
			w.mu.Lock()
			w.stored = max(w.stored, p.Offset)
			w.mu.Unlock()
		}
	}
}

// unsettled is how many messages are begun and not settled, over all partitions.
func (o *offsets) unsettled() int {
	n := 0
	for _, w := range o.all() {
		n += w.unsettled()
	}
	return n
}
