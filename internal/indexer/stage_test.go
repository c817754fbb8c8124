package indexer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xcapa/internal/codec"
	"xcapa/internal/message"
)

func TestOnce(t *testing.T) {
	c, d := newFakeConsumer(3, 50), newFakeDest()
	s, dead := start(t, c, d, nil)
	if err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		for o := range int64(50) {
			if n := d.writes[key(p, o)]; n != 1 {
				t.Errorf("message %d of partition %d was written %d times, want 1", o, p, n)
			}
		}
		if got := c.committed[p]; got != 50 {
			t.Errorf("partition %d is committed at %d, want 50", p, got)
		}
	}
	if len(d.assigned) != 3 || d.revoked != 3 || !c.closed || len(dead.list) != 0 {
		t.Errorf("assigned %v, revoked %d, closed %v, dead letters %d", d.assigned, d.revoked, c.closed, len(dead.list))
	}
	balanced(t, s, d, 150)
}

// TestOnceStopsAtTheEndsSeenAtStart: what is written meanwhile is left.
func TestOnceStopsAtTheEndsSeenAtStart(t *testing.T) {
	c, d := newFakeConsumer(2, 10), newFakeDest()
	c.onPoll = func(int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for p := range c.topic {
			c.topic[p] = append(c.topic[p], message.Message{Topic: "t", Partition: p, Offset: int64(len(c.topic[p])), Value: []byte("{}")})
		}
	}
	s, _ := start(t, c, d, nil)
	if err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(d.writes) != 20 || c.committed[0] != 10 || c.committed[1] != 10 {
		t.Errorf("%d messages written, committed %v; want 20 and 10 each", len(d.writes), c.committed)
	}
	balanced(t, s, d, 20)
}

func TestOnceOnEmptyTopic(t *testing.T) {
	c, d := newFakeConsumer(2, 0), newFakeDest()
	s, _ := start(t, c, d, nil)
	if err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	balanced(t, s, d, 0)
}

// TestCommitNeverPassesUnsettled is the promise of the stage, for random orders
// of settling, holes in the offsets and unreadable messages: at each commit
// everything before the offset is settled or in the errors topic.
func TestCommitNeverPassesUnsettled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		partitions, messages := rapid.IntRange(1, 3).Draw(rt, "partitions"), rapid.IntRange(0, 60).Draw(rt, "messages")
		c, d := newFakeConsumer(partitions, messages), newFakeDest()
		c.limit = rapid.IntRange(1, 20).Draw(rt, "limit")
		bad := map[string]bool{}
		for p, list := range c.topic {
			at := int64(0)
			for i := range list {
				list[i].Offset = at
				at += rapid.Int64Range(1, 3).Draw(rt, "step") // compaction leaves holes
				if rapid.IntRange(0, 9).Draw(rt, "bad") == 0 {
					list[i].Value = []byte("bad")
					bad[key(p, list[i].Offset)] = true
				}
			}
		}
		delays := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 20).Draw(rt, "delays")
		n := 0
		d.settle = func(_ string, done func()) {
			n++
			if us := delays[n%len(delays)]; us > 0 {
				time.AfterFunc(time.Duration(us)*time.Microsecond, done)
			} else {
				done()
			}
		}
		c.onCommit = func(p Position) {
			for _, m := range c.topic[p.Partition] {
				k := key(p.Partition, m.Offset)
				if m.Offset < p.Offset && !d.isSettled(k) && !bad[k] {
					rt.Errorf("partition %d was committed at %d, message %d is not settled", p.Partition, p.Offset, m.Offset)
				}
			}
		}
		s, dead := start(t, c, d, func(c *Config) { c.CommitInterval = 100 * time.Microsecond })
		if err := s.Run(t.Context(), c); err != nil {
			rt.Fatal(err)
		}
		if len(dead.list) != len(bad) {
			rt.Errorf("%d dead letters, want %d", len(dead.list), len(bad))
		}
		for p, list := range c.topic {
			if len(list) > 0 && c.committed[p] != list[len(list)-1].Offset+1 {
				rt.Errorf("partition %d ends committed at %d, want behind %d", p, c.committed[p], list[len(list)-1].Offset)
			}
		}
		balanced(t, s, d, uint64(partitions*messages))
	})
}

