package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// sheaf hands values over in messages of several records each, and hears what
// became of them.
type sheaf struct {
	t       testing.TB
	p       *Producer
	per     int    // records of a message
	key     []byte // of each record
	queue   int
	open    *message.Bundle
	handed  int
	mu      sync.Mutex
	acked   []string
	reasons map[ledger.Reason]uint64
	heard   map[*message.Message]bool
}

func newSheaf(t testing.TB, p *Producer, per int) *sheaf {
	return &sheaf{t: t, p: p, per: per, reasons: map[ledger.Reason]uint64{}, heard: map[*message.Message]bool{}}
}

func (s *sheaf) add(v string) {
	if s.open == nil {
		s.open = &message.Bundle{}
		s.open.Reset(nil)
	}
	s.open.Append(time.Now().UnixMilli(), s.key, []byte(v), nil)
	s.handed++
	if s.open.Count == s.per {
		s.send()
	}
}

func (s *sheaf) send() {
	if s.open != nil {
		s.p.TryProduce(s.message())
	}
}

func (s *sheaf) message() *message.Message {
	r := s.open
	s.open = nil
	return &message.Message{Topic: topic, Bundle: r, Value: r.Bytes[message.BundleRoom:], Packets: r.Count, Queue: s.queue, Done: s.done}
}

func (s *sheaf) done(m *message.Message, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[m] {
		s.t.Error("Done was called twice")
	}
	s.heard[m] = true
	s.reasons[Reason(err)] += uint64(m.Packets)
	if err == nil {
		_ = m.Bundle.Each(func(r *message.Record) { s.acked = append(s.acked, string(r.Value)) })
	}
	clear(m.Bundle.Bytes[message.BundleRoom:]) // they are somebody else's from here on
}

func (s *sheaf) counts() map[ledger.Reason]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[ledger.Reason]uint64{}
	for r, n := range s.reasons {
		out[r] = n
	}
	return out
}

func (s *sheaf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked)
}

// TestBatchFormat: what a broker stores of Records is, read by the client and by
// the protocol's own decoder, what was put in, with every codec.
func TestBatchFormat(t *testing.T) {
	headers := []message.Header{{Key: "xcapa", Value: []byte("twenty-four bytes beside")}, {Key: "", Value: nil}}
	type in struct {
		millis     int64
		key, value []byte
		headers    []message.Header
	}
	now := time.Now().UnixMilli()
	var all []in
	for i := range 300 {
		r := in{now + int64(i/7), fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, i*3), nil}
		switch i % 5 {
		case 1:
			r.key = nil
		case 2:
			r.key = []byte{}
		case 3:
			r.headers = headers
		case 4:
			r.headers, r.millis = headers[:1], now-3 // a clock that was set back
		}
		all = append(all, r)
	}
	for _, compression := range compressions {
		t.Run(compression, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			var wire atomic.Pointer[[]byte]
			c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				b := slices.Clone(r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records)
				wire.Store(&b)
				return nil, nil, false
			})
			config := configFor(c)
			config.Compression = compression
			p := newProducer(t, config)
			s := newSheaf(t, p, len(all))
			var records message.Bundle
			records.Reset(nil)
			for _, r := range all {
				records.Append(r.millis, r.key, r.value, r.headers)
			}
			s.open = &records
			s.send()
			if err := p.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			if s.count() != len(all) {
				t.Fatalf("not delivered: %v", p.LastError())
			}

			var b kmsg.RecordBatch
			if err := b.ReadFrom(*wire.Load()); err != nil {
				t.Fatal(err)
			}
			if want := crc32.Checksum((*wire.Load())[21:], crc32.MakeTable(crc32.Castagnoli)); uint32(b.CRC) != want {
				t.Errorf("CRC %x, want %x", uint32(b.CRC), want)
			}
			if b.Magic != 2 || int(b.NumRecords) != len(all) || int(b.LastOffsetDelta) != len(all)-1 || b.FirstTimestamp != now ||
				b.MaxTimestamp != now+299/7 || b.FirstSequence != 0 || b.ProducerID < 0 || int(b.Length) != len(*wire.Load())-12 {
				t.Errorf("header %+v", b)
			}
			if want := slices.Index([]string{"none", "gzip", "snappy", "lz4", "zstd"}, compression); int(b.Attributes) != want {
				t.Errorf("attributes %x, want %x", b.Attributes, want)
			}

			client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			var read []*kgo.Record
			for len(read) < len(all) {
				fetches := client.PollFetches(within(t, 10*time.Second))
				if err := fetches.Err(); err != nil {
					t.Fatal(err)
				}
				read = append(read, fetches.Records()...)
			}
			for i, r := range read {
				want := all[i]
				if !bytes.Equal(r.Key, want.key) || (r.Key == nil) != (want.key == nil) || !bytes.Equal(r.Value, want.value) ||
					r.Value == nil || r.Timestamp.UnixMilli() != want.millis || r.Offset != int64(i) || len(r.Headers) != len(want.headers) {
					t.Fatalf("record %d: %+v, want %+v", i, r, want)
				}
				for j, h := range r.Headers {
					if h.Key != want.headers[j].Key || !bytes.Equal(h.Value, want.headers[j].Value) {
						t.Fatalf("record %d: header %+v, want %+v", i, h, want.headers[j])
					}
				}
			}
		})
	}
}

