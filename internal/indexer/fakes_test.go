package indexer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeConsumer is a group member with a fixed set of partitions, each a list of
// messages.
type fakeConsumer struct {
	stage *Stage
	limit int // messages of a partition in one Poll; 0: 7

	mu        sync.Mutex
	topic     map[int32][]message.Message
	next      map[int32]int
	poison    map[int32][]Poison // given behind the messages
	paused    map[int32]bool
	committed map[int32]int64
	polls     int
	closed    bool
	begun     bool
	commitErr func(n int) error
	commits   int
	onCommit  func(Position)
	onPoll    func(n int)
	final     error // returned by Poll when everything was polled
}

// lent are messages whose bytes are overwritten when the batch is released.
func lent(list []message.Message) message.Records {
	l := &lentList{message.List(slices.Clone(list))}
	for i := range l.List {
		l.List[i].Value = bytes.Clone(l.List[i].Value)
	}
	return l
}

type lentList struct{ message.List }

func (l *lentList) Head(n int) message.Records { return &lentList{l.List[:n]} }
func (l *lentList) Release() {
	for i := range l.List {
		for k := range l.List[i].Value {
			l.List[i].Value[k] = 0xdb
		}
	}
}

func newFakeConsumer(partitions, messages int) *fakeConsumer {
	c := &fakeConsumer{topic: map[int32][]message.Message{}, next: map[int32]int{}, poison: map[int32][]Poison{},
		paused: map[int32]bool{}, committed: map[int32]int64{}}
	for p := range int32(partitions) {
		c.topic[p] = nil
		for o := range int64(messages) {
			c.topic[p] = append(c.topic[p], message.Message{Topic: "t", Partition: p, Offset: o,
				Time: time.Unix(1795412280, 0), Value: fmt.Appendf(nil, `{"record_id":"%d-%d"}`, p, o)})
		}
	}
	return c
}

func (c *fakeConsumer) Poll(ctx context.Context) ([]Batch, error) {
	c.mu.Lock()
	c.polls++
	n := c.polls
	first := !c.begun
	c.begun = true
	c.mu.Unlock()
	if first {
		var at []Position
		for p := range c.topic {
			at = append(at, Position{Topic: "t", Partition: p, Offset: c.committed[p]})
			for c.next[p] < len(c.topic[p]) && c.topic[p][c.next[p]].Offset < c.committed[p] {
				c.next[p]++
			}
		}
		if err := c.stage.Assigned(ctx, at); err != nil {
			return nil, err
		}
	}
	if c.onPoll != nil {
		c.onPoll(n)
	}
	if b := c.take(); len(b) > 0 {
		return b, nil
	}
	if c.final != nil {
		return nil, c.final
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (c *fakeConsumer) take() []Batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Batch
	for p, list := range c.topic {
		from := c.next[p]
		if c.paused[p] {
			continue
		}
		limit := c.limit
		if limit == 0 {
			limit = 7
		}
		to := min(from+limit, len(list))
		switch {
		case from < to:
			b := Batch{Topic: "t", Partition: p, Records: lent(list[from:to]), Next: list[to-1].Offset + 1, FetchedAt: time.Unix(1795412282, 0)}
			for _, m := range list[from:to] {
				b.Bytes += len(m.Value)
			}
			out = append(out, b)
			c.next[p] = to
		case len(c.poison[p]) > 0:
			out = append(out, Batch{Topic: "t", Partition: p, Poison: &c.poison[p][0], Next: c.poison[p][0].Last + 1, FetchedAt: time.Now()})
			c.poison[p] = c.poison[p][1:]
		}
	}
	return out
}

func (c *fakeConsumer) Commit(_ context.Context, next ...Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commits++
	if c.commitErr != nil {
		if err := c.commitErr(c.commits); err != nil {
			return err
		}
	}
	for _, p := range next {
		if c.onCommit != nil {
			c.onCommit(p)
		}
		c.committed[p.Partition] = p.Offset
	}
	return nil
}

func (c *fakeConsumer) Pause(parts ...Position)  { c.pause(parts, true) }
func (c *fakeConsumer) Resume(parts ...Position) { c.pause(parts, false) }

func (c *fakeConsumer) pause(parts []Position, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range parts {
		c.paused[p.Partition] = on
	}
}

func (c *fakeConsumer) Ends(context.Context) ([]Position, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Position
	for p, list := range c.topic {
		end := int64(0)
		if len(list) > 0 {
			end = list[len(list)-1].Offset + 1
		}
		for _, x := range c.poison[p] {
			end = max(end, x.Last+1)
		}
		out = append(out, Position{Topic: "t", Partition: p, Offset: end})
	}
	return out, nil
}

func (c *fakeConsumer) Close(ctx context.Context) error {
	if c.begun && !c.closed {
		c.stage.Revoked(ctx, c.stage.offsets.parts())
	}
	c.closed = true
	return nil
}

func (c *fakeConsumer) committedAt(p int32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.committed[p]
}

// fakeDest keeps what is written by "partition-offset". How a message settles is
// up to settle; nil: at once.
type fakeDest struct {
	settle   func(key string, done func())
	writeErr func(key string) error
	hold     chan struct{} // not nil: Write waits for it to close

	mu       sync.Mutex
	open     sync.WaitGroup
	writes   map[string]int
	settled  map[string]bool
	assigned []Position
	in, out  uint64
	closed   bool
	revoked  int
}

func newFakeDest() *fakeDest {
	return &fakeDest{writes: map[string]int{}, settled: map[string]bool{}}
}

func (d *fakeDest) Assigned(topic string, p int32, offset int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.assigned = append(d.assigned, Position{Topic: topic, Partition: p, Offset: offset})
	return nil
}

func (d *fakeDest) Revoked(string, int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.revoked++
}

func key(p int32, offset int64) string { return fmt.Sprintf("%d-%d", p, offset) }

func (d *fakeDest) Write(ctx context.Context, m *message.Message, rows []codec.Row, settled func()) error {
	k := key(m.Partition, m.Offset)
	if d.writeErr != nil {
		if err := d.writeErr(k); err != nil {
			return err
		}
	}
	d.mu.Lock()
	d.writes[k]++
	d.in += uint64(len(rows))
	hold := d.hold
	d.mu.Unlock()
	d.open.Add(1)
	done := func() {
		d.mu.Lock()
		d.out += uint64(len(rows))
		d.settled[k] = true
		d.mu.Unlock()
		settled()
		d.open.Done()
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			d.open.Done()
			return ctx.Err()
		}
	}
	if d.settle == nil {
		done()
	} else {
		d.settle(k, done)
	}
	return nil
}

