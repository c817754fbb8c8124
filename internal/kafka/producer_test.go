package kafka

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

func TestProduceAcknowledgesAll(t *testing.T) {
	const n = 200_000
	c := newCluster(t, kfake.SeedTopics(12, topic))
	p := newProducer(t, configFor(c))
	y := newTally(t)
	for i := range n {
		if err := p.Produce(t.Context(), y.message(value(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := wantBalanced(t, p, n, y.counts())
	if r.Out != n || r.Messages != n {
		t.Errorf("acknowledged %d packets in %d messages, want %d of each", r.Out, r.Messages, n)
	}
	values, parts := readAll(t, c, n)
	if len(values) != n {
		t.Errorf("%d distinct values are in the topic, want %d", len(values), n)
	}
	wantEven(t, parts, 12, n)
}

// wantEven checks that each partition holds its share within 20 %.
func wantEven(t *testing.T, parts map[int32]int, partitions, n int) {
	t.Helper()
	mean := float64(n) / float64(partitions)
	for i := range int32(partitions) {
		if got := float64(parts[i]); got < 0.8*mean || got > 1.2*mean {
			t.Errorf("partition %d has %d of %d messages, want %.0f within 20 %%", i, parts[i], n, mean)
		}
	}
}

func TestPartitionBy(t *testing.T) {
	t.Parallel()
	const partitions, n = 12, 2400
	flowKey := []byte{0, 0, 0, 0, 0, 0, 0, 17, 9, 9}
	tests := []struct {
		name string
		by   PartitionBy
		make func(i int, m *message.Message)
		want func(t *testing.T, parts map[int32]int)
	}{
		{"block", ByBlock, func(int, *message.Message) {}, func(t *testing.T, parts map[int32]int) { wantEven(t, parts, partitions, n) }},
		{"queue", ByQueue, func(i int, m *message.Message) { m.Queue = 14 }, func(t *testing.T, parts map[int32]int) {
			if parts[2] != n {
				t.Errorf("queue 14 of 12 partitions: %v, want all in 2", parts)
			}
		}},
		{"flow", ByFlow, func(i int, m *message.Message) { m.Key = flowKey }, func(t *testing.T, parts map[int32]int) {
			if parts[5] != n {
				t.Errorf("hash 17 of 12 partitions: %v, want all in 5", parts)
			}
		}},
		{"flow_without_key", ByFlow, func(i int, m *message.Message) { m.Key = []byte("short") }, func(t *testing.T, parts map[int32]int) { wantEven(t, parts, partitions, n) }},
		{"random", ByRandom, func(int, *message.Message) {}, func(t *testing.T, parts map[int32]int) {
			if len(parts) != partitions {
				t.Errorf("%d partitions are used, want all %d", len(parts), partitions)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(partitions, topic))
			config := configFor(c)
			config.PartitionBy = tt.by
			p := newProducer(t, config)
			y := newTally(t)
			for i := range n {
				m := y.message(value(i))
				tt.make(i, m)
				p.TryProduce(m)
			}
			if err := p.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			wantBalanced(t, p, n, y.counts())
			_, parts := readAll(t, c, n)
			tt.want(t, parts)
		})
	}
}

// TestBlockPassesDeadLeader: the partitions of a broker that does not answer
// must not take the buffer from those of one that does.
func TestBlockPassesDeadLeader(t *testing.T) {
	const n = 4000
	c := newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(8, topic))
	for i := range int32(8) {
		if err := c.MoveTopicPartition(topic, i, i%2); err != nil {
			t.Fatal(err)
		}
	}
	release := make(chan struct{})
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	defer let()
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if c.CurrentNode() == 1 {
			c.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	config := configFor(c)
	config.MaxBufferedBytes = 1 << 20 // n messages are charged 1.6 MB
	config.RequestTimeout = time.Minute
	p := newProducer(t, config)
	y := newTally(t)
	for i := range n {
		p.TryProduce(y.message(value(i)))
		if i%50 == 49 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if d := y.counts()[ledger.BufferFull]; d > 0 {
		t.Errorf("%d messages were dropped though one broker of two was well", d)
	}
	let()
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	wantBalanced(t, p, n, y.counts())
}

func TestTryProduceDropsNewestWhenFull(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	hold := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1})
	config := configFor(c)
	config.MaxBufferedBytes = 1 << 20
	p := newProducer(t, config)
	y := newTally(t)
	body := strings.Repeat("x", 10_000-messageOverhead-4)
	const n = 300
	for i := range n {
		p.TryProduce(&message.Message{Topic: topic, Value: []byte(body + value(i)[8:]), Packets: 7, Done: y.done})
	}
	fits := uint64(0)
	for used := 0; ; fits++ {
		used += len(body) + len(value(int(fits))[8:]) + messageOverhead
		if used > 1<<20 {
			break
		}
	}
	if got, want := y.counts()[ledger.BufferFull], 7*(n-fits); got != want {
		t.Errorf("%d packets were dropped as buffer_full, want %d", got, want)
	}
	hold.Remove()
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := wantBalanced(t, p, 7*n, y.counts())
	if r.Out != 7*fits || r.Messages != fits {
		t.Errorf("acknowledged %d packets in %d messages, want %d in %d", r.Out, r.Messages, 7*fits, fits)
	}
	values, _ := readAll(t, c, int(fits))
	for i := range int(fits) {
		if values[body+value(i)[8:]] != 1 {
			t.Errorf("message %d, which was in the buffer first, is not in the topic", i)
		}
	}
}

func TestProduceWaitsForRoom(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, topic))
	hold := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1})
	config := configFor(c)
	config.MaxBufferedBytes = 1 << 20
	p := newProducer(t, config)
	y := newTally(t)
	body := strings.Repeat("x", 300_000)
	const senders, each = 4, 10
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for range each {
				if err := p.Produce(context.Background(), y.message(body)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	if m, b := p.Buffered(); m != 3 || b > 1<<20 {
		t.Errorf("%d messages, %d bytes are buffered, want 3 within 1 MiB", m, b)
	}
	// One more waits as long as its context, and is not delivered.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Produce(ctx, y.message(body)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Produce with an ended context: %v, want its error", err)
	}
	hold.Remove()
	wg.Wait()
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := wantBalanced(t, p, senders*each+1, y.counts())
	if r.Out != senders*each || r.Dropped[ledger.Shutdown] != 1 {
		t.Errorf("acknowledged %d, dropped %v, want %d and one shutdown", r.Out, r.Dropped, senders*each)
	}
}

