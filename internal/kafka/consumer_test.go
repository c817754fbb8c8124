package kafka

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"xcapa/internal/message"
)

const groupID = "xcapa-index"

func newConsumer(t testing.TB, c Config, g Group) *Consumer {
	t.Helper()
	if g.ID == "" {
		g.ID = groupID
	}
	if g.Topics == nil {
		g.Topics = []string{topic}
	}
	r, err := NewConsumer(t.Context(), c, g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(canceled()) })
	return r
}

// fill puts n messages into topic, all acknowledged.
func fill(t testing.TB, c Config, from, n int) {
	t.Helper()
	p := newProducer(t, c)
	for i := range n {
		p.Produce(t.Context(), &message.Message{Topic: topic, Value: []byte(value(from + i)), Packets: 1})
	}
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := p.Room().Out; got != uint64(n) {
		t.Fatalf("%d of %d messages were acknowledged", got, n)
	}
}

// pollN polls until n messages came.
func pollN(t testing.TB, r *Consumer, n int) []Batch {
	t.Helper()
	var all []Batch
	for ctx := within(t, 15*time.Second); n > 0; {
		batches, err := r.Poll(ctx)
		if err != nil {
			t.Fatalf("Poll with %d messages to come: %v", n, err)
		}
		for _, b := range batches {
			n -= b.Len()
		}
		all = append(all, batches...)
	}
	return all
}

// pollNone polls for a while and fails when a message comes.
func pollNone(t testing.TB, r *Consumer) {
	t.Helper()
	batches, err := r.Poll(within(t, time.Second))
	if len(batches) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Poll brought %d batches and %v, want none and the end of the context", len(batches), err)
	}
}

func ends(batches []Batch) []Position {
	at := map[Position]int64{}
	for _, b := range batches {
		k := Position{Topic: b.Topic, Partition: b.Partition, Offset: 0}
		for _, m := range b.All() {
			at[k] = max(at[k], m.Offset+1)
		}
	}
	var out []Position
	for k, o := range at {
		out = append(out, Position{Topic: k.Topic, Partition: k.Partition, Offset: o})
	}
	sortPositions(out)
	return out
}

func TestConsumeMessage(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	p := newProducer(t, configFor(c))
	at := time.UnixMilli(1700000000123).UTC()
	sent := message.Message{
		Topic: topic, Time: at, Key: []byte{0, 1, 2, 3, 4, 5, 6, 7}, Value: []byte("value"), Packets: 1,
		Headers: []message.Header{{Key: message.HeaderSchema, Value: []byte("1")}, {Key: message.HeaderHost, Value: []byte("h")}},
	}
	for range 2 {
		m := sent
		p.TryProduce(&m)
	}
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := newConsumer(t, configFor(c), Group{})
	batches := pollN(t, r, 2)
	var got []message.Message
	for _, b := range batches {
		got = append(got, b.All()...)
	}
	want := []message.Message{sent, sent}
	for i := range want {
		want[i].Offset, want[i].Packets = int64(i), 0
		got[i].Time = got[i].Time.UTC()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages differ (-want +got):\n%s", diff)
	}
	stats := r.Fetched()
	if wantBytes := uint64(2 * (8 + 5 + len(message.HeaderSchema) + 1 + len(message.HeaderHost) + 1)); stats.Messages != 2 || stats.Bytes != wantBytes {
		t.Errorf("fetched %+v, want 2 messages of %d bytes", stats, wantBytes)
	}
}

