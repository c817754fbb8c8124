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
	keys      []Key
	messages  []*message.Message
	came      []time.Time
	bytes     int
	paused    bool
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
		if len(q.messages) > 0 {
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
	wasEmpty := len(q.messages) == 0
	messages := b.All()
	for i := range messages {
		msg := &messages[i]
		if m.toEnd && msg.Offset >= q.end {
			break
		}
		var key Key
		if m.order != nil {
			key = m.order(msg)
		}
		q.keys = append(q.keys, key)
		q.messages = append(q.messages, msg)
		q.came = append(q.came, b.FetchedAt)
		q.bytes += weight(msg)
		m.held += weight(msg)
	}
	if wasEmpty && len(q.messages) > 0 {
		heap.Push(&m.heads, q)
	}
}

// weight is what a held message costs, about.
func weight(m *message.Message) int { return len(m.Key) + len(m.Value) + 256 }

// pop appends the messages whose turn it is, at most maxRun of them. With none,
// due is when the first one that is held is to go: zero if more must be fetched
// first.
func (m *merge) pop(dst []*message.Message, now time.Time) (out []*message.Message, due time.Time) {
	empty, behind := m.lacking()
	for len(m.heads) > 0 && len(dst) < maxRun {
		q := m.heads[0]
		if m.order != nil && empty && !m.toEnd && !behind {
			if due = q.came[0].Add(m.patience); due.After(now) {
				break
			}
		}
		if m.order != nil && behind {
			due = time.Time{}
			break
		}
		dst = append(dst, m.take(q))
		if len(q.messages) == 0 {
			empty, behind = m.lacking()
		}
	}
	if len(dst) > 0 {
		due = time.Time{}
	}
	return dst, due
}

// take removes the first message of q, which is the lowest of all.
func (m *merge) take(q *queue) *message.Message {
	first := q.messages[0]
	m.held -= weight(first)
	q.bytes -= weight(first)
	q.messages[0] = nil
	q.messages, q.keys, q.came = q.messages[1:], q.keys[1:], q.came[1:]
	if len(q.messages) == 0 {
		heap.Pop(&m.heads)
	} else {
		heap.Fix(&m.heads, 0)
	}
	return first
}

// lacking reports whether there are partitions with nothing held, and whether
// one of them surely has more.
func (m *merge) lacking() (empty, behind bool) {
	for _, q := range m.parts {
		if len(q.messages) == 0 {
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
	if a.keys[0] != b.keys[0] {
		return a.keys[0].before(b.keys[0])
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
