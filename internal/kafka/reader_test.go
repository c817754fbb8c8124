package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
)

func openReader(t *testing.T, c Config, o ReadOptions) *Reader {
	t.Helper()
	if o.Topics == nil {
		o.Topics = []string{topic}
	}
	r, err := OpenReader(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(canceled()) })
	return r
}

// readToEnd is the values that Next brings until io.EOF.
func readToEnd(t *testing.T, r *Reader) []string {
	t.Helper()
	var values []string
	for ctx := within(t, 20*time.Second); ; {
		list, err := r.Next(ctx)
		for _, m := range list {
			values = append(values, string(m.Value))
		}
		if err == io.EOF {
			return values
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// byNumber orders "message N" of fill.
func byNumber(m *message.Message) Key {
	n, _ := strconv.ParseInt(strings.TrimPrefix(string(m.Value), "message "), 10, 64)
	return Key{Nanos: n}
}

func TestReaderMergesPartitionsToTheEnd(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(5, topic))
	fill(t, configFor(c), 0, 3000)
	begin, _ := ParseFrom("begin")
	values := readToEnd(t, openReader(t, configFor(c), ReadOptions{From: begin, ToEnd: true, Order: byNumber}))
	if len(values) != 3000 {
		t.Fatalf("got %d messages, want 3000", len(values))
	}
	for i, v := range values {
		if v != value(i) {
			t.Fatalf("message %d is %q", i, v)
		}
	}
}

func TestReaderStarts(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	fill(t, configFor(c), 0, 10)
	time.Sleep(20 * time.Millisecond)
	between := fmt.Sprintf("@%.3f", float64(time.Now().UnixMilli())/1000)
	time.Sleep(20 * time.Millisecond)
	fill(t, configFor(c), 10, 10)
	for start, first := range map[string]int{
		"begin": 0, "end": 20, "0": 0, "7": 7, "20": 20, "99": 20, "-3": 17, "-99": 0,
		between: 10, "1h": 0, "0s": 20, "2001-01-01": 0, "2001-01-01T00:00:00Z": 0, "@4000000000": 20,
	} {
		from, err := ParseFrom(start)
		if err != nil {
			t.Fatal(err)
		}
		values := readToEnd(t, openReader(t, configFor(c), ReadOptions{From: from, ToEnd: true}))
		if len(values) != 20-first || len(values) > 0 && values[0] != value(first) {
			t.Errorf("from %s: got %d messages from %v on, want %d from %d on", start, len(values), values[:min(1, len(values))], 20-first, first)
		}
	}
}

func TestParseFromRefuses(t *testing.T) {
	for _, s := range []string{"", "yesterday", "-5m", "@", "@x", "@-1", "@99999999999", "2026-13-01", "1.5", "stored "} {
		if f, err := ParseFrom(s); err == nil {
			t.Errorf("%q: got %+v, want an error", s, f)
		}
	}
}

// A reader that follows brings what comes later, without waiting for partitions
// that stay silent longer than its patience.
func TestReaderFollows(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(3, topic))
	fill(t, configFor(c), 0, 5)
	r := openReader(t, configFor(c), ReadOptions{Order: byNumber, Patience: 50 * time.Millisecond})
	if _, err := r.Next(within(t, 300*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v while nothing is new, want the end of the context", err)
	}
	fill(t, configFor(c), 5, 1)
	list, err := r.Next(within(t, 10*time.Second))
	if err != nil || len(list) != 1 || string(list[0].Value) != value(5) {
		t.Fatalf("got %d messages, %v; want message 5", len(list), err)
	}
}

func TestReaderGoesOnWhereTheGroupWas(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	fill(t, configFor(c), 0, 10)
	o := ReadOptions{From: FromStored, Group: "archive", ToEnd: true}
	r := openReader(t, configFor(c), o)
	if got := len(readToEnd(t, r)); got != 10 {
		t.Fatalf("the first time: got %d messages, want all 10", got)
	}
	if err := r.Commit(t.Context(), Position{Topic: topic, Offset: 4}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	r = openReader(t, configFor(c), o)
	if values := readToEnd(t, r); len(values) != 6 || values[0] != value(4) {
		t.Errorf("the second time: got %v, want messages 4 to 9", values)
	}
	if err := errors.Join(r.Commit(t.Context(), Position{Topic: topic, Offset: 10}), r.Close(within(t, 10*time.Second))); err != nil {
		t.Fatal(err)
	}
	if values := readToEnd(t, openReader(t, configFor(c), o)); len(values) != 0 {
		t.Errorf("the third time: got %v, want nothing, and the end", values)
	}
}

func TestReaderNamesTheTopicsThereAre(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic, "others"))
	_, err := OpenReader(t.Context(), configFor(c), ReadOptions{Topics: []string{"paquets"}})
	if !errors.Is(err, ErrTopicMissing) || !strings.Contains(err.Error(), "paquets: there are others, packets") {
		t.Errorf("got %v", err)
	}
	_, err = OpenReader(t.Context(), Config{Brokers: []string{"127.0.0.1:1"}}, ReadOptions{Topics: []string{topic}})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want %v", err, ErrUnreachable)
	}
}

// What a transaction has not committed is not read, and its end markers do not
// keep a reader from the end.
func TestReaderAndTransactions(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.TransactionalID("tx"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := within(t, 20*time.Second)
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("commit ", commit)
		if err := client.ProduceSync(ctx, kgo.StringRecord(name)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, commit); err != nil {
			t.Fatal(err)
		}
	}
	begin, _ := ParseFrom("begin")
	want := []string{"commit true", "commit true"}
	if got := readToEnd(t, openReader(t, configFor(c), ReadOptions{From: begin, ToEnd: true})); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	open := configFor(c)
	if err := SetProperty(&open, "isolation.level", "read_uncommitted"); err != nil {
		t.Fatal(err)
	}
	if got := readToEnd(t, openReader(t, open, ReadOptions{From: begin, ToEnd: true})); len(got) != 3 {
		t.Errorf("read uncommitted: got %q, want three", got)
	}
}