// TestWindow is the window against a model: a set of settled numbers.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &window{position: 10, stored: 10}
		type begun struct {
			number, next int64
			done         bool
		}
		var list []begun
		next := int64(10)
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				for range rapid.IntRange(1, 80).Draw(t, "n") {
					next += rapid.Int64Range(1, 5).Draw(t, "step")
					number, ok := w.begin(next)
					if !ok {
						t.Fatal("begin refused")
					}
					list = append(list, begun{number, next, false})
				}
			},
			"settle": func(t *rapid.T) {
				for range rapid.IntRange(1, 80).Draw(t, "n") {
					var open []int
					for i := range list {
						if !list[i].done {
							open = append(open, i)
						}
					}
					if len(open) == 0 {
						return
					}
					i := rapid.SampledFrom(open).Draw(t, "which")
					list[i].done = true
					w.settle(list[i].number)
				}
			},
			"": func(t *rapid.T) {
				want, unsettled, passing := int64(10), 0, true
				for _, b := range list {
					if passing = passing && b.done; passing {
						want = b.next
					}
					if !b.done {
						unsettled++
					}
				}
				if w.position != want || w.unsettled() != unsettled {
					t.Fatalf("position %d and %d unsettled, want %d and %d", w.position, w.unsettled(), want, unsettled)
				}
			},
		})
	})
}

// TestPoison: what cannot be read is in the errors topic once, also when that
// is away at first, and the partition goes on.
func TestPoison(t *testing.T) {
	c, d := newFakeConsumer(1, 10), newFakeDest()
	c.topic[0][3].Value = []byte("bad" + strings.Repeat("x", maxDeadFrame))
	c.topic[0][9].Value = []byte("bad")
	c.poison[0] = []Poison{{First: 10, Last: 14, Err: errors.New("too large when decompressed")}}
	s, dead := start(t, c, d, nil)
	dead.fail = 2
	if err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(dead.list) != 3 || len(d.writes) != 8 || c.committed[0] != 15 {
		t.Fatalf("%d dead letters, %d writes, committed %d; want 3, 8, 15", len(dead.list), len(d.writes), c.committed[0])
	}
	first, last := dead.list[0], dead.list[2]
	if first.Code != "bad_json" || first.Stage != "index" || first.Topic != "t" || first.Position != 3 || first.Row != -1 ||
		len(first.Frame) != maxDeadFrame || !strings.Contains(first.Message, "it is bad") || !strings.Contains(first.Message, "of 524291 bytes") {
		t.Errorf("dead letter of the long message: %+.300v", first)
	}
	if last.Code != "bad_batch" || last.Position != 10 || !strings.Contains(last.Message, "10 to 14") {
		t.Errorf("dead letter of the batch: %+v", last)
	}
	r := s.Rooms()
	if r[1].Counts["errors_topic"] != 7 {
		t.Errorf("decode counts %v, want errors_topic 7", r[1].Counts)
	}
	balanced(t, s, d, 15)
}

// TestTooManyRows: a small message that claims a great many rows is refused, not
// held in memory.
func TestTooManyRows(t *testing.T) {
	c, d := newFakeConsumer(1, 1), newFakeDest()
	s, dead := start(t, c, d, func(c *Config) { c.Reader = manyRows{} })
	if err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(dead.list) != 1 || dead.list[0].Code != "too_many_rows" || c.committed[0] != 1 {
		t.Errorf("dead letters %v, committed %v", dead.list, c.committed)
	}
	balanced(t, s, d, 1)
}

type manyRows struct{}

func (manyRows) Read(_ *message.Message, fn func(*codec.Row) error) error {
	for range maxRows + 1 {
		if err := fn(&codec.Row{}); err != nil {
			return err
		}
	}
	return nil
}

