package kafka

import (
	"context"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		blackholeMain()
		return
	}
	checkTimeout = 2 * time.Second
	goleak.VerifyTestMain(m)
}

const topic = "packets"

// newCluster is a fake broker on loopback, closed with the test.
func newCluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func configFor(c *kfake.Cluster) Config { return Config{Brokers: c.ListenAddrs()} }

func newProducer(t testing.TB, c Config) *Producer {
	t.Helper()
	p, err := NewProducer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(canceled()) })
	return p
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// tally counts what Done was told, by reason ("" for acknowledged), and fails
// the test when a message hears twice.
type tally struct {
	t    testing.TB
	mu   sync.Mutex
	n    map[ledger.Reason]uint64
	seen map[*message.Message]bool
}

func newTally(t testing.TB) *tally {
	return &tally{t: t, n: map[ledger.Reason]uint64{}, seen: map[*message.Message]bool{}}
}

func (y *tally) done(m *message.Message, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.seen[m] {
		y.t.Errorf("Done was called twice for %q", m.Value)
	}
	y.seen[m] = true
	y.n[Reason(err)] += uint64(m.Packets)
}

func (y *tally) counts() map[ledger.Reason]uint64 {
	y.mu.Lock()
	defer y.mu.Unlock()
	return maps.Clone(y.n)
}

func (y *tally) message(value string) *message.Message {
	return &message.Message{Topic: topic, Value: []byte(value), Packets: 1, Done: y.done}
}

// wantBalanced checks the room against what was handed over and against what
// Done heard.
func wantBalanced(t testing.TB, p *Producer, handed uint64, heard map[ledger.Reason]uint64) ledger.Room {
	t.Helper()
	r := p.Room()
	l := ledger.Ledger{Final: true, Rooms: []ledger.Room{r}}
	l.Settle()
	for _, s := range l.Imbalances() {
		t.Error(s)
	}
	if r.In != handed {
		t.Errorf("room took in %d packets, want %d", r.In, handed)
	}
	if r.Out != heard[""] {
		t.Errorf("room put out %d packets, Done heard of %d", r.Out, heard[""])
	}
	for _, reason := range lossReasons {
		if r.Dropped[reason] != heard[reason] {
			t.Errorf("room dropped %d as %s, Done heard of %d", r.Dropped[reason], reason, heard[reason])
		}
	}
	if m, b := p.Buffered(); m != 0 || b != 0 {
		t.Errorf("%d messages, %d bytes are still charged to the buffer", m, b)
	}
	return r
}

// readAll reads topic from its beginning with a plain client until n records
// are there and 200 ms brought no more, and returns how often each value came,
// and the records by partition.
func readAll(t testing.TB, c *kfake.Cluster, n int) (values map[string]int, parts map[int32]int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	values, parts = map[string]int{}, map[int32]int{}
	total := 0
	for {
		wait := 10 * time.Second
		if total >= n {
			wait = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		fetches := client.PollFetches(ctx)
		cancel()
		got := 0
		fetches.EachRecord(func(r *kgo.Record) {
			values[string(r.Value)]++
			parts[r.Partition]++
			got++
		})
		if got == 0 {
			if total < n {
				t.Fatalf("read %d records, want %d", total, n)
			}
			return values, parts
		}
		total += got
	}
}

func value(i int) string { return fmt.Sprintf("message %d", i) }