func TestCommitAndComeBack(t *testing.T) {
	t.Parallel()
	const n = 1000
	c := newCluster(t, kfake.SeedTopics(4, topic))
	fill(t, configFor(c), 0, n)
	var assigned []Position
	first := newConsumer(t, configFor(c), Group{OnAssigned: func(_ context.Context, at []Position) error {
		assigned = append(assigned, at...)
		return nil
	}})
	read := pollN(t, first, n)
	if want := []Position{{Topic: topic, Partition: 0, Offset: 0}, {Topic: topic, Partition: 1, Offset: 0}, {Topic: topic, Partition: 2, Offset: 0}, {Topic: topic, Partition: 3, Offset: 0}}; !slices.Equal(assigned, want) {
		t.Errorf("assigned %v, want %v", assigned, want)
	}
	next := ends(read)
	next[3].Offset -= 10 // the last ten of partition 3 are not settled
	if err := first.Commit(t.Context(), next...); err != nil {
		t.Fatal(err)
	}
	if got, err := first.Committed(t.Context()); err != nil || !slices.Equal(got, next) {
		t.Errorf("committed %v, %v, want %v", got, err, next)
	}
	lags, err := first.Lag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lags {
		want := PartitionLag{Topic: topic, Partition: int32(i), End: next[i].Offset, Committed: next[i].Offset}
		if i == 3 {
			want.End += 10
			want.Lag = 10
		}
		if l != want {
			t.Errorf("lag %+v, want %+v", l, want)
		}
	}
	if err := first.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}

	assigned = nil
	second := newConsumer(t, configFor(c), Group{OnAssigned: func(_ context.Context, at []Position) error {
		assigned = append(assigned, at...)
		return nil
	}})
	again := pollN(t, second, 10)
	if got, want := ends(again), []Position{{Topic: topic, Partition: 3, Offset: next[3].Offset + 10}}; !slices.Equal(got, want) {
		t.Errorf("came back to %v, want %v", got, want)
	}
	if !slices.Equal(assigned, next) {
		t.Errorf("assigned at %v, want the committed %v", assigned, next)
	}
	pollNone(t, second)
}

func TestStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		start Start
		want  []string
		at    int64
	}{
		{StartBegin, []string{value(0), value(1), value(2)}, 0},
		{"", []string{value(0), value(1), value(2)}, 0},
		{StartEnd, []string{value(2)}, 2},
	} {
		t.Run("start_"+string(tt.start), func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			fill(t, configFor(c), 0, 2)
			assigned := make(chan int64, 1)
			r := newConsumer(t, configFor(c), Group{Start: tt.start, OnAssigned: func(_ context.Context, at []Position) error {
				assigned <- at[0].Offset
				return nil
			}})
			if tt.start == StartEnd {
				pollNone(t, r)
			}
			fill(t, configFor(c), 2, 1)
			var got []string
			for _, b := range pollN(t, r, len(tt.want)) {
				for _, m := range b.All() {
					got = append(got, string(m.Value))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("read %q, want %q", got, tt.want)
			}
			if at := <-assigned; at != tt.at {
				t.Errorf("assigned at offset %d, want %d", at, tt.at)
			}
		})
	}
}

// TestStartAfterDeletion: the committed offset is gone; the reset policy must
// be the start policy and not the client's "one minute back".
func TestStartAfterDeletion(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	fill(t, configFor(c), 0, 100)
	first := newConsumer(t, configFor(c), Group{})
	pollN(t, first, 100)
	if err := first.Commit(t.Context(), Position{Topic: topic, Partition: 0, Offset: 10}); err != nil {
		t.Fatal(err)
	}
	first.Close(within(t, 5*time.Second))
	if err := c.DeleteRecords(topic, 0, 50); err != nil {
		t.Fatal(err)
	}
	second := newConsumer(t, configFor(c), Group{})
	got := pollN(t, second, 50)
	if first := got[0].Records.Offset(0); first != 50 {
		t.Errorf("reading went on at offset %d, want 50, the first that is left", first)
	}
}

func TestAssignedErrorEndsPoll(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	broken := errors.New("store is read-only")
	r := newConsumer(t, configFor(c), Group{OnAssigned: func(context.Context, []Position) error { return broken }})
	if _, err := r.Poll(within(t, 10*time.Second)); !errors.Is(err, broken) {
		t.Errorf("Poll returned %v, want the hook's error", err)
	}
}

