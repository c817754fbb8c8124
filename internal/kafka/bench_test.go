package kafka

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// childEnv makes the test binary a broker that takes everything and stores
// nothing, in a process of its own: else the broker is what is measured.
const childEnv = "XCAPA_TEST_BLACKHOLE"

func blackholeMain() {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BlackholeProduce(), kfake.SeedTopics(12, topic))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(c.ListenAddrs()[0])
	bufio.NewReader(os.Stdin).ReadByte()
	c.Close()
}

func startBlackhole(t testing.TB) Config {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return Config{Brokers: []string{strings.TrimSpace(addr)}}
}

// maker makes messages of one value and takes them back from Done, as a worker
// recycles its blocks.
type maker struct {
	value   []byte
	headers []message.Header
	free    sync.Pool
	done    func(*message.Message, error)
}

// newMaker's values are size bytes, every second one noise.
func newMaker(size int) *maker {
	m := &maker{value: make([]byte, size)}
	m.free.New = func() any { return new(message.Message) }
	m.done = func(out *message.Message, _ error) { m.free.Put(out) }
	for i := 0; i < size; i += 2 {
		m.value[i] = byte(rand.Uint32())
	}
	if size < 1000 {
		return m // a packet of its own travels without
	}
	for _, name := range []string{message.HeaderSchema, message.HeaderHost, message.HeaderRun, message.HeaderInterface, message.HeaderQueue, message.HeaderFirst, message.HeaderLast} {
		m.headers = append(m.headers, message.Header{Key: name, Value: []byte("12345678")})
	}
	return m
}

func (m *maker) get(packets int) *message.Message {
	out := m.free.Get().(*message.Message)
	*out = message.Message{Topic: topic, Value: m.value, Headers: m.headers, Packets: packets, Done: m.done}
	return out
}

// BenchmarkProduce is the cost of a message from hand-over to acknowledgement
// at saturation, the client's work included, one goroutine producing.
func BenchmarkProduce(b *testing.B) {
	for _, bench := range []struct {
		name        string
		size        int
		packets     int
		compression string
	}{
		{"block_140kB_none", 140_000, 1024, "none"},
		{"block_140kB_snappy", 140_000, 1024, "snappy"},
		{"json_430B_none", 430, 1, "none"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			config := startBlackhole(b)
			config.Compression = bench.compression
			p := newProducer(b, config)
			m := newMaker(bench.size)
			for range 100 { // the topic is known, the pools are filled
				p.Produce(context.Background(), m.get(bench.packets))
			}
			p.Flush(context.Background())
			b.SetBytes(int64(bench.size))
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				p.Produce(context.Background(), m.get(bench.packets))
			}
			if err := p.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*bench.packets), "cpu-ns/packet")
			r := p.Room()
			if r.DroppedTotal() > 0 || r.Out != r.In {
				b.Fatalf("in %d, out %d, dropped %v", r.In, r.Out, r.Dropped)
			}
		})
	}
}

// BenchmarkClientAlone is the peer of BenchmarkProduce/json_430B_none: the client
// without us, a record and a closure made per message, as many in flight.
func BenchmarkClientAlone(b *testing.B) {
	config := startBlackhole(b)
	client, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(DefaultMaxBufferedBytes/(430+messageOverhead)), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	value := newMaker(430).value
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Value: value}, func(*kgo.Record, error) {})
	}
	if err := client.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/packet")
}

// cpuTime is what this process has spent on all cores, in user and kernel.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTryProduce is what a capture pays to hand a block over: with room
// (the wait for room is not counted), and without.
func BenchmarkTryProduce(b *testing.B) {
	b.Run("room", func(b *testing.B) {
		config := startBlackhole(b)
		config.Compression = "none"
		p := newProducer(b, config)
		m := newMaker(140_000)
		b.ReportAllocs()
		for b.Loop() {
			if _, bytes := p.Buffered(); bytes > DefaultMaxBufferedBytes/2 {
				b.StopTimer()
				p.Flush(context.Background())
				b.StartTimer()
			}
			p.TryProduce(m.get(1024))
		}
		if r := p.Room(); r.DroppedTotal() > 0 {
			b.Fatalf("dropped %v", r.Dropped)
		}
	})
	b.Run("full", func(b *testing.B) {
		p := newProducer(b, Config{Brokers: []string{"127.0.0.1:1"}, MaxBufferedBytes: 1 << 20})
		m := newMaker(140_000)
		for p.Room().Dropped[ledger.BufferFull] == 0 {
			p.TryProduce(m.get(1024))
		}
		b.ReportAllocs()
		for b.Loop() {
			p.TryProduce(m.get(1024))
		}
	})
}