// TestBackPressure: while the destination makes us wait, the partitions are
// paused, no more than the limit is held, and Poll is still called.
func TestBackPressure(t *testing.T) {
	c, d := newFakeConsumer(2, 5000), newFakeDest()
	c.limit = 10
	d.hold = make(chan struct{})
	s, _ := start(t, c, d, func(c *Config) { c.MaxQueuedBytes = 4000 })
	perPoll := int64(2 * c.limit * len(`{"record_id":"0-4999"}`))
	var most int64
	pausedPolls := 0
	c.onPoll = func(int) {
		most = max(most, s.load.bytes.Load())
		c.mu.Lock()
		if c.paused[0] && c.paused[1] {
			if pausedPolls++; pausedPolls == 5 {
				close(d.hold)
				d.mu.Lock()
				d.hold = nil
				d.mu.Unlock()
			}
		}
		c.mu.Unlock()
	}
	if err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if most > 4000+perPoll {
		t.Errorf("%d bytes were queued, want at most %d", most, 4000+perPoll)
	}
	if pausedPolls < 5 {
		t.Errorf("Poll was called %d times while paused: a group forgets who does not poll", pausedPolls)
	}
	balanced(t, s, d, 10000)
}

// TestCancel: at the end of ctx what was begun is flushed and committed, the rest
// is left alone, and the books balance.
func TestCancel(t *testing.T) {
	c, d := newFakeConsumer(2, 100000), newFakeDest()
	d.settle = func(_ string, done func()) { time.AfterFunc(time.Millisecond, done) }
	s, _ := start(t, c, d, func(c *Config) { c.Once = false })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.onPoll = func(n int) {
		if time.Sleep(time.Millisecond); n == 50 {
			cancel()
		}
	}
	if err := s.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	begun := int64(len(d.writes))
	if sum := c.committed[0] + c.committed[1]; sum != begun || begun == 0 || begun == 200000 {
		t.Errorf("%d messages were begun, %d committed; want all, and not the whole topic", begun, sum)
	}
	balanced(t, s, d, uint64(begun))
}