func TestBatchesAcknowledgeAll(t *testing.T) {
	const n = 50_000
	for _, by := range partitionBys {
		t.Run(string(by), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(12, topic))
			config := configFor(c)
			config.PartitionBy = by
			p := newProducer(t, config)
			s := newSheaf(t, p, 0) // it never hands over by itself
			s.key, s.queue = []byte{0, 0, 0, 0, 0, 0, 0, 17, 9, 9}, 14
			for i := range n {
				s.add(value(i))
				if s.open.Count == 100 {
					if err := p.Produce(t.Context(), s.message()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := p.Close(within(t, 20*time.Second)); err != nil {
				t.Fatal(err)
			}
			r := wantBalanced(t, p, n, s.counts())
			if r.Out != n || r.Messages != n {
				t.Errorf("acknowledged %d packets in %d messages, want %d of each", r.Out, r.Messages, n)
			}
			values, parts := readAll(t, c, n)
			if len(values) != n {
				t.Errorf("%d distinct values are in the topic, want %d", len(values), n)
			}
			switch by {
			case ByQueue:
				if parts[2] != n {
					t.Errorf("queue 14 of 12 partitions: %v, want all in 2", parts)
				}
			case ByFlow:
				if parts[5] != n {
					t.Errorf("hash 17 of 12 partitions: %v, want all in 5", parts)
				}
			case ByBlock:
				wantEven(t, parts, 12, n)
			default:
				if len(parts) != 12 {
					t.Errorf("%d partitions are used, want all 12", len(parts))
				}
			}
		})
	}
}

// TestBatchesByFlow: every record goes to its flow's partition, whether the
// maker of the batch knew how many there are, thought wrong, or did not know;
// records without a flow go round; the order within a flow stays.
func TestBatchesByFlow(t *testing.T) {
	const flows, each = 50, 40
	for _, believed := range []int{0, 5, 12} {
		t.Run(strconv.Itoa(believed), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(12, topic))
			config := configFor(c)
			config.PartitionBy = ByFlow
			p := newProducer(t, config)
			for deadline := time.Now().Add(5 * time.Second); p.FlowPartitions(topic) != 12; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the number of partitions is not learned")
				}
			}
			s := newSheaf(t, p, 0)
			open := make([]*message.Bundle, max(believed, 1))
			send := func(i int) {
				s.open, open[i] = open[i], nil
				s.send()
			}
			for i := range each {
				for flow := range flows {
					key := []byte{0, 0, 0, 0, 0, 0, 0, byte(flow)}
					at := 0
					if believed > 0 {
						at = message.FlowPartition(key, believed)
					}
					if open[at] == nil {
						open[at] = &message.Bundle{}
						open[at].Reset(nil)
						open[at].Partition, open[at].Partitions = at, believed
					}
					open[at].Append(1, key, fmt.Appendf(nil, "%d %d", flow, i), nil)
					if open[at].Count == 7 {
						send(at)
					}
				}
			}
			for i := range open {
				if open[i] != nil {
					send(i)
				}
			}
			if err := p.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			wantBalanced(t, p, flows*each, s.counts())
			wantFlows(t, c, flows, each)
		})
	}
}

