package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
)

// These tests want an Apache Kafka started by `kafka.sh start --tls --sasl
// --acl`, whose variables name it; without they skip. The fake broker is not
// asked to be right about itself.

func realVar(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skipf("%s is not set: no Apache Kafka to test against", name)
	}
	return v
}

func realConfig(t *testing.T) Config {
	return Config{Brokers: strings.Split(realVar(t, "XCAPA_TEST_KAFKA"), ","), CreateTopics: CreateTopics{Allowed: true, Partitions: 6}}
}

// realTopic makes a topic of its own for one test.
func realTopic(t *testing.T, c Config) string {
	t.Helper()
	name := fmt.Sprintf("xcapa-test-%d", time.Now().UnixNano())
	if err := EnsureTopics(t.Context(), c, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := kadm.NewClient(client).DeleteTopics(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func TestRealProduceConsume(t *testing.T) {
	c := realConfig(t)
	for _, compression := range compressions {
		t.Run(compression, func(t *testing.T) {
			const n = 5000
			c := c
			c.Compression = compression
			name := realTopic(t, c)
			p := newProducer(t, c)
			y := newTally(t)
			for i := range n {
				m := y.message(value(i))
				m.Topic = name
				p.TryProduce(m)
			}
			if err := p.Close(within(t, 20*time.Second)); err != nil {
				t.Fatal(err)
			}
			wantBalanced(t, p, n, y.counts())

			first := newConsumer(t, c, Group{ID: name, Topics: []string{name}})
			half := pollN(t, first, n/2)
			if err := first.Commit(t.Context(), ends(half)...); err != nil {
				t.Fatal(err)
			}
			if err := first.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			read := 0
			seen := map[string]int{}
			collect := func(batches []Batch) {
				for _, b := range batches {
					read += b.Len()
					for _, m := range b.All() {
						seen[string(m.Value)]++
					}
				}
			}
			collect(half)
			second := newConsumer(t, c, Group{ID: name, Topics: []string{name}})
			collect(pollN(t, second, n-read))
			if len(seen) != n || read != n {
				t.Errorf("read %d messages, %d distinct, want %d of each", read, len(seen), n)
			}
			lags, err := second.Lag(t.Context())
			if err != nil || len(lags) != 6 {
				t.Fatalf("lag of %d partitions, %v, want 6", len(lags), err)
			}
		})
	}
}

// TestRealBatches: Kafka takes the batches that we make, with every codec, by
// flow, several of a partition under way; and gives them back.
func TestRealBatches(t *testing.T) {
	c := realConfig(t)
	c.PartitionBy = ByFlow
	for _, compression := range compressions {
		t.Run(compression, func(t *testing.T) {
			const n = 50_000
			c := c
			c.Compression = compression
			name := realTopic(t, c)
			p := newProducer(t, c)
			heard := map[error]int{}
			var mu sync.Mutex
			open := map[int]*message.Bundle{}
			hand := func(at int) {
				r := open[at]
				delete(open, at)
				m := &message.Message{Topic: name, Bundle: r, Packets: r.Count, Done: func(m *message.Message, err error) {
					mu.Lock()
					defer mu.Unlock()
					heard[err] += m.Packets
				}}
				if err := p.Produce(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
			for i := range n {
				key := binary.BigEndian.AppendUint64(nil, uint64(i%100))
				partitions := p.FlowPartitions(name)
				at := -1
				if partitions > 0 {
					at = message.FlowPartition(key, partitions)
					if open[-1] != nil {
						hand(-1)
					}
				}
				r := open[at]
				if r == nil {
					r = &message.Bundle{}
					r.Reset(nil)
					if open[at] = r; at >= 0 {
						r.Partition, r.Partitions = at, partitions
					}
				}
				r.Append(time.Now().UnixMilli(), key, []byte(value(i)+strings.Repeat("x", 300)), []message.Header{{Key: "k", Value: key}})
				if len(r.Bytes) > 100_000 {
					hand(at)
				}
			}
			for at := range open {
				hand(at)
			}
			if err := p.Close(within(t, 20*time.Second)); err != nil {
				t.Fatal(err)
			}
			if room := p.Room(); heard[nil] != n || room.Out != n || room.In != n {
				t.Errorf("heard %v, room %+v, want %d acknowledged: %v", heard, room, n, p.LastError())
			}
			seen := map[string]bool{}
			last := map[uint64]int{}
			read := newConsumer(t, c, Group{ID: name, Topics: []string{name}})
			for _, b := range pollN(t, read, n) {
				for _, m := range b.All() {
					var i int
					fmt.Sscanf(string(m.Value), "message %d", &i)
					flow := binary.BigEndian.Uint64(m.Key)
					if seen[string(m.Value)] || b.Partition != int32(flow%6) || i < last[flow] || !bytes.Equal(m.Header("k"), m.Key) {
						t.Fatalf("%.20q of flow %d is in partition %d behind %d, seen before: %v", m.Value, flow, b.Partition, last[flow], seen[string(m.Value)])
					}
					seen[string(m.Value)], last[flow] = true, i
				}
			}
			if len(seen) != n {
				t.Errorf("%d distinct records were read, want %d", len(seen), n)
			}
		})
	}
}

func TestRealCheck(t *testing.T) {
	plain := realConfig(t)
	ca := realVar(t, "XCAPA_TEST_KAFKA_CA")
	tlsPort, saslPort := realVar(t, "XCAPA_TEST_KAFKA_TLS"), realVar(t, "XCAPA_TEST_KAFKA_SASL")
	user, password := realVar(t, "XCAPA_TEST_KAFKA_USER"), realVar(t, "XCAPA_TEST_KAFKA_PASSWORD")
	good := func(mechanism string) *SASL {
		return &SASL{Mechanism: mechanism, User: user, Password: password}
	}
	tests := []struct {
		name string
		c    Config
		want error
	}{
		{"plain", plain, nil},
		{"tls", Config{Brokers: []string{tlsPort}, TLS: &TLS{CAFile: ca}}, nil},
		{"scram_512", Config{Brokers: []string{saslPort}, TLS: &TLS{CAFile: ca}, SASL: good(ScramSHA512)}, nil},
		{"scram_256", Config{Brokers: []string{saslPort}, TLS: &TLS{CAFile: ca}, SASL: good(ScramSHA256)}, nil},
		{"sasl_plain", Config{Brokers: []string{saslPort}, TLS: &TLS{CAFile: ca}, SASL: good(Plain)}, nil},
		{"unknown_ca", Config{Brokers: []string{tlsPort}, TLS: &TLS{}}, ErrTLS},
		{"plain_client_on_tls_port", Config{Brokers: []string{tlsPort}}, ErrTLS},
		{"tls_client_on_plain_port", Config{Brokers: plain.Brokers, TLS: &TLS{CAFile: ca}}, ErrTLS},
		{"no_sasl", Config{Brokers: []string{saslPort}, TLS: &TLS{CAFile: ca}}, ErrCredentials},
		{"wrong_password_scram", Config{Brokers: []string{saslPort}, TLS: &TLS{CAFile: ca}, SASL: &SASL{Mechanism: ScramSHA512, User: user, Password: "marker-4711"}}, ErrCredentials},
		{"wrong_password_plain", Config{Brokers: []string{saslPort}, TLS: &TLS{CAFile: ca}, SASL: &SASL{Mechanism: Plain, User: user, Password: "marker-4711"}}, ErrCredentials},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantCheck(t, tt.c, tt.want) })
	}
	t.Run("topic_not_allowed", func(t *testing.T) {
		c := Config{Brokers: []string{saslPort}, TLS: &TLS{CAFile: ca}, SASL: good(ScramSHA512), CreateTopics: CreateTopics{Allowed: true}}
		err := EnsureTopics(t.Context(), c, "not-for-"+user)
		if !errors.Is(err, ErrTopicRefused) {
			t.Errorf("EnsureTopics: %v, want ErrTopicRefused", err)
		}
		p := newProducer(t, c)
		y := newTally(t)
		m := y.message("x")
		m.Topic = "not-for-" + user
		p.TryProduce(m)
		if err := p.Close(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		wantBalanced(t, p, 1, y.counts())
		if err := p.LastError(); !errors.Is(err, ErrTopicRefused) {
			t.Errorf("LastError: %v, want ErrTopicRefused", err)
		}
		t.Log(err)
	})
	t.Run("too_many_replicas", func(t *testing.T) {
		c := plain
		c.CreateTopics.Replicas = 100
		if err := EnsureTopics(t.Context(), c, "xcapa-test-replicas"); !errors.Is(err, ErrTopicInvalid) {
			t.Errorf("EnsureTopics: %v, want ErrTopicInvalid", err)
		}
	})
}

// TestRealTopicRecreated: the producer goes on with the new topic, the consumer
// ends and says why.
func TestRealTopicRecreated(t *testing.T) {
	c := realConfig(t)
	name := realTopic(t, c)
	p := newProducer(t, c)
	send := func() bool {
		before := p.Room().Out
		p.TryProduce(&message.Message{Topic: name, Value: []byte("x"), Packets: 1})
		if err := p.Flush(within(t, 20*time.Second)); err != nil {
			t.Fatal(err)
		}
		return p.Room().Out > before
	}
	if !send() {
		t.Fatal(p.LastError())
	}
	r := newConsumer(t, c, Group{ID: name, Topics: []string{name}})
	pollN(t, r, 1)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopics(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // Kafka deletes behind its answer
	if err := EnsureTopics(t.Context(), c, name); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !send(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is delivered to the new topic: %v", p.LastError())
		}
	}
	_, err = r.Poll(within(t, 30*time.Second))
	if !errors.Is(err, ErrTopicRecreated) && !errors.Is(err, ErrTopicMissing) {
		t.Errorf("Poll: %v, want ErrTopicRecreated", err)
	}
	t.Log(err)
}

// TestRealRebalance moves partitions between two members over Kafka's own
// coordinator: what the first has committed is where the second begins.
func TestRealRebalance(t *testing.T) {
	c := realConfig(t)
	name := realTopic(t, c)
	p := newProducer(t, c)
	for i := range 600 {
		p.TryProduce(&message.Message{Topic: name, Value: []byte(value(i)), Packets: 1})
	}
	if err := p.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	var first *Consumer
	var revoked, assigned []Position
	first = newConsumer(t, c, Group{ID: name, Topics: []string{name}, OnRevoked: func(ctx context.Context, at []Position) {
		revoked = append(revoked, at...)
		if err := first.Commit(ctx, at...); err != nil {
			t.Errorf("commit before giving up partitions: %v", err)
		}
	}})
	pollN(t, first, 600)
	second := newConsumer(t, c, Group{ID: name, Topics: []string{name}, OnAssigned: func(_ context.Context, at []Position) error {
		assigned = append(assigned, at...)
		return nil
	}})
	for deadline := time.Now().Add(20 * time.Second); len(assigned) == 0 && time.Now().Before(deadline); {
		for _, r := range []*Consumer{first, second} {
			batches, err := r.Poll(within(t, 200*time.Millisecond))
			if len(batches) > 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("poll: %d batches, %v, want none: all was read", len(batches), err)
			}
		}
	}
	if len(assigned) != 3 || !slices.Equal(assigned, revoked) {
		t.Errorf("the second member begins at %v, the first left off at %v, want 3 of 6 partitions", assigned, revoked)
	}
	if err := first.Close(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}
