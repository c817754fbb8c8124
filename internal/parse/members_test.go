package parse_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"xcapa/internal/indexer"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/parse"
)

// TestMembersComeAndGo: three members join and leave while packets pass. At
// least once loses none; exactly once gives each packet once to who reads what
// is committed. The books of every member balance.
func TestMembersComeAndGo(t *testing.T) {
	const n = 20000
	for _, exactly := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactly), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			messages := make([]*message.Message, n)
			for i := range messages {
				messages[i] = frame(i, i%10 == 7)
			}
			r.send(messages...)
			var tasks sync.WaitGroup
			var mu sync.Mutex
			var kept uint64 // packets that stayed, by the members' books
			run := func(ctx context.Context, number int, once bool) {
				id := ""
				if exactly {
					id = fmt.Sprintf("member-%d", number)
				}
				p := r.transactional(id, func(c *parse.Config, s *indexer.Config) {
					s.Once = once
					if !once {
						c.Rate = 3000 // so that all of it is under way when the others come
					}
				})
				tasks.Go(func() {
					l := p.run(ctx, t)
					mu.Lock()
					defer mu.Unlock()
					kept += l.Rooms[len(l.Rooms)-1].Out
				})
			}
			ctx, end := context.WithCancel(t.Context())
			defer end()
			run(ctx, 1, false)
			time.Sleep(300 * time.Millisecond)
			second, leave := context.WithCancel(ctx)
			defer leave()
			run(second, 2, false)
			time.Sleep(300 * time.Millisecond)
			run(ctx, 3, false)
			time.Sleep(500 * time.Millisecond)
			leave()
			time.Sleep(300 * time.Millisecond)
			end()
			tasks.Wait()
			run(t.Context(), 1, true) // what is left
			tasks.Wait()

			counts, _ := r.rows()
			failures := map[string]int{}
			for _, f := range r.failures() {
				failures[fmt.Sprintf("%d-%d", f.Partition, f.Position)]++
			}
			doubled := 0
			for i := range n {
				at := fmt.Sprintf("%d-%d", i%partitions, i/partitions)
				got, bad := counts["xcapa.raw-"+at], failures[at]
				if i%10 == 7 {
					got, bad = bad, got
				}
				if got == 0 || bad != 0 {
					t.Fatalf("message %d is there %d times, and %d times on the other topic", i, got, bad)
				}
				doubled += got - 1
			}
			t.Logf("%d of %d packets are there more than once", doubled, n)
			if exactly && (doubled != 0 || kept != n) {
				t.Errorf("exactly once: %d packets are there more than once; the books say %d of %d", doubled, kept, n)
			}
		})
	}
}

// TestTransactionAborted: a stage that fails in a transaction leaves nothing
// behind.
func TestTransactionAborted(t *testing.T) {
	r := newRig(t)
	messages := make([]*message.Message, 5000)
	for i := range messages {
		messages[i] = frame(i, i%10 == 7)
	}
	r.send(messages...)
	p := r.transactional("writer", func(c *parse.Config, s *indexer.Config) {
		produce, n := c.Produce, 0
		var mu sync.Mutex
		s.FlushTimeout = time.Second
		c.Produce = func(ctx context.Context, m *message.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == 100 {
				m.Done(m, fmt.Errorf("refused for good"))
				return nil
			}
			return produce(ctx, m)
		}
	})
	if err := p.stage.Run(t.Context(), p.source); err == nil {
		t.Error("Run: no error")
	}
	_ = p.producer.Close(t.Context())
	p.parser.TransactionEnded(false)
	l := &ledger.Ledger{Final: true, Rooms: p.parser.Books(p.stage.Rooms(), true)}
	if l.Settle(); !l.Balanced || l.Rooms[2].Out != 0 {
		t.Errorf("out %d, want 0: it was aborted; %v", l.Rooms[2].Out, l.Imbalances())
	}
	if got := len(r.failures()); got != 0 {
		t.Errorf("%d error records can be read, want none: their transaction was aborted", got)
	}
	r.transactional("writer", nil).run(t.Context(), t)
	counts, _ := r.rows()
	if len(counts) != 4500 || len(r.failures()) != 500 {
		t.Errorf("%d records and %d error records, want 4500 and 500", len(counts), len(r.failures()))
	}
	for id, n := range counts {
		if n != 1 {
			t.Fatalf("record %s is there %d times", id, n)
		}
	}
}

// TestOnceInTransactions: messages that come while a run up to the end is under
// way are not lost, although their offsets may be committed with the others'.
func TestOnceInTransactions(t *testing.T) {
	r := newRig(t)
	batch := func(from, n int) (list []*message.Message) {
		for i := range n {
			list = append(list, frame(from+i, false))
		}
		return list
	}
	r.send(batch(0, 3000)...)
	var more sync.Once
	p := r.transactional("writer", func(c *parse.Config, s *indexer.Config) {
		produce := c.Produce
		c.Produce = func(ctx context.Context, m *message.Message) error {
			more.Do(func() {
				r.send(batch(3000, 3000)...)
				time.Sleep(100 * time.Millisecond) // the client fetches ahead
			})
			return produce(ctx, m)
		}
	})
	first := p.run(t.Context(), t).Rooms[0].In
	second := r.transactional("writer", nil).run(t.Context(), t).Rooms[0].In
	counts, _ := r.rows()
	t.Logf("the first run took %d, the second %d", first, second)
	if len(counts) != 6000 || first < 3000 {
		t.Errorf("%d of 6000 messages are there; the first run took %d", len(counts), first)
	}
	for id, n := range counts {
		if n != 1 {
			t.Fatalf("record %s is there %d times", id, n)
		}
	}
}
