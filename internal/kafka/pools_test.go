package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
)

// TestRelease reads batches of different sizes in each compression, gives some
// back and holds on to others: what is read later overwrites nothing that is
// held, and is right itself.
func TestRelease(t *testing.T) {
	const n = 6000
	text := func(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("frame ", i%40)) }
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			config := configFor(c)
			config.Compression = codec
			p := newProducer(t, config)
			for i := range n {
				headers := make([]message.Header, i%3)
				for k := range headers {
					headers[k] = message.Header{Key: fmt.Sprint(k), Value: []byte(text(i + k))}
				}
				if err := p.Produce(t.Context(), &message.Message{Topic: topic, Key: []byte(text(i + 7)), Value: []byte(text(i)), Headers: headers, Packets: 1}); err != nil {
					t.Fatal(err)
				}
				if i%700 == 699 { // batches small and large
					if err := p.Flush(within(t, 10*time.Second)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := p.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			right := func(m *message.Message) {
				i := int(m.Offset)
				if string(m.Value) != text(i) || string(m.Key) != text(i+7) || len(m.Headers) != i%3 {
					t.Fatalf("offset %d: key %.40q, value %.40q, %d headers", i, m.Key, m.Value, len(m.Headers))
				}
				for k, h := range m.Headers {
					if h.Key != fmt.Sprint(k) || string(h.Value) != text(i+k) {
						t.Fatalf("offset %d: header %d is %q: %.40q", i, k, h.Key, h.Value)
					}
				}
			}
			var held []message.Message
			for round := range 4 { // the later ones find memory in the pools
				r := newConsumer(t, config, Group{ID: fmt.Sprint(codec, round)})
				var m message.Message
				at := 0
				for ctx := within(t, 15*time.Second); at < n; {
					batches, err := r.Poll(ctx)
					if err != nil {
						t.Fatal(err)
					}
					for i := range batches {
						b := &batches[i]
						for k := range b.Len() {
							b.Records.Read(k, &m)
							if m.Offset != int64(at) || b.Records.Offset(k) != m.Offset {
								t.Fatalf("offset %d of the batch is %d, want %d", k, m.Offset, at)
							}
							right(&m)
							at++
						}
						if round == 1 {
							held = append(held, b.All()...)
							continue
						}
						b.Release()
						if b.Len() != 0 {
							t.Error("a batch that was released has messages")
						}
					}
				}
				r.Close(within(t, 5*time.Second))
			}
			for i := range held {
				right(&held[i])
			}
			if len(held) != n {
				t.Errorf("%d messages held", len(held))
			}
		})
	}
}

// TestSlabs: what is got has the room that was asked for, whatever was put back.
func TestSlabs(t *testing.T) {
	p := new(pools)
	for _, n := range []int{0, 1, 31, 32, 33, 100, 1 << 16, 1<<16 + 1, 40, 63, 64, 33} {
		r := p.GetRecords(n)
		if cap(r) < n {
			t.Fatalf("room for %d records, want %d", cap(r), n)
		}
		p.PutRecords(r[:cap(r)])
	}
	for _, n := range []int{0, 1, 4096, 5000, 1 << 20, 8 << 20, 8<<20 + 1, 4097, 8191} {
		b := p.room(n)
		if cap(b) < n {
			t.Fatalf("room for %d bytes, want %d", cap(b), n)
		}
		p.PutDecompressBytes(b[:cap(b)])
	}
	p.PutRecords(make([]kgo.Record, 1))
	p.PutDecompressBytes(nil)
	if n := cap(p.GetRecords(1)); n < 1 {
		t.Error("no room for a record")
	}
}