// TestCancelWhileStuck: a destination that never settles does not hold the exit
// beyond FlushTimeout; nothing unsettled is committed.
func TestCancelWhileStuck(t *testing.T) {
	c, d := newFakeConsumer(1, 100), newFakeDest()
	d.settle = func(k string, done func()) {
		if k != "0-5" {
			done()
		}
	}
	s, _ := start(t, c, d, func(c *Config) { c.FlushTimeout = 30 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Run took %v to end", took)
	}
	if c.committed[0] != 5 {
		t.Errorf("committed at %d, want 5: message 5 is not settled", c.committed[0])
	}
	balanced(t, s, d, 100)
	d.open.Done() // the flush that waits in the background
}

// TestCancelWhileWriteWaits: the worker itself is stuck, in Write.
func TestCancelWhileWriteWaits(t *testing.T) {
	c, d := newFakeConsumer(1, 100), newFakeDest()
	d.hold = make(chan struct{})
	s, _ := start(t, c, d, func(c *Config) { c.FlushTimeout = 30 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if c.committed[0] != 0 || len(d.writes) != 1 {
		t.Errorf("committed at %d with %d writes, want 0 and 1", c.committed[0], len(d.writes))
	}
	balanced(t, s, d, 1)
}

// TestRevoked: what is begun is flushed and committed before the hook returns,
// what settles later is not committed.
func TestRevoked(t *testing.T) {
	c, d := newFakeConsumer(2, 20), newFakeDest()
	var late func()
	d.settle = func(k string, done func()) {
		if k == "0-15" {
			late = done
			return
		}
		done()
	}
	s, _ := start(t, c, d, func(c *Config) { c.Once, c.FlushTimeout = false, 20*time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at int64
	c.onPoll = func(n int) {
		switch n {
		case 50:
			s.Revoked(ctx, []Position{{Topic: "t", Partition: 0}})
			at = c.committedAt(0)
			late()
		case 60:
			cancel()
		}
	}
	if err := s.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if at != 15 || c.committed[0] != 15 || c.committed[1] != 20 {
		t.Errorf("committed at %d when the hook returned, %v at the end; want 15, then 15 and 20", at, c.committed)
	}
	balanced(t, s, d, 40)
}

// TestLost: nothing more is committed of a partition that was taken away.
func TestLost(t *testing.T) {
	c, d := newFakeConsumer(1, 20), newFakeDest()
	var held []func()
	d.settle = func(_ string, done func()) { held = append(held, done) }
	s, _ := start(t, c, d, func(c *Config) { c.Once = false })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.onPoll = func(n int) {
		switch n {
		case 20:
			s.Lost([]Position{{Topic: "t", Partition: 0}})
			for _, done := range held {
				done()
			}
		case 30:
			cancel()
		}
	}
	if err := s.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if c.commits != 0 {
		t.Errorf("%d commits of a lost partition, want 0", c.commits)
	}
	balanced(t, s, d, 20)
}

func TestWriteFails(t *testing.T) {
	c, d := newFakeConsumer(1, 20), newFakeDest()
	broken := errors.New("the disk is broken")
	d.writeErr = func(k string) error {
		if k == "0-9" {
			return broken
		}
		return nil
	}
	s, _ := start(t, c, d, nil)
	if err := s.Run(t.Context(), c); !errors.Is(err, broken) || !strings.Contains(err.Error(), "offset 9") {
		t.Errorf("Run: %v, want %v at offset 9", err, broken)
	}
	if c.committed[0] != 9 || !c.closed {
		t.Errorf("committed at %d, closed %v; want 9 and true", c.committed[0], c.closed)
	}
	balanced(t, s, d, 10)
}

func TestConsumerFails(t *testing.T) {
	c, d := newFakeConsumer(1, 20), newFakeDest()
	c.final = fmt.Errorf("the topic was deleted: %w", context.DeadlineExceeded) // not the one of Poll's context
	s, _ := start(t, c, d, func(c *Config) { c.Once = false })
	if err := s.Run(t.Context(), c); !errors.Is(err, c.final) {
		t.Errorf("Run: %v, want %v", err, c.final)
	}
	if n := int64(len(d.writes)); c.committed[0] != n {
		t.Errorf("committed at %d, %d were written", c.committed[0], n)
	}
	balanced(t, s, d, uint64(len(d.writes)))
}

func TestCommitIsTriedAgain(t *testing.T) {
	c, d := newFakeConsumer(1, 20), newFakeDest()
	c.commitErr = func(n int) error {
		if n < 3 {
			return errors.New("a rebalance is under way")
		}
		return nil
	}
	s, _ := start(t, c, d, func(c *Config) { c.Once = false })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if c.committed[0] != 20 {
		t.Errorf("committed at %d, want 20", c.committed[0])
	}
}

// TestResumesAtCommitted: a second stage goes on where the first one ended.
func TestResumesAtCommitted(t *testing.T) {
	c, d := newFakeConsumer(1, 200), newFakeDest()
	for round := 0; c.committed[0] < 200 && round < 100; round++ {
		c.begun, c.closed, c.next = false, false, map[int32]int{}
		d.settle = func(_ string, done func()) { time.AfterFunc(rand.N(2*time.Millisecond), done) }
		s, _ := start(t, c, d, func(c *Config) { c.Once = false })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
		if err := s.Run(ctx, c); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	for o := range int64(200) {
		if n := d.writes[key(0, o)]; n != 1 {
			t.Errorf("message %d was written %d times, want 1: each run ended cleanly", o, n)
		}
	}
}

func TestOnBatch(t *testing.T) {
	c, d := newFakeConsumer(1, 7), newFakeDest()
	var mu sync.Mutex
	var got []BatchStats
	s, _ := start(t, c, d, func(c *Config) {
		c.OnBatch = func(b BatchStats) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, b)
		}
	})
	if err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Messages != 7 || got[0].Packets != 7 || got[0].SchedulingDelay != 2*time.Second || got[0].Topic != "t" || got[0].ProcessingTime == 0 {
		t.Errorf("batches %+v, want one of 7 messages with a scheduling delay of 2 s", got)
	}
}

func TestNewRefusesHalfAConfig(t *testing.T) {
	if _, err := New(Config{}, newFakeDest()); err == nil {
		t.Error("New without reader and errors topic: no error")
	}
}