// wantFlows reads the topic and wants each of the flows whole, in order, in its
// partition of twelve.
func wantFlows(t *testing.T, c *kfake.Cluster, flows, each int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	next := map[int]int{}
	for n := 0; n < flows*each; {
		fetches := client.PollFetches(within(t, 10*time.Second))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			var flow, i int
			fmt.Sscan(string(r.Value), &flow, &i)
			if r.Partition != int32(flow%12) || i != next[flow] {
				t.Errorf("record %d of flow %d is in partition %d, want %d in %d", i, flow, r.Partition, next[flow], flow%12)
			}
			next[flow] = i + 1
		})
	}
}

// wantOrdered checks that the values of each partition, numbers that rise as
// they were handed over, rise there too.
func wantOrdered(t *testing.T, c *kfake.Cluster, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	last := map[int32]int{}
	for read := 0; read < n; {
		fetches := client.PollFetches(within(t, 10*time.Second))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			i, _ := strconv.Atoi(strings.TrimPrefix(string(r.Value), "message "))
			if i < last[r.Partition] {
				t.Errorf("partition %d has %d behind %d", r.Partition, i, last[r.Partition])
			}
			last[r.Partition] = i
		})
	}
}

func TestBatchBrokerComesLater(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	p := newProducer(t, Config{Brokers: []string{"127.0.0.1:" + strconv.Itoa(port)}, MaxBufferedBytes: 1 << 20, PartitionBy: ByFlow})
	s := newSheaf(t, p, 10)
	s.key = []byte("flow key")
	const n = 40_000
	for i := range n {
		s.add(value(i))
	}
	kept := n - s.counts()[ledger.BufferFull]
	if kept == 0 || kept == n {
		t.Fatalf("%d of %d packets are kept, want some", kept, n)
	}
	deadline := time.Now().Add(5 * time.Second)
	for p.Health() == nil && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if !NotReady(p.Health()) {
		t.Errorf("Health is %v with no broker", p.Health())
	}
	c := newCluster(t, kfake.Ports(port), kfake.SeedTopics(4, topic))
	up := time.Now()
	if err := p.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(up); took > 5*time.Second {
		t.Errorf("the buffer was delivered %v after the broker came, want within 5 s", took)
	}
	if err := p.Close(within(t, time.Second)); err != nil {
		t.Fatal(err)
	}
	if r := wantBalanced(t, p, n, s.counts()); r.Out != kept {
		t.Errorf("%d were acknowledged, want the %d that were kept", r.Out, kept)
	}
	wantOnce(t, c, s.acked)
	wantOrdered(t, c, int(kept))
}

func TestBatchBrokerDies(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(6, topic))
	p := newProducer(t, configFor(c))
	s := newSheaf(t, p, 3)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				s.add(value(s.handed))
			}
		}
	})
	for node := range int32(3) {
		time.Sleep(150 * time.Millisecond)
		if err := c.RemoveNode(node); err != nil {
			t.Fatal(err)
		}
		before := s.count()
		deadline := time.Now().Add(5 * time.Second)
		for s.count() < before+100 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		if s.count() < before+100 {
			t.Errorf("after broker %d went, only %d packets were acknowledged within 5 s", node, s.count()-before)
		}
		if _, _, err := c.AddNode(node, 0); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	s.send()
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if s.count() != s.handed {
		t.Errorf("%d of %d packets were acknowledged: %v", s.count(), s.handed, p.LastError())
	}
	wantOnce(t, c, s.acked)
	wantOrdered(t, c, s.handed)
}