func TestPauseResume(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, topic))
	fill(t, configFor(c), 0, 100)
	r := newConsumer(t, configFor(c), Group{})
	pollN(t, r, 100)
	r.Pause(Position{Topic: topic, Partition: 1})
	fill(t, configFor(c), 100, 100)
	for _, b := range pollN(t, r, 50) {
		if b.Partition == 1 {
			t.Error("a paused partition brought messages")
		}
	}
	pollNone(t, r)
	r.Resume(Position{Topic: topic, Partition: 1})
	for _, b := range pollN(t, r, 50) {
		if b.Partition != 1 {
			t.Errorf("partition %d brought messages twice", b.Partition)
		}
	}
}

// TestRebalance runs members that come and go in one group over a topic that
// is being written. A member settles messages with a delay and commits only
// what is settled. Every message must be settled, and no commit may pass one
// that is not.
func TestRebalance(t *testing.T) {
	t.Parallel()
	const n, partitions = 6000, 6
	c := newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(partitions, topic))
	ledger := &settled{at: map[Position]int{}}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		p := newProducer(t, configFor(c))
		for i := range n {
			p.TryProduce(&message.Message{Topic: topic, Value: []byte(value(i)), Packets: 1})
			if i%20 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		if err := p.Close(within(t, 10*time.Second)); err != nil {
			t.Error(err)
		}
	})
	leave := make([]chan struct{}, 3)
	for i := range leave {
		leave[i] = make(chan struct{})
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 300 * time.Millisecond) // members come one by one
			runMember(t, configFor(c), ledger, leave[i])
		})
	}
	time.AfterFunc(1200*time.Millisecond, func() { close(leave[0]) }) // and the first goes
	go func() {
		defer close(done)
		for deadline := time.Now().Add(15 * time.Second); ledger.len() < n && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		close(leave[1])
		close(leave[2])
	}()
	<-done
	wg.Wait()
	if got := ledger.len(); got != n {
		t.Errorf("%d distinct messages were settled, want %d", got, n)
	}
	ledger.wantCommitsBehind(t, c, partitions)
	if ledger.revoked < 2 {
		t.Errorf("partitions were taken from a member %d times, want at least twice", ledger.revoked)
	}
	t.Logf("%d settled twice, %d partitions moved", ledger.twice, ledger.revoked)
}

// settled is what the members' destination holds, by place.
type settled struct {
	mu    sync.Mutex
	at    map[Position]int
	twice int

	revoked int // partitions
}

func (s *settled) add(ps []Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range ps {
		if s.at[p]++; s.at[p] == 2 {
			s.twice++
		}
	}
}

func (s *settled) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

// covers reports whether everything before p is settled.
func (s *settled) covers(p Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range p.Offset {
		if s.at[Position{Topic: p.Topic, Partition: p.Partition, Offset: o}] == 0 {
			return false
		}
	}
	return true
}

func (s *settled) wantCommitsBehind(t *testing.T, c *kfake.Cluster, partitions int) {
	t.Helper()
	r := newConsumer(t, configFor(c), Group{})
	at, err := r.Committed(t.Context())
	if err != nil || len(at) != partitions {
		t.Fatalf("committed %v, %v, want an offset in each of %d partitions", at, err, partitions)
	}
	var sum int64
	for _, p := range at {
		sum += p.Offset
		if !s.covers(p) {
			t.Errorf("the commit %v passes a message that is not settled", p)
		}
	}
	if sum != int64(s.len()) {
		t.Errorf("%d messages are committed, %d are settled", sum, s.len())
	}
}

