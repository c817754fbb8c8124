package kafka

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"xcapa/internal/message"
)

// timed is a message whose value is its time and number.
func timed(partition int32, offset, nanos int64, sequence uint64) message.Message {
	v := binary.BigEndian.AppendUint64(nil, uint64(nanos))
	return message.Message{Topic: topic, Partition: partition, Offset: offset, Value: binary.BigEndian.AppendUint64(v, sequence)}
}

func timedKey(m *message.Message) Key {
	return Key{int64(binary.BigEndian.Uint64(m.Value)), binary.BigEndian.Uint64(m.Value[8:])}
}

func part(p int32) kgoPartition { return kgoPartition{topic, p} }

func timedBatch(came time.Time, messages ...message.Message) *Batch {
	last := messages[len(messages)-1]
	return &Batch{Topic: topic, Partition: last.Partition, Records: message.List(messages), Next: last.Offset + 1, FetchedAt: came}
}

// Messages in time order, dealt at random to partitions and fetched in random
// pieces, come out in time order again, equal times by their numbers.
func TestMergeRestoresTheOrder(t *testing.T) {
	const partitions, n = 7, 5000
	r := rand.New(rand.NewPCG(1, 2))
	dealt := make([][]message.Message, partitions)
	for i := range n {
		p := r.IntN(partitions)
		dealt[p] = append(dealt[p], timed(int32(p), int64(len(dealt[p])), int64(i/3), uint64(i)))
	}
	m := newMerge(&ReadOptions{Order: timedKey, Patience: time.Hour, MaxHeld: 1 << 20, ToEnd: true})
	for p := range dealt {
		m.add(part(int32(p)), span{0, int64(len(dealt[p]))})
	}
	now := time.Now()
	var got []message.Message
	for left := n; left > 0; {
		p := r.IntN(partitions)
		k := min(len(dealt[p]), 1+r.IntN(50))
		if k == 0 {
			continue
		}
		m.push(timedBatch(now, dealt[p][:k]...))
		dealt[p], left = dealt[p][k:], left-k
		for {
			out, _ := m.pop(now)
			if len(out) == 0 {
				break
			}
			for _, msg := range out {
				got = append(got, *msg)
			}
		}
	}
	if len(got) != n || !m.done() || m.held != 0 {
		t.Fatalf("got %d messages, done %v, %d bytes held; want %d, true, 0", len(got), m.done(), m.held, n)
	}
	for i := range got {
		if n := timedKey(&got[i]).Sequence; n != uint64(i) {
			t.Fatalf("message %d is number %d", i, n)
		}
	}
}

// A partition that is behind its end is waited for, however long it takes; one
// that has nothing new only for a message's patience.
func TestMergeWaits(t *testing.T) {
	m := newMerge(&ReadOptions{Order: timedKey, Patience: time.Second, MaxHeld: 1 << 20})
	m.add(part(0), span{0, 5})
	m.add(part(1), span{3, 4})
	t0 := time.Now()
	m.push(timedBatch(t0, timed(0, 0, 20, 0)))
	if out, due := m.pop(t0.Add(time.Hour)); len(out) != 0 || !due.IsZero() {
		t.Fatalf("got %d messages, due %v, while a partition is behind; want none, and more to be fetched", len(out), due)
	}
	m.push(timedBatch(t0, timed(1, 3, 10, 0)))
	out, _ := m.pop(t0)
	if len(out) != 1 || out[0].Partition != 1 {
		t.Fatalf("got %d messages, want the one of partition 1", len(out))
	}
	out, due := m.pop(t0)
	if len(out) != 0 || !due.Equal(t0.Add(time.Second)) {
		t.Fatalf("got %d messages, due in %v; want none, due in 1s", len(out), due.Sub(t0))
	}
	if out, _ = m.pop(due); len(out) != 1 || out[0].Partition != 0 {
		t.Fatalf("got %d messages once the patience is over, want the one of partition 0", len(out))
	}
}

// With ToEnd, what came behind the end is not given away; what is no message
// (a transaction's end) counts towards it.
func TestMergeEnds(t *testing.T) {
	m := newMerge(&ReadOptions{ToEnd: true, MaxHeld: 1 << 20})
	if m.done() {
		t.Error("done before any partition is known")
	}
	m.add(part(0), span{0, 3})
	b := timedBatch(time.Now(), timed(0, 0, 1, 0))
	b.Next = 3
	m.push(b)
	m.push(timedBatch(time.Now(), timed(0, 3, 2, 0)))
	if out, _ := m.pop(time.Now()); len(out) != 1 || !m.done() {
		t.Errorf("got %d messages, done %v; want 1, true", len(out), m.done())
	}
}