// TestBatchUnsteadyLeaders is TestUnsteadyLeaders for batches: answers with
// NOT_LEADER, connections cut, leaders that move.
func TestBatchUnsteadyLeaders(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(6, topic))
	var requests atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if requests.Add(1)%5 == 1 {
			return nil, net.ErrClosed, true // ends the connection
		}
		return nil, nil, false
	})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1,
		When: func(kmsg.Request) bool { return requests.Load()%5 == 3 }})
	p := newProducer(t, configFor(c))
	s := newSheaf(t, p, 10)
	const n = 20_000
	for i := range n {
		s.add(value(i))
		if i%1000 == 0 {
			c.ShufflePartitionLeaders()
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := p.Close(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if s.count() != n {
		t.Errorf("%d of %d packets were acknowledged: %v", s.count(), n, p.LastError())
	}
	wantOnce(t, c, s.acked)
	wantOrdered(t, c, n)
}

// TestBatchLostAnswers: batches are stored and nobody is told, with several of a
// partition under way.
func TestBatchLostAnswers(t *testing.T) {
	t.Parallel()
	lossy := &lossyListener{}
	c := newCluster(t, kfake.SeedTopics(2, topic), kfake.ListenFn(lossy.listen))
	lossy.dropEvery.Store(3)
	p := newProducer(t, configFor(c))
	s := newSheaf(t, p, 5)
	pad := strings.Repeat("x", promptBytes/4) // a few make a request that goes beside another
	const n = 1500
	for i := range n {
		if i%5 == 4 {
			s.add("pad " + strconv.Itoa(i) + pad[:rand.IntN(len(pad))])
		} else {
			s.add(value(i))
		}
		if i%40 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if err := p.Flush(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	lossy.dropEvery.Store(0)
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if lossy.dropped.Load() < 2 {
		t.Errorf("only %d answers were lost, want at least 2", lossy.dropped.Load())
	}
	if s.count() != n {
		t.Errorf("%d of %d packets were acknowledged: %v", s.count(), n, p.LastError())
	}
	t.Logf("%d answers lost", lossy.dropped.Load())
	wantOnce(t, c, s.acked)
}

// TestBatchForgotten: a broker that no longer knows the producer is told of a new
// one, and everything arrives.
func TestBatchForgotten(t *testing.T) {
	for _, said := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch} {
		t.Run(said.Message, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(3, topic))
			var requests atomic.Int64
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: said, Count: -1,
				When: func(kmsg.Request) bool { return requests.Add(1)%7 == 3 }})
			p := newProducer(t, configFor(c))
			s := newSheaf(t, p, 10)
			const n = 2000
			for i := range n {
				s.add(value(i))
				if i%100 == 0 {
					time.Sleep(5 * time.Millisecond)
				}
			}
			if err := p.Close(within(t, 15*time.Second)); err != nil {
				t.Fatal(err)
			}
			wantBalanced(t, p, n, s.counts())
			wantOnce(t, c, s.acked)
			wantOrdered(t, c, n)
		})
	}
}

func TestBatchDeliveryTimeout(t *testing.T) {
	t.Parallel()
	t.Run("no_broker", func(t *testing.T) {
		p := newProducer(t, Config{Brokers: []string{"127.0.0.1:" + strconv.Itoa(freePort(t))}, DeliveryTimeout: time.Second})
		s := newSheaf(t, p, 10)
		for i := range 100 {
			s.add(value(i))
		}
		if err := p.Flush(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := s.counts()[ledger.DeliveryFailed]; got != 100 {
			t.Errorf("%d of 100 packets are delivery_failed", got)
		}
		p.Close(within(t, time.Second))
		wantBalanced(t, p, 100, s.counts())
	})
	t.Run("refused", func(t *testing.T) {
		c := newCluster(t, kfake.SeedTopics(1, topic))
		hold := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1})
		config := configFor(c)
		config.DeliveryTimeout = time.Second
		p := newProducer(t, config)
		s := newSheaf(t, p, 10)
		for i := range 100 {
			s.add(value(i))
		}
		if err := p.Flush(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		hold.Remove()
		for i := range 50 {
			s.add(value(i))
		}
		if err := p.Close(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		if r := wantBalanced(t, p, 150, s.counts()); r.Dropped[ledger.DeliveryFailed] != 100 || r.Out != 50 {
			t.Errorf("acknowledged %d, dropped %v, want 50 and 100 delivery_failed", r.Out, r.Dropped)
		}
	})
}

func TestBatchTopicRecreated(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{2, 5, 1} {
		t.Run(strconv.Itoa(partitions), func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(2, topic))
			p := newProducer(t, configFor(c))
			s := newSheaf(t, p, 10)
			for i := range 200 {
				s.add(value(i))
			}
			if err := p.Flush(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := c.DeleteTopic(topic); err != nil {
				t.Fatal(err)
			}
			if err := c.CreateTopic(topic, int32(partitions), nil); err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				s.add(value(1000 + i))
			}
			if err := p.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			if r := wantBalanced(t, p, 400, s.counts()); r.Out != 400 {
				t.Errorf("%d of 400 packets are acknowledged: %v", r.Out, p.LastError())
			}
			if partitions >= 2 {
				wantOrdered(t, c, 200)
			}
		})
	}
}