func TestTooLarge(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "500000"}))
	config := configFor(c)
	config.Compression = "none"
	config.MaxBufferedBytes = 4 << 20
	p := newProducer(t, config)
	y := newTally(t)
	for _, size := range []int{5 << 20, 2 << 20, 600_000, 100} { // beyond the buffer, the client, the broker; fine
		p.TryProduce(y.message(strings.Repeat("x", size)))
		if err := p.Flush(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := wantBalanced(t, p, 4, y.counts())
	if r.Out != 1 || r.Dropped[ledger.TooLarge] != 3 {
		t.Errorf("acknowledged %d, dropped %v, want 1 and three too_large", r.Out, r.Dropped)
	}
	if err := p.LastError(); err == nil {
		t.Error("LastError is nil after a message was refused")
	}
}

func TestTopicMissing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	p := newProducer(t, configFor(c))
	y := newTally(t)
	p.TryProduce(y.message("lost"))
	if err := p.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := y.counts()[ledger.DeliveryFailed]; got != 1 {
		t.Errorf("delivery_failed is %d, want 1", got)
	}
	if err := p.LastError(); !errors.Is(err, ErrTopicMissing) {
		t.Errorf("LastError is %v, want ErrTopicMissing", err)
	}
	p.Close(within(t, time.Second))
	wantBalanced(t, p, 1, y.counts())
}

// TestCloseUnderLoad closes while goroutines hand over, with and without a
// broker that answers, and with none at all. Whatever happens to a message, it
// is counted once.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		setup func(t *testing.T) Config
		limit time.Duration
	}{
		{"answering", func(t *testing.T) Config { return configFor(newCluster(t, kfake.SeedTopics(4, topic))) }, 5 * time.Second},
		{"no_time_left", func(t *testing.T) Config { return configFor(newCluster(t, kfake.SeedTopics(4, topic))) }, 0},
		{"never_answering", func(t *testing.T) Config {
			c := newCluster(t, kfake.SeedTopics(4, topic))
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				return nil, nil, true
			})
			return configFor(c)
		}, 300 * time.Millisecond},
		{"topic_not_loaded", func(t *testing.T) Config {
			c := newCluster(t, kfake.SeedTopics(4, topic))
			c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				return nil, nil, true
			})
			return configFor(c)
		}, 300 * time.Millisecond},
		{"no_broker", func(t *testing.T) Config { return Config{Brokers: []string{"127.0.0.1:1"}} }, 300 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := tt.setup(t)
			config.MaxBufferedBytes = 1 << 20
			p := newProducer(t, config)
			y := newTally(t)
			var handed [4]uint64
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for g := range handed {
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						if m := y.message(value(i)); g == 0 {
							p.Produce(context.Background(), m)
						} else {
							p.TryProduce(m)
							time.Sleep(time.Microsecond)
						}
						handed[g]++
					}
				})
			}
			time.Sleep(200 * time.Millisecond)
			start := time.Now()
			p.Close(within(t, tt.limit))
			if took := time.Since(start); took > tt.limit+2*time.Second {
				t.Errorf("Close took %v with a limit of %v", took, tt.limit)
			}
			time.Sleep(20 * time.Millisecond) // they go on handing over to a closed producer
			close(stop)
			wg.Wait()
			sum := handed[0] + handed[1] + handed[2] + handed[3]
			r := wantBalanced(t, p, sum, y.counts())
			t.Logf("in %d, out %d, dropped %v", r.In, r.Out, r.Dropped)
			if r.Dropped[ledger.Shutdown] == 0 {
				t.Error("nothing was counted as shutdown though messages came after Close")
			}
		})
	}
}