// runMember polls, settles what it polled two polls later, and commits it.
func runMember(t *testing.T, config Config, ledger *settled, leave <-chan struct{}) {
	var held []Position // polled, not settled; in order within a partition
	var r *Consumer
	flush := func(ctx context.Context) {
		ledger.add(held)
		next := map[Position]int64{}
		for _, p := range held {
			k := Position{Topic: p.Topic, Partition: p.Partition, Offset: 0}
			next[k] = max(next[k], p.Offset+1)
		}
		held = held[:0]
		var at []Position
		for k, o := range next {
			at = append(at, Position{Topic: k.Topic, Partition: k.Partition, Offset: o})
		}
		for _, p := range at {
			if !ledger.covers(p) {
				t.Errorf("commit of %v would pass what is not settled", p)
			}
		}
		if err := r.Commit(ctx, at...); err != nil && !errors.Is(err, ErrRebalanced) {
			t.Errorf("commit: %v", err)
		}
	}
	r = newConsumer(t, config, Group{
		OnRevoked: func(ctx context.Context, at []Position) {
			flush(ctx)
			ledger.mu.Lock()
			ledger.revoked += len(at)
			ledger.mu.Unlock()
		},
		OnLost: func(at []Position) { held = held[:0] },
	})
	for polls := 0; ; polls++ {
		select {
		case <-leave:
			if err := r.Close(within(t, 10*time.Second)); err != nil {
				t.Error(err)
			}
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		batches, err := r.Poll(ctx)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("poll: %v", err)
			return
		}
		for _, b := range batches {
			for _, m := range b.All() {
				held = append(held, Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset})
			}
		}
		if polls%3 == 2 {
			flush(context.Background())
		}
	}
}

// TestBomb puts batches that may not be decompressed between good ones, and
// first in a partition. The partition goes on behind them.
func TestBomb(t *testing.T) {
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			config := configFor(c)
			config.Compression = codec
			config.MaxMessageBytes = 32 << 20
			config.MaxDecompressed = 1 << 20
			bomb := bytes.Repeat([]byte{0}, 12<<20)
			if codec == "snappy" {
				bomb = bomb[:8<<20] // 1:21 only, and the broker takes 1 MB
			}
			p := newProducer(t, config)
			for _, v := range [][]byte{bomb, []byte("a"), []byte("b"), bomb, bomb, []byte("c")} {
				p.TryProduce(&message.Message{Topic: topic, Value: v, Packets: 1})
				if err := p.Flush(within(t, 10*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			if r := p.Room(); r.Out != 6 {
				t.Fatalf("%d of 6 messages were acknowledged: %v", r.Out, p.LastError())
			}
			r := newConsumer(t, config, Group{})
			var good []string
			var poison []int64
			for _, b := range pollN(t, r, 3) {
				if b.Poison != nil {
					if b.Poison.First != b.Poison.Last || b.Poison.Err == nil || b.Len() > 0 {
						t.Errorf("poison %+v, want one offset and a reason", b.Poison)
					}
					poison = append(poison, b.Poison.First)
				}
				for _, m := range b.All() {
					good = append(good, string(m.Value))
				}
			}
			if want := []string{"a", "b", "c"}; !slices.Equal(good, want) {
				t.Errorf("read %q, want %q", good, want)
			}
			if want := []int64{0, 3, 4}; !slices.Equal(poison, want) {
				t.Errorf("poison at offsets %d, want %d", poison, want)
			}
			if s := r.Fetched(); s.Poison != 3 || s.Messages != 3 {
				t.Errorf("fetched %+v, want 3 messages and 3 poison batches", s)
			}
		})
	}
}