func TestBatchTooLarge(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "50000"}))
	config := configFor(c)
	config.Compression = "none"
	config.MaxBufferedBytes = 8 << 20
	p := newProducer(t, config)
	s := newSheaf(t, p, 100)
	for i := range 1000 { // batches of 200 kB: cut up
		s.add(value(i) + strings.Repeat("x", 2000))
	}
	s.per = 1
	s.add(strings.Repeat("y", 60_000)) // cannot be
	s.add(strings.Repeat("z", 2<<20))  // not even by us
	s.add(value(1000))
	s.per = 3 // one of three is too large: the others arrive
	for _, v := range []string{value(1001), strings.Repeat("w", 70_000), value(1002)} {
		s.add(v)
	}
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := p.Room()
	if r.In != 1006 || r.Out != 1003 || r.Dropped[ledger.TooLarge] != 3 {
		t.Errorf("in %d, acknowledged %d, dropped %v, want 1006, 1003 and three too_large", r.In, r.Out, r.Dropped)
	}
	if heard := s.counts(); heard[""] != 1001 || heard[ledger.TooLarge] != 5 {
		t.Errorf("Done heard %v, want 1001 acknowledged and 5 in messages that were not whole", heard)
	}
	if m, b := p.Buffered(); m != 0 || b != 0 {
		t.Errorf("%d messages, %d bytes are still charged to the buffer", m, b)
	}
	values, _ := readAll(t, c, 1003)
	if values[value(1001)] != 1 || values[value(1002)] != 1 {
		t.Error("what went with a record that is too large is not there")
	}
}

func TestBatchTopicMissing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	p := newProducer(t, configFor(c))
	s := newSheaf(t, p, 2)
	s.add("lost")
	s.add("too")
	if err := p.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := s.counts()[ledger.DeliveryFailed]; got != 2 {
		t.Errorf("delivery_failed is %d, want 2", got)
	}
	if err := p.LastError(); !errors.Is(err, ErrTopicMissing) {
		t.Errorf("LastError is %v, want ErrTopicMissing", err)
	}
	if err := c.CreateTopic(topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	s.add("not lost")
	s.add("either")
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if r := wantBalanced(t, p, 4, s.counts()); r.Out != 2 {
		t.Errorf("%d are acknowledged after the topic was made, want 2", r.Out)
	}
}

// TestBatchRefused: a topic that we may not write to fails what is for it, with
// the reason.
func TestBatchRefused(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.Metadata} {
		t.Run(key.Name(), func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.TopicAuthorizationFailed, Count: -1})
			p := newProducer(t, configFor(c))
			s := newSheaf(t, p, 10)
			for i := range 500 {
				s.add(value(i))
			}
			if err := p.Flush(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := p.LastError(); !errors.Is(err, ErrTopicRefused) {
				t.Errorf("LastError is %v, want ErrTopicRefused", err)
			}
			p.Close(within(t, time.Second))
			if r := wantBalanced(t, p, 500, s.counts()); r.Dropped[ledger.DeliveryFailed] != 500 {
				t.Errorf("dropped %v, want 500 delivery_failed", r.Dropped)
			}
		})
	}
}

// TestBatchPassesDeadLeader is TestBlockPassesDeadLeader for batches.
func TestBatchPassesDeadLeader(t *testing.T) {
	for _, by := range []PartitionBy{ByBlock, ByRandom} {
		t.Run(string(by), func(t *testing.T) {
			t.Parallel()
			const n = 30_000
			c := newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(8, topic))
			for i := range int32(8) {
				if err := c.MoveTopicPartition(topic, i, i%2); err != nil {
					t.Fatal(err)
				}
			}
			release := make(chan struct{})
			let := sync.OnceFunc(func() { close(release) })
			defer let()
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if c.CurrentNode() == 1 {
					c.SleepControl(func() { <-release })
				}
				return nil, nil, false
			})
			config := configFor(c)
			config.MaxBufferedBytes = 1 << 20 // half of n packets are charged more
			config.RequestTimeout = time.Minute
			config.PartitionBy = by
			p := newProducer(t, config)
			s := newSheaf(t, p, 10)
			for i := range n {
				s.add(value(i))
				if i%100 == 99 {
					time.Sleep(5 * time.Millisecond)
				}
			}
			if d := s.counts()[ledger.BufferFull]; d > 0 {
				t.Errorf("%d packets were dropped though one broker of two was well", d)
			}
			let()
			if err := p.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			wantBalanced(t, p, n, s.counts())
		})
	}
}

