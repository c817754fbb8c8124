package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

const topic = "packets"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		childMain()
		return
	}
	goleak.VerifyTestMain(m)
}

// runBroker runs c until the test ends and returns its address.
func runBroker(t *testing.T, c Config) (addr string, stop func()) {
	t.Helper()
	ready, done := make(chan string, 1), make(chan error, 1)
	c.Ready = func(addr string) { ready <- addr }
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- Run(ctx, c) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	select {
	case addr = <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("Run: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("the broker was not ready within 10 s")
	}
	return addr, stop
}

func newProducer(t *testing.T, c kafka.Config) *kafka.Producer {
	t.Helper()
	p, err := kafka.NewProducer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(canceled()) })
	return p
}

func newConsumer(t *testing.T, addr string) *kafka.Consumer {
	t.Helper()
	r, err := kafka.NewConsumer(t.Context(), kafka.Config{Brokers: []string{addr}}, kafka.Group{ID: "xcapa-index", Topics: []string{topic}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(canceled()) })
	return r
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// readAndCommit reads n messages, committing after each poll.
func readAndCommit(t *testing.T, r *kafka.Consumer, n int) {
	t.Helper()
	for ctx := within(t, 60*time.Second); n > 0; {
		batches, err := r.Poll(ctx)
		if err != nil {
			t.Fatalf("poll with %d messages to come: %v", n, err)
		}
		for _, b := range batches {
			n -= b.Len()
			last := b.Records.Offset(b.Len() - 1)
			if err := r.Commit(ctx, kafka.Position{Topic: b.Topic, Partition: b.Partition, Offset: last + 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// block is n bytes that do not compress.
func block(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// held is what the log holds, by the offsets: messages between start and end.
func held(t *testing.T, addr, topic string) int64 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	starts, err := admin.ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := admin.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	ends.Each(func(e kadm.ListedOffset) {
		s, _ := starts.Lookup(e.Topic, e.Partition)
		n += e.Offset - s.Offset
	})
	return n
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func TestServe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "port")
	addr, stop := runBroker(t, Config{PortFile: file, Topics: []string{topic}, Rings: []string{"errors"}, Partitions: 3})
	if got, err := os.ReadFile(file); err != nil || string(got) != addr+"\n" {
		t.Errorf("port file holds %q, %v, want %q", got, err, addr)
	}
	config := kafka.Config{Brokers: []string{addr}}
	if err := kafka.EnsureTopics(t.Context(), config, topic, "errors"); err != nil {
		t.Error(err)
	}
	p := newProducer(t, config)
	for i := range 30 {
		p.TryProduce(&message.Message{Topic: topic, Value: fmt.Append(nil, i), Packets: 1})
	}
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := newConsumer(t, addr)
	readAndCommit(t, r, 30)
	if lags, err := r.Lag(t.Context()); err != nil || len(lags) != 3 {
		t.Errorf("lag of %d partitions, %v, want 3", len(lags), err)
	}
	r.Close(within(t, 5*time.Second))
	stop()
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the port file is still there: %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	addr, _ := runBroker(t, Config{})
	if err := Run(t.Context(), Config{Listen: addr}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("Run on a used port: %v, want an error with its address", err)
	}
}

func TestTrimCommitted(t *testing.T) {
	addr, _ := runBroker(t, Config{Topics: []string{topic}, TrimEvery: 20 * time.Millisecond})
	p := newProducer(t, kafka.Config{Brokers: []string{addr}})
	const n = 200
	for range n {
		p.TryProduce(&message.Message{Topic: topic, Value: block(1000), Packets: 1})
	}
	if err := p.Flush(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if got := held(t, addr, topic); got != n {
		t.Errorf("%d messages are held before anybody read, want %d", got, n)
	}
	r := newConsumer(t, addr)
	readAndCommit(t, r, n)
	eventually(t, "what is committed is deleted", func() bool { return held(t, addr, topic) == 0 })
	p.TryProduce(&message.Message{Topic: topic, Value: []byte("after"), Packets: 1})
	readAndCommit(t, r, 1)
}

// TestFull: without a consumer the broker takes no more than its budget; a live
// source then drops, a source that can wait waits, and both go on when someone
// reads. Nothing that was acknowledged is lost.
func TestFull(t *testing.T) {
	c := Config{Topics: []string{topic}, Partitions: 2, Limit: minLimit, TrimEvery: 50 * time.Millisecond}
	addr, _ := runBroker(t, c)
	config := kafka.Config{Brokers: []string{addr}, MaxBufferedBytes: 4 << 20}
	live, waiting := newProducer(t, config), newProducer(t, config)
	const size = 100_000
	fits := int(c.withDefaults().budget() / size)

	for i := 0; live.Room().Dropped[ledger.BufferFull] == 0; i++ {
		live.TryProduce(&message.Message{Topic: topic, Value: block(size), Packets: 1})
		time.Sleep(time.Millisecond)
		if i > 10*fits {
			t.Fatalf("%d messages of %d bytes and none was dropped, the budget is %d", i, size, c.budget())
		}
	}
	if got := held(t, addr, topic); got > int64(fits) {
		t.Errorf("the log holds %d messages, want at most %d", got, fits)
	}
	const extra = 200
	sent := make(chan error, 1)
	go func() {
		for range extra {
			if err := waiting.Produce(context.Background(), &message.Message{Topic: topic, Value: block(size), Packets: 1}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	select {
	case err := <-sent:
		t.Fatalf("a source that can wait did not wait for a full broker: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	reader := newConsumer(t, addr)
	r := live.Room()
	readAndCommit(t, reader, int(r.In-r.DroppedTotal())+extra)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	for _, p := range []*kafka.Producer{live, waiting} {
		if err := p.Close(within(t, 10*time.Second)); err != nil {
			t.Error(err)
		}
		l := ledger.Ledger{Final: true, Rooms: []ledger.Room{p.Room()}}
		if l.Settle(); !l.Balanced {
			t.Error(l.Imbalances())
		}
	}
	if got := waiting.Room(); got.Out != extra {
		t.Errorf("%d of %d waiting messages were acknowledged", got.Out, extra)
	}
}

// What keeps nothing is never full: it takes several times its limit, which no
// producer compresses.
func TestDiscardIsNeverFull(t *testing.T) {
	addr, _ := runBroker(t, Config{Topics: []string{topic}, Partitions: 2, Limit: minLimit, Discard: true})
	p := newProducer(t, kafka.Config{Brokers: []string{addr}, MaxBufferedBytes: 4 << 20, Compression: "none"})
	value := make([]byte, 500_000)
	n := 3 * minLimit / len(value)
	for range n {
		if err := p.Produce(within(t, 20*time.Second), &message.Message{Topic: topic, Value: value, Packets: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(within(t, 20*time.Second)); err != nil {
		t.Error(err)
	}
	if r := p.Room(); r.Out != uint64(n) {
		t.Errorf("%d of %d messages acknowledged: %+v", r.Out, n, r.Dropped)
	}
}

func TestRingKeepsNewest(t *testing.T) {
	c := Config{Topics: []string{topic}, Rings: []string{"errors"}, Partitions: 2, Limit: minLimit, TrimEvery: 20 * time.Millisecond}
	addr, _ := runBroker(t, c)
	p := newProducer(t, kafka.Config{Brokers: []string{addr}})
	const n, size = 200, 50_000
	for range n {
		if err := p.Produce(t.Context(), &message.Message{Topic: "errors", Value: block(size), Packets: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	// Deletion is by batch: a partition keeps up to its share.
	share := c.withDefaults().budget() / 8
	eventually(t, "the ring is cut", func() bool { return held(t, addr, "errors")*size <= share })
	if got := held(t, addr, "errors"); got == 0 {
		t.Error("the ring kept nothing")
	}
	if got := p.Room().Out; got != n {
		t.Errorf("%d of %d messages were acknowledged", got, n)
	}
}

func TestDataDirOutlivesProcess(t *testing.T) {
	dir := t.TempDir()
	c := Config{DataDir: dir, Topics: []string{topic}, Partitions: 2}
	addr, stop := runBroker(t, c)
	p := newProducer(t, kafka.Config{Brokers: []string{addr}})
	for i := range 10 {
		p.TryProduce(&message.Message{Topic: topic, Value: fmt.Append(nil, i), Packets: 1})
	}
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	stop()
	c.Rings = []string{"later"} // a topic the directory does not know
	addr, _ = runBroker(t, c)
	r := newConsumer(t, addr)
	readAndCommit(t, r, 10)
	if err := kafka.EnsureTopics(t.Context(), kafka.Config{Brokers: []string{addr}}, "later"); err != nil {
		t.Error(err)
	}
}

func TestFloor(t *testing.T) {
	now := time.Now()
	commit := func(offset int64, at time.Time) map[string]map[int32]kfake.GroupCommit {
		return map[string]map[int32]kfake.GroupCommit{topic: {0: {Offset: offset, At: at}}}
	}
	member := []kfake.GroupMember{{SubscribedTopics: []string{topic}}}
	p := &kfake.PartitionInfo{LogStartOffset: 10, HighWatermark: 100}
	tests := []struct {
		name    string
		groups  []*kfake.GroupInfo
		pressed bool
		want    int64
		reads   bool
	}{
		{"nobody", nil, true, 100, false},
		{"committed", []*kfake.GroupInfo{{Members: member, Commits: commit(40, now)}}, false, 40, true},
		{"lowest_of_two", []*kfake.GroupInfo{{Members: member, Commits: commit(40, now)}, {Commits: commit(30, now)}}, false, 30, true},
		{"joined_not_committed", []*kfake.GroupInfo{{Members: member, Commits: commit(40, now)}, {Members: member}}, true, 10, true},
		{"other_topic", []*kfake.GroupInfo{{Members: []kfake.GroupMember{{SubscribedTopics: []string{"other"}}}}}, false, 100, false},
		{"left_long_ago", []*kfake.GroupInfo{{Members: member, Commits: commit(40, now)}, {Commits: commit(20, now.Add(-time.Hour))}}, false, 20, true},
		{"left_long_ago_and_pressed", []*kfake.GroupInfo{{Members: member, Commits: commit(40, now)}, {Commits: commit(20, now.Add(-time.Hour))}}, true, 40, true},
		{"only_one_and_it_left", []*kfake.GroupInfo{{Commits: commit(20, now.Add(-time.Hour))}}, true, 100, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, reads := floor(tt.groups, topic, p, tt.pressed, now)
			if got != tt.want || reads != tt.reads {
				t.Errorf("floor is %d, %v, want %d, %v", got, reads, tt.want, tt.reads)
			}
		})
	}
}

func TestForeignClientIsCut(t *testing.T) {
	addr, _ := runBroker(t, Config{Topics: []string{topic}})
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\xff\xff\xff\xff", "\x06\x40\x00\x01"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(request) { // byte by byte: the length may come in pieces
			conn.Write([]byte(request[i : i+1]))
		}
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %q: read %d bytes, %v, want the end of the connection", request, n, err)
		}
		conn.Close()
	}
	if err := kafka.Check(t.Context(), kafka.Config{Brokers: []string{addr}}); err != nil {
		t.Errorf("a Kafka client after them: %v", err)
	}
}

func TestFollow(t *testing.T) {
	frame := func(n int) []byte { return append([]byte{0, 0, byte(n >> 8), byte(n)}, make([]byte, n)...) }
	stream := bytes.Join([][]byte{frame(0), frame(1), frame(300), frame(4), {0x06, 0x40, 0, 1}}, nil)
	for step := 1; step < 20; step++ {
		c := &framedConn{}
		at := 0
		for ; at < len(stream); at += step {
			if err := c.follow(stream[at:min(at+step, len(stream))]); err != nil {
				break
			}
		}
		if at+step < len(stream) || at >= len(stream) {
			t.Errorf("in steps of %d: refused at byte %d, want at the last length, byte %d", step, at, len(stream)-1)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		c    Config
		want string // part of the error; "": none
	}{
		{"zero", Config{}, ""},
		{"port", Config{Listen: "127.0.0.1:9092"}, ""},
		{"any_address", Config{Listen: "0.0.0.0:9092"}, "no authentication"},
		{"no_port", Config{Listen: "127.0.0.1"}, "127.0.0.1:PORT"},
		{"bad_port", Config{Listen: "127.0.0.1:kafka"}, "not a port"},
		{"small", Config{Limit: 1 << 20}, "at least 96 MiB"},
		{"partitions", Config{Partitions: -1}, "1 to 1024"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.c.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate: %v, want %q", err, tt.want)
			}
		})
	}
}
