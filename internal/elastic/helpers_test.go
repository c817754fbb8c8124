package elastic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/message"
)

// someDay is 2026-11-23T05:38:00Z, in nanoseconds.
const someDay = int64(1795412280) * 1e9

// testConfig speaks to s with waits short enough for tests.
func testConfig(s *elastictest.Server) Config {
	return Config{Hosts: []string{s.URL()}, FlushInterval: 20 * time.Millisecond,
		BackoffInit: time.Millisecond, BackoffMax: 5 * time.Millisecond, Timeout: 10 * time.Second}
}

func newTestClient(t testing.TB, c Config) *Client {
	t.Helper()
	client, err := NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// errorsTopic keeps dead letters by topic-partition-offset-row. fail, when set,
// answers a call before it is kept.
type errorsTopic struct {
	mu   sync.Mutex
	list []codec.Failure
	fail func(n int) error
	n    int
}

func (e *errorsTopic) put(_ context.Context, f *codec.Failure) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	if e.fail != nil {
		if err := e.fail(e.n); err != nil {
			return err
		}
	}
	kept := *f
	kept.Document = append([]byte(nil), f.Document...)
	e.list = append(e.list, kept)
	return nil
}

func (e *errorsTopic) failures() []codec.Failure {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]codec.Failure(nil), e.list...)
}

var errKafkaAway = errors.New("kafka is away")

func newTestWriter(t testing.TB, c Config) (*Writer, *errorsTopic) {
	t.Helper()
	dead := &errorsTopic{}
	w := NewWriter(newTestClient(t, c), dead.put)
	t.Cleanup(func() { _ = w.Close() })
	return w, dead
}

// testMessage is message number offset of topic packets, partition 0.
func testMessage(offset int64) *message.Message {
	return &message.Message{Topic: "packets", Offset: offset, Time: time.Unix(0, someDay)}
}

// testRow is a row whose document is JSON already, captured at nanos.
func testRow(id string, nanos int64) codec.Row {
	r := codec.Row{ID: []byte(id), JSON: fmt.Appendf(nil, `{"record_id":%q,"src_port":80}`, id)}
	r.TimestampNanos = nanos
	return r
}

// sent is what a test has written: one settled count a message.
type sent struct {
	mu      sync.Mutex
	settled map[int64]int
	ids     []string
}

// writeMessages writes messages of rows each; ids are m<offset>-<row>.
func writeMessages(t testing.TB, w *Writer, messages, rows int) *sent {
	t.Helper()
	s := &sent{settled: map[int64]int{}}
	for o := range int64(messages) {
		list := make([]codec.Row, rows)
		for i := range list {
			id := fmt.Sprintf("m%d-%d", o, i)
			list[i] = testRow(id, someDay)
			s.ids = append(s.ids, id)
		}
		err := w.Write(t.Context(), testMessage(o), list, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.settled[o]++
		})
		if err != nil {
			t.Fatalf("Write message %d: %v", o, err)
		}
	}
	return s
}

// check fails unless every message was settled once, and every document is in
// exactly one of index and errors topic, once; and the books agree.
func (s *sent) check(t testing.TB, server *elastictest.Server, w *Writer, dead *errorsTopic, messages int) {
	t.Helper()
	for _, p := range s.problems(server, w, dead, messages) {
		t.Error(p)
	}
}

func (s *sent) problems(server *elastictest.Server, w *Writer, dead *errorsTopic, messages int) (out []string) {
	bad := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range int64(messages) {
		if s.settled[o] != 1 {
			bad("message %d was settled %d times, want 1", o, s.settled[o])
		}
	}
	refused := map[string]int{}
	for _, f := range dead.failures() {
		refused[fmt.Sprintf("m%d-%d", f.Position, f.Row)]++
	}
	for _, id := range s.ids {
		if n := len(server.Has(id)) + refused[id]; n != 1 {
			bad("document %s is in %v and %d times in the errors topic, want one place", id, server.Has(id), refused[id])
		}
	}
	r := w.Room()
	if r.In != uint64(len(s.ids)) || r.Out != r.In || r.Passed != 0 || len(r.Dropped) != 0 {
		bad("room: in %d, out %d, passed %d, dropped %v; want in = out = %d", r.In, r.Out, r.Passed, r.Dropped, len(s.ids))
	}
	if got, want := r.Counts["errors_topic"], uint64(len(dead.failures())); got != want {
		bad("room counts %d dead letters, the topic has %d", got, want)
	}
	return out
}