// TestBatchClose is TestCloseUnderLoad for batches.
func TestBatchClose(t *testing.T) {
	t.Parallel()
	mute := func(key kmsg.Key) func(*testing.T) Config {
		return func(t *testing.T) Config {
			c := newCluster(t, kfake.SeedTopics(4, topic))
			c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				return nil, nil, true
			})
			return configFor(c)
		}
	}
	well := func(t *testing.T) Config { return configFor(newCluster(t, kfake.SeedTopics(4, topic))) }
	for _, tt := range []struct {
		name  string
		setup func(t *testing.T) Config
		limit time.Duration
	}{
		{"answering", well, 5 * time.Second},
		{"no_time_left", well, 0},
		{"never_answering", mute(kmsg.Produce), 300 * time.Millisecond},
		{"topic_not_loaded", mute(kmsg.Metadata), 300 * time.Millisecond},
		{"no_producer_id", mute(kmsg.InitProducerID), 300 * time.Millisecond},
		{"no_broker", func(*testing.T) Config { return Config{Brokers: []string{"127.0.0.1:1"}} }, 300 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := tt.setup(t)
			config.MaxBufferedBytes = 1 << 20
			p := newProducer(t, config)
			var sheaves [3]*sheaf
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for g := range sheaves {
				s := newSheaf(t, p, 10)
				sheaves[g] = s
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							s.send()
							return
						default:
						}
						if s.add(value(i)); g == 0 && s.open != nil && s.open.Count == 9 {
							p.Produce(context.Background(), s.message())
						}
						time.Sleep(time.Microsecond)
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
			heard := map[ledger.Reason]uint64{}
			sum := 0
			for _, s := range sheaves {
				sum += s.handed
				for r, n := range s.counts() {
					heard[r] += n
				}
			}
			r := wantBalanced(t, p, uint64(sum), heard)
			t.Logf("in %d, out %d, dropped %v", r.In, r.Out, r.Dropped)
			if r.Dropped[ledger.Shutdown] == 0 {
				t.Error("nothing was counted as shutdown though messages came after Close")
			}
		})
	}
}

// TestBatchInTransaction: the client writes the records one by one, as what they
// were, and the message is settled with the last of them.
func TestBatchInTransaction(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(12, topic), kfake.SeedTopics(1, "in"))
	first := newProducer(t, configFor(c))
	first.TryProduce(&message.Message{Topic: "in", Value: []byte("x"), Packets: 1})
	if err := first.Flush(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	config := configFor(c)
	config.PartitionBy = ByFlow
	r, p, err := NewTransactional(t.Context(), config, Group{ID: groupID, Topics: []string{"in"}}, "id")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(canceled()); p.Close(canceled()) })
	batches := pollN(t, r, 1)
	if n := p.FlowPartitions(topic); n != 0 {
		t.Errorf("records are to be put together for %d partitions, want 0: the client chooses", n)
	}
	const flows, each = 20, 10
	s := newSheaf(t, p, 50)
	for i := range each {
		for flow := range flows {
			s.key = []byte{0, 0, 0, 0, 0, 0, 0, byte(flow)}
			s.add(fmt.Sprintf("%d %d", flow, i))
		}
	}
	if err := p.Flush(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(within(t, 5*time.Second), ends(batches)...); err != nil {
		t.Fatal(err)
	}
	wantFlows(t, c, flows, each)
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	wantBalanced(t, p, flows*each, s.counts())
}

// TestBatchFirst: the first batch does not wait for one thing to be learned after
// the other.
func TestBatchFirst(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(4, topic))
	p := newProducer(t, configFor(c))
	s := newSheaf(t, p, 1)
	began := time.Now()
	s.add("first")
	if err := p.Flush(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took >= learnEvery {
		t.Errorf("the first batch took %v, want less than the %v between two looks", took, learnEvery)
	}
}