func (d *fakeDest) Flush(ctx context.Context) error {
	done := make(chan struct{})
	go func() { d.open.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *fakeDest) Room() ledger.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := ledger.Room{Room: "fake", In: d.in, Out: d.out}
	if d.closed {
		r.Passed = r.In - r.Out
	}
	return r
}

func (d *fakeDest) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

func (d *fakeDest) isSettled(k string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled[k]
}

// fakeErrors is the errors topic.
type fakeErrors struct {
	mu   sync.Mutex
	list []codec.Failure
	fail int // so many calls fail first
}

func (e *fakeErrors) put(_ context.Context, f *codec.Failure) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail > 0 {
		e.fail--
		return errors.New("kafka is away")
	}
	e.list = append(e.list, *f)
	return nil
}

// fakeReader makes one row of a message; a value starting with "bad" cannot be
// read.
type fakeReader struct{}

func (fakeReader) Read(m *message.Message, fn func(*codec.Row) error) error {
	if strings.HasPrefix(string(m.Value), "bad") {
		return &codec.UnreadableError{Code: codec.CodeBadJSON, Err: errors.New("it is bad")}
	}
	return fn(&codec.Row{JSON: m.Value, ID: []byte(key(m.Partition, m.Offset))})
}

// start makes a stage over fakes, with short times.
func start(t testing.TB, c *fakeConsumer, d Destination, change func(*Config)) (*Stage, *fakeErrors) {
	t.Helper()
	dead := &fakeErrors{}
	config := Config{Reader: fakeReader{}, DeadLetter: dead.put, Once: true,
		CommitInterval: 5 * time.Millisecond, FlushTimeout: 5 * time.Second}
	if change != nil {
		change(&config)
	}
	s, err := New(config, d)
	if err != nil {
		t.Fatal(err)
	}
	c.stage = s
	return s, dead
}

// balanced fails unless the final books add up and in packets were fetched.
func balanced(t testing.TB, s *Stage, d Destination, in uint64) {
	t.Helper()
	_ = d.Close()
	l := ledger.Ledger{Final: true, Rooms: s.Rooms()}
	l.Settle()
	if !l.Balanced {
		t.Errorf("the books do not balance: %v", l.Imbalances())
	}
	if got := l.Rooms[0].In; got != in {
		t.Errorf("%d packets were fetched, want %d", got, in)
	}
}