func TestDecompress(t *testing.T) {
	plain := []byte(strings.Repeat("a block of packets ", 3000)) // 57,000 bytes
	d, err := newDecompressor(len(plain), new(pools))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for _, name := range []string{"gzip", "snappy", "lz4", "zstd"} {
		comp, err := kgo.DefaultCompressor(codec(name))
		if err != nil {
			t.Fatal(err)
		}
		pack := func(b []byte) ([]byte, kgo.CompressionCodecType) {
			out, typ := comp.Compress(new(bytes.Buffer), b)
			return bytes.Clone(out), typ
		}
		full, typ := pack(plain)
		for range 2 { // the second time with a reader that was used
			if got, err := d.Decompress(full, typ); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s: %d bytes, %v, want the %d that went in", name, len(got), err, len(plain))
			}
		}
		over, _ := pack(append(bytes.Clone(plain), 'x'))
		for what, in := range map[string][]byte{"one byte over the limit": over, "half a batch": full[:len(full)/2], "no batch": []byte("no batch at all, but some text instead of it")} {
			if _, err := d.Decompress(in, typ); !errors.Is(err, kgo.ErrMaxDecompress) {
				t.Errorf("%s, %s: %v, want an error the client can step over", name, what, err)
			}
		}
	}
	if _, err := d.Decompress(plain, 7); !errors.Is(err, kgo.ErrMaxDecompress) {
		t.Errorf("unknown codec: %v", err)
	}
	if got, err := d.Decompress(plain, kgo.CodecNone); err != nil || &got[0] != &plain[0] {
		t.Errorf("no codec: %v, want the input", err)
	}
}

func TestDecompressXerial(t *testing.T) {
	d, err := newDecompressor(1000, new(pools))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	head := append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1)
	// "hello, " and "world" as snappy literals: length, tag (n-1)<<2, bytes.
	one := append([]byte{0, 0, 0, 9, 7, 6 << 2}, "hello, "...)
	two := append([]byte{0, 0, 0, 7, 5, 4 << 2}, "world"...)
	tests := []struct {
		name string
		in   []byte
		want string // "": an error
	}{
		{"two_blocks", slices.Concat(head, one, two), "hello, world"},
		{"cut_length", slices.Concat(head, one, two[:3]), ""},
		{"cut_block", slices.Concat(head, one, two[:8]), ""},
		{"length_lies", slices.Concat(head, []byte{0xff, 0xff, 0xff, 0xff, 1}), ""},
		{"claims_4_GiB", slices.Concat(head, []byte{0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := d.Decompress(tt.in, kgo.CodecSnappy)
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%x: %q, %v, want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestPollErrors(t *testing.T) {
	tests := []struct {
		name  string
		fault kfake.Fault
		want  error
	}{
		{"topic_not_allowed", kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1}, ErrTopicRefused},
		{"group_not_allowed", kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, TopLevel: true, Err: kerr.GroupAuthorizationFailed, Count: -1}, ErrTopicRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			fill(t, configFor(c), 0, 1)
			c.Fault(tt.fault)
			r := newConsumer(t, configFor(c), Group{})
			if _, err := r.Poll(within(t, 10*time.Second)); !errors.Is(err, tt.want) {
				t.Errorf("Poll returned %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTopicRecreated(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, topic))
	fill(t, configFor(c), 0, 10)
	r := newConsumer(t, configFor(c), Group{})
	pollN(t, r, 10)
	if err := c.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	fill(t, configFor(c), 0, 1)
	_, err := r.Poll(within(t, 10*time.Second))
	if !errors.Is(err, ErrTopicRecreated) {
		t.Errorf("Poll returned %v, want ErrTopicRecreated", err)
	}
	t.Log(err)
}

// TestBrokerAwayWhileConsuming: nothing is lost and nobody is told.
func TestBrokerAwayWhileConsuming(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, topic))
	fill(t, configFor(c), 0, 100)
	r := newConsumer(t, configFor(c), Group{})
	pollN(t, r, 100)
	cut := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.LeaderNotAvailable, Count: -1})
	fill(t, configFor(c), 100, 100)
	pollNone(t, r)
	cut.Remove()
	pollN(t, r, 100)
}

func TestStaticMemberComesBackAtOnce(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(2, topic))
	fill(t, configFor(c), 0, 10)
	config := configFor(c)
	config.SessionTimeout = 30 * time.Second
	first := newConsumer(t, config, Group{InstanceID: "one"})
	pollN(t, first, 10)
	first.Close(canceled()) // commits nothing; the group is not told, as if it had died
	start := time.Now()
	second := newConsumer(t, config, Group{InstanceID: "one"})
	pollN(t, second, 10)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the restarted member read after %v, want at once", took)
	}
}