// TestProduceAllocates bounds what a message costs in allocations, the client's
// requests and answers included: blocks are nearly free, and so are some 300
// packets' records together; a message of its own per packet does not cost one
// each.
func TestProduceAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("counts allocations")
	}
	for _, tt := range []struct {
		name    string
		size, n int
		most    float64
		records bool
	}{
		{"block", 140_000, 500, 40, false},
		{"packet", 430, 40_000, 1, false},
		{"records", 430, 300, 40, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := startBlackhole(t)
			config.Compression = "none"
			p := newProducer(t, config)
			m, records := newMaker(tt.size), newRecordsMaker(tt.size)
			send := func() {
				for range tt.n {
					if tt.records {
						p.Produce(context.Background(), records.get())
					} else {
						p.Produce(context.Background(), m.get(1))
					}
				}
				if err := p.Flush(within(t, 20*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			send()
			allocs := testing.AllocsPerRun(1, send) / float64(tt.n)
			t.Logf("%.2f allocations a message", allocs)
			if allocs > tt.most {
				t.Errorf("a message costs %.2f allocations, want at most %v", allocs, tt.most)
			}
		})
	}
}

// BenchmarkProduceRecords is BenchmarkProduce for records of a packet each that
// come gathered, from hand-over to acknowledgement.
func BenchmarkProduceRecords(b *testing.B) {
	for _, bench := range []struct {
		name        string
		size        int
		compression string
	}{
		{"raw_60B_none", 60, "none"},
		{"raw_60B_snappy", 60, "snappy"},
		{"json_430B_none", 430, "none"},
		{"json_430B_snappy", 430, "snappy"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			config := startBlackhole(b)
			config.Compression = bench.compression
			p := newProducer(b, config)
			m := newRecordsMaker(bench.size)
			for range 100 {
				p.Produce(context.Background(), m.get())
			}
			p.Flush(context.Background())
			b.ReportAllocs()
			before := cpuTime(b)
			packets := 0
			for b.Loop() {
				out := m.get()
				packets += out.Packets
				p.Produce(context.Background(), out)
			}
			if err := p.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(bench.size * packets / b.N))
			b.ReportMetric(float64(cpuTime(b)-before)/float64(packets), "cpu-ns/packet")
			if r := p.Room(); r.DroppedTotal() > 0 || r.Out != r.In {
				b.Fatalf("in %d, out %d, dropped %v", r.In, r.Out, r.Dropped)
			}
		})
	}
}

// recordsMaker makes messages of 128 KiB of records and takes them back.
type recordsMaker struct {
	value []byte
	free  sync.Pool
	done  func(*message.Message, error)
}

func newRecordsMaker(size int) *recordsMaker {
	m := &recordsMaker{value: newMaker(size).value}
	m.free.New = func() any {
		r := &message.Bundle{Bytes: make([]byte, 0, joinBytes)}
		return &message.Message{Topic: topic, Bundle: r, Done: m.done}
	}
	m.done = func(out *message.Message, _ error) { m.free.Put(out) }
	return m
}

func (m *recordsMaker) get() *message.Message {
	out := m.free.Get().(*message.Message)
	r := out.Bundle
	r.Reset(r.Bytes)
	for r.Fits(len(m.value)) {
		r.Append(1, nil, m.value, nil)
	}
	out.Value, out.Packets = r.Bytes[message.BundleRoom:], r.Count
	return out
}