// A partition that is far ahead is not fetched until its part is given away.
func TestMergeThrottles(t *testing.T) {
	m := newMerge(&ReadOptions{Order: timedKey, Patience: time.Hour, MaxHeld: 8 << 10})
	m.add(part(0), span{0, 1000})
	m.add(part(1), span{0, 1000})
	var ahead []message.Message
	for i := range 30 {
		ahead = append(ahead, timed(0, int64(i), int64(100+i), 0))
	}
	m.push(timedBatch(time.Now(), ahead...))
	pause, _ := m.throttle()
	if len(pause) != 1 || pause[0].Partition != 0 {
		t.Fatalf("paused %v, want partition 0", pause)
	}
	if pause, resume := m.throttle(); len(pause)+len(resume) != 0 {
		t.Errorf("again: paused %v, resumed %v; want nothing", pause, resume)
	}
	m.push(timedBatch(time.Now(), timed(1, 0, 1000, 0)))
	if out, _ := m.pop(time.Now()); len(out) != 30 {
		t.Fatalf("got %d messages, want 30", len(out))
	}
	if _, resume := m.throttle(); len(resume) != 1 {
		t.Errorf("resumed %v, want partition 0", resume)
	}
}

func TestMergeForgetsWhatIsTaken(t *testing.T) {
	m := newMerge(&ReadOptions{MaxHeld: 1 << 20})
	m.add(part(0), span{0, 1})
	m.add(part(1), span{0, 1})
	m.push(timedBatch(time.Now(), timed(0, 0, 1, 0)))
	m.push(timedBatch(time.Now(), timed(1, 0, 2, 0)))
	m.remove([]Position{{Topic: topic, Partition: 0}})
	m.push(timedBatch(time.Now(), timed(0, 1, 3, 0)))
	out, _ := m.pop(time.Now())
	if len(out) != 1 || out[0].Partition != 1 || m.held != 0 {
		t.Errorf("got %d messages, %d bytes held; want the one of partition 1, 0", len(out), m.held)
	}
}

// lent are records that are overwritten when they are released, and made in the
// room of the reader's headers.
type lent struct {
	message.List
	released int
}

func (l *lent) Read(i int, m *message.Message) {
	headers := append(m.Headers[:0], l.List[i].Headers...)
	*m = l.List[i]
	m.Headers = headers
}

func (l *lent) Release() {
	l.released++
	for i := range l.List {
		clear(l.List[i].Value)
	}
}

// What is given away stays as it is until the next pop; then its batches are
// released, once each, and never before all of them is given away.
func TestMergeReleases(t *testing.T) {
	const batches, each = 60, 77
	m := newMerge(&ReadOptions{Order: timedKey, Patience: time.Hour, MaxHeld: 1 << 20, ToEnd: true})
	m.add(part(0), span{0, batches * each})
	m.add(part(1), span{0, batches*each - 10}) // the last batch is cut
	var all []*lent
	for b := range batches {
		for p := range int32(2) {
			l := &lent{}
			for i := range each {
				n := uint64(b*each + i)
				msg := timed(p, int64(n), int64(n), n)
				msg.Headers = []message.Header{{Key: string(rune('a' + p)), Value: msg.Value}}
				l.List = append(l.List, msg)
			}
			all = append(all, l)
			m.push(&Batch{Topic: topic, Partition: p, Records: l, Next: int64((b + 1) * each), Bytes: 32 * each, FetchedAt: time.Now()})
		}
	}
	next := [2]uint64{}
	for {
		out, _ := m.pop(time.Now())
		if len(out) == 0 {
			break
		}
		for i, msg := range out {
			key := timedKey(msg)
			if key.Sequence != next[msg.Partition] || msg.Offset != key.Nanos || len(msg.Headers) != 1 ||
				msg.Headers[0].Key != string(rune('a'+msg.Partition)) || &msg.Headers[0].Value[0] != &msg.Value[0] {
				t.Fatalf("message %d of %d is %+v, want number %d", i, len(out), msg, next[msg.Partition])
			}
			next[msg.Partition]++
		}
	}
	if next != [2]uint64{batches * each, batches*each - 10} || m.held != 0 || !m.done() {
		t.Fatalf("got %d messages, %d bytes held, done %v", next, m.held, m.done())
	}
	for i, l := range all {
		if l.released != 1 {
			t.Errorf("batch %d was released %d times", i, l.released)
		}
	}
}
