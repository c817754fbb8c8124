package kafka

import (
	"container/heap"
	"time"

	"xcapa/internal/message"
)

// merge holds what was fetched of several partitions and gives it away in the
// order of a key. It knows no broker.
//
// The message at the head of the lowest queue may go when no other partition
// can bring an earlier one: when every partition has something in its queue. A
// partition whose queue is empty and that is behind the end it had at the start
// is waited for; one that has nothing new is waited for as long as a message's
// patience lasts.
type merge struct {
	order    func(*message.Message) Key // nil: none
	patience time.Duration
	share    int // bytes a partition may hold before it is paused
	maxHeld  int
	toEnd    bool
	begun    bool // there are partitions, or there will be none

	parts map[kgoPartition]*queue
	heads heads // of parts with something in them, lowest first
	held  int   // bytes

	room []message.Message  // of the messages given away last
	out  []*message.Message // room's
	used []message.Records  // all given away: released when the messages are no longer looked at
}

// Key is a message's place in the order: its time, and among messages of the
// same time its number, where it has one.
type Key struct {
	Nanos    int64
	Sequence uint64
}

func (k Key) before(other Key) bool {
	return k.Nanos < other.Nanos || k.Nanos == other.Nanos && k.Sequence < other.Sequence
}

// queue is one partition.
type queue struct {
	partition kgoPartition
	next      int64 // behind what was fetched
	end       int64 // at the start
	batches   []fetched
	at        int             // the place of first in batches[0]
	first     message.Message // the next to go
	key       Key             // of first
	bytes     int
	paused    bool
}

// fetched is a batch of which something is to be given away.
type fetched struct {
	records message.Records
	n       int // of records that are ours to give
	bytes   int // what those not given away cost, about
	came    time.Time
}

// maxRun is the most messages one pop gives.
const maxRun = 1024

func newMerge(o *ReadOptions) *merge {
	return &merge{order: o.Order, patience: o.Patience, maxHeld: o.MaxHeld, toEnd: o.ToEnd, parts: map[kgoPartition]*queue{}}
}

func (m *merge) add(p kgoPartition, s span) {
	m.begun = true
	m.parts[p] = &queue{partition: p, next: s.start, end: s.end}
	m.share = m.maxHeld / max(1, len(m.parts))
}

// remove forgets partitions and what is held of them.
func (m *merge) remove(at []Position) {
	for _, p := range at {
		key := kgoPartition{p.Topic, p.Partition}
		if q := m.parts[key]; q != nil {
			m.held -= q.bytes
			delete(m.parts, key)
		}
	}
	m.heads = m.heads[:0]
	for _, q := range m.parts {
		if !q.empty() {
			m.heads = append(m.heads, q)
		}
	}
	heap.Init(&m.heads)
}

// push takes a batch, with toEnd up to the partition's end.
func (m *merge) push(b *Batch) {
	q := m.parts[kgoPartition{b.Topic, b.Partition}]
	if q == nil {
		return // taken from us between the fetch and now: its new owner reads it
	}
	q.next = max(q.next, b.Next)
	n := b.Len()
	for m.toEnd && n > 0 && b.Records.Offset(n-1) >= q.end {
		n--
	}
	if n == 0 {
		b.Release()
		return
	}
	f := fetched{records: b.Records, n: n, bytes: b.Bytes + n*messageWeight, came: b.FetchedAt}
	q.batches = append(q.batches, f)
	q.bytes += f.bytes
	m.held += f.bytes
	if len(q.batches) == 1 {
		m.read(q)
		heap.Push(&m.heads, q)
	}
}

// messageWeight is what a held message costs beside its bytes, about.
const messageWeight = 256

// read makes the message at the head of q.
func (m *merge) read(q *queue) {
	q.batches[0].records.Read(q.at, &q.first)
	if m.order != nil {
		q.key = m.order(&q.first)
	}
}

func (q *queue) empty() bool { return len(q.batches) == 0 }

// pop gives the messages whose turn it is, at most maxRun of them, valid until
// the next pop. With none, due is when the first one that is held is to go: zero
// if more must be fetched first.
func (m *merge) pop(now time.Time) (out []*message.Message, due time.Time) {
	m.release()
	n := 0
	empty, behind := m.lacking()
	for len(m.heads) > 0 && n < maxRun {
		q := m.heads[0]
		if m.order != nil && empty && !m.toEnd && !behind {
			if due = q.batches[0].came.Add(m.patience); due.After(now) {
				break
			}
		}
		if m.order != nil && behind {
			due = time.Time{}
			break
		}
		m.take(q, n)
		n++
		if q.empty() {
			empty, behind = m.lacking()
		}
	}
	if n > 0 {
		due = time.Time{}
	}
	return m.out[:n], due
}

// release gives the batches back whose messages were all given away.
func (m *merge) release() {
	for _, r := range m.used {
		r.Release()
	}
	clear(m.used)
	m.used = m.used[:0]
	if m.room == nil {
		m.room = make([]message.Message, maxRun)
		for i := range m.room {
			m.out = append(m.out, &m.room[i])
		}
	}
}

// take gives the first message of q, which is the lowest of all, as number n.
func (m *merge) take(q *queue, n int) {
	m.room[n], q.first = q.first, m.room[n] // q gets the room of the headers
	b := &q.batches[0]
	share := b.bytes / (b.n - q.at)
	b.bytes -= share
	q.bytes -= share
	m.held -= share
	if q.at++; q.at == b.n {
		m.used = append(m.used, b.records)
		*b = fetched{}
		q.batches, q.at = q.batches[1:], 0
	}
	if q.empty() {
		heap.Pop(&m.heads)
		return
	}
	m.read(q)
	heap.Fix(&m.heads, 0)
}

// lacking reports whether there are partitions with nothing held, and whether
// one of them surely has more.
func (m *merge) lacking() (empty, behind bool) {
	for _, q := range m.parts {
		if q.empty() {
			empty = true
			behind = behind || q.next < q.end
		}
	}
	return empty, behind
}

// throttle says which partitions are read to their end or far enough ahead not
// to be fetched for now, and which are wanted again.
func (m *merge) throttle() (pause, resume []Position) {
	for p, q := range m.parts {
		at := Position{Topic: p.topic, Partition: p.partition}
		isRead := m.toEnd && q.next >= q.end
		switch {
		case !q.paused && (isRead || q.bytes > m.share):
			q.paused = true
			pause = append(pause, at)
		case q.paused && !isRead && q.bytes <= m.share/2:
			q.paused = false
			resume = append(resume, at)
		}
	}
	return pause, resume
}

// done reports whether every partition was given away up to its end.
func (m *merge) done() bool {
	if !m.begun || len(m.heads) > 0 {
		return false
	}
	for _, q := range m.parts {
		if q.next < q.end {
			return false
		}
	}
	return true
}

// heads is a heap of queues by the key of their first message.
type heads []*queue

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.key != b.key {
		return a.key.before(b.key)
	}
	if a.partition.topic != b.partition.topic {
		return a.partition.topic < b.partition.topic
	}
	return a.partition.partition < b.partition.partition
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*queue)) }
func (h *heads) Pop() any {
	old := *h
	q := old[len(old)-1]
	*h = old[:len(old)-1]
	return q
}
