package elastic

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xcapa/internal/codec"
	"xcapa/internal/elastic/elastictest"
)

// TestWriterFaults scripts one kind of trouble each: every document must end in
// the index once or in the errors topic once.
func TestWriterFaults(t *testing.T) {
	type answer = elastictest.Answer
	always := func(a elastictest.ItemAnswer) func(int, elastictest.Item) elastictest.ItemAnswer {
		return func(int, elastictest.Item) elastictest.ItemAnswer { return a }
	}
	one := func(id string, a elastictest.ItemAnswer) func(int, elastictest.Item) elastictest.ItemAnswer {
		return func(_ int, it elastictest.Item) elastictest.ItemAnswer {
			if it.ID == id {
				return a
			}
			return elastictest.ItemAnswer{}
		}
	}
	cases := []struct {
		name    string
		answers []answer
		dead    int // documents in the errors topic
		already bool
	}{
		{name: "healthy"},
		{name: "whole_429", answers: []answer{{Status: 429, Error: "es_rejected_execution_exception"}, {Status: 429, Error: "circuit_breaking_exception"}}},
		{name: "whole_500_502_503_504", answers: []answer{{Status: 500}, {Status: 502}, {Status: 503}, {Status: 504}}},
		{name: "whole_401_then_good", answers: []answer{{Status: 401, Error: "security_exception"}}},
		{name: "whole_403_block", answers: []answer{{Status: 403, Error: "cluster_block_exception"}}},
		{name: "whole_404_405_406_wrong_server", answers: []answer{{Status: 404}, {Status: 405}, {Status: 406}}},
		{name: "not_elasticsearch", answers: []answer{{NoProduct: true}}, already: true},
		{name: "connection_cut_before_indexing", answers: []answer{{CutBefore: true}, {CutBefore: true}}},
		{name: "connection_cut_after_indexing", answers: []answer{{CutAfter: true}}, already: true},
		{name: "reply_one_item_short", answers: []answer{{Short: 1}, {Short: 3}}, already: true},
		{name: "reply_without_items", answers: []answer{{NoItems: true}}},
		{name: "reply_truncated", answers: []answer{{Truncate: 40}}, already: true},
		{name: "reply_is_html", answers: []answer{{Body: []byte("<html>ok</html>")}}},
		{name: "reply_endless", answers: []answer{{Endless: true}}, already: true},
		{name: "item_429", answers: []answer{{Item: always(elastictest.Rejected)}}},
		{name: "item_503", answers: []answer{{Item: always(elastictest.NoShard)}}},
		{name: "item_flood_stage", answers: []answer{{Item: always(elastictest.FloodStage)}, {Item: always(elastictest.FloodStage)}}},
		{name: "item_write_block_403", answers: []answer{{Item: always(elastictest.WriteBlock)}}},
		{name: "item_index_closed_400", answers: []answer{{Item: always(elastictest.IndexClosed)}}},
		{name: "item_right_missing_403", answers: []answer{{Item: always(elastictest.Unauthorized)}}},
		{name: "item_400_one", answers: []answer{{Item: one("m1-3", elastictest.Unparsable)}}, dead: 1},
		{name: "item_400_all", answers: []answer{{Item: always(elastictest.Unparsable)}}, dead: 60},
		{name: "item_409_all", answers: []answer{{Item: one("none", elastictest.Rejected)}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := elastictest.New(t)
			server.Script(tc.answers...)
			c := testConfig(server)
			c.Concurrency = 1 // so that the scripted answers meet all documents
			w, dead := newTestWriter(t, c)
			s := writeMessages(t, w, 6, 10)
			if err := w.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.check(t, server, w, dead, 6)
			if got := len(dead.failures()); got != tc.dead {
				t.Errorf("%d documents in the errors topic, want %d", got, tc.dead)
			}
			if got := w.Room().Counts["already_indexed"] > 0; got != tc.already {
				t.Errorf("already_indexed %d, want some: %v", w.Room().Counts["already_indexed"], tc.already)
			}
			if trouble, ok := w.Trouble(); ok {
				t.Errorf("all is well but Trouble says %+v", trouble)
			}
		})
	}
}

func TestWriterDeadLetter(t *testing.T) {
	server := elastictest.New(t)
	server.OnBulk(func(elastictest.Request) elastictest.Answer {
		return elastictest.Answer{Item: func(_ int, it elastictest.Item) elastictest.ItemAnswer {
			if it.ID == "m0-1" {
				return elastictest.Unparsable
			}
			return elastictest.ItemAnswer{}
		}}
	})
	w, dead := newTestWriter(t, testConfig(server))
	dead.fail = func(n int) error { // the errors topic is away twice: waited for
		if n < 3 {
			return errKafkaAway
		}
		return nil
	}
	s := writeMessages(t, w, 1, 3)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, server, w, dead, 1)
	f := dead.failures()[0]
	if f.Stage != "index" || f.Code != "document_parsing_exception" || f.Index != "packets_index.2026.11.23" ||
		string(f.Document) != `{"record_id":"m0-1","src_port":80}` ||
		f.Topic != "packets" || f.Position != 0 || f.Row != 1 || f.Offset != -1 ||
		!strings.Contains(f.Message, "src_port") || f.TimestampNanos == 0 {
		t.Errorf("dead letter %+v, document %s", f, f.Document)
	}
}

// TestWriterRefusesBeforeSending: rows that would cost their whole request, or
// that no mapping takes, never reach the server.
func TestWriterRefusesBeforeSending(t *testing.T) {
	server := elastictest.New(t)
	w, dead := newTestWriter(t, testConfig(server))
	rows := []codec.Row{
		testRow("good", someDay),
		testRow("old", -1),
		testRow(strings.Repeat("i", 513), someDay),
		testRow(`quote"back\slash`+"\n\x00ü", someDay),
		testRow("", someDay),
		testRow("pretty", someDay),
	}
	rows[3].JSON = []byte(`{"a":1}`)
	rows[4].JSON = []byte(`{"a":1}`)
	rows[5].JSON = []byte("{\n  \"a\": 1\r\n}\n")
	var settled atomic.Int64
	if err := w.Write(t.Context(), testMessage(7), rows, func() { settled.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if settled.Load() != 1 {
		t.Errorf("settled %d times, want 1", settled.Load())
	}
	for _, id := range []string{"good", `quote"back\slash` + "\n\x00ü", "packets-0-7-4", "pretty"} {
		if len(server.Has(id)) != 1 {
			t.Errorf("no document with the id %q", id)
		}
	}
	codes := map[string]int{}
	for _, f := range dead.failures() {
		codes[fmt.Sprint(f.Code, " ", f.Row)]++
	}
	if len(codes) != 2 || codes["time_before_1970 1"] != 1 || codes["id_too_long 2"] != 1 {
		t.Errorf("dead letters %v, want time_before_1970 of row 1 and id_too_long of row 2", codes)
	}
}

// TestWriter413 has a server that takes 4,000 bytes: bulks are halved until they
// fit, later ones are made smaller, and one document that never fits is a dead
// letter.
func TestWriter413(t *testing.T) {
	for _, level := range []int{0, 1} {
		t.Run(fmt.Sprintf("gzip_%d", level), func(t *testing.T) {
			server := elastictest.New(t)
			server.MaxBody = 4000
			c := testConfig(server)
			c.Compression = level
			w, dead := newTestWriter(t, c)
			s := writeMessages(t, w, 10, 50)
			big := testRow("m10-0", someDay)
			big.JSON = fmt.Appendf(nil, `{"a":%q}`, strings.Repeat("x", 5000))
			s.ids = append(s.ids, "m10-0")
			if err := w.Write(t.Context(), testMessage(10), []codec.Row{big}, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.settled[10]++
			}); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.check(t, server, w, dead, 11)
			if l := dead.failures(); len(l) != 1 || l[0].Code != "document_too_large" || l[0].Position != 10 {
				t.Errorf("dead letters %+v, want one document_too_large", l)
			}
		})
	}
}

// TestWriterLearnsBulkSize: after a 413 later bulks are made to fit at once.
func TestWriterLearnsBulkSize(t *testing.T) {
	server := elastictest.New(t)
	server.MaxBody = 300 << 10
	c := testConfig(server)
	c.Concurrency, c.FlushInterval, c.BatchDocs = 1, time.Hour, 1<<20
	w, dead := newTestWriter(t, c)
	s := writeMessages(t, w, 100, 100) // 1 MB
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := server.Stats().Requests
	for o := int64(100); o < 200; o++ {
		var rows []codec.Row
		for i := range 100 {
			id := fmt.Sprintf("m%d-%d", o, i)
			rows = append(rows, testRow(id, someDay))
			s.ids = append(s.ids, id)
		}
		if err := w.Write(t.Context(), testMessage(o), rows, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.settled[o]++
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, server, w, dead, 200)
	if got := server.Stats().Requests - before; got > 8 {
		t.Errorf("the second megabyte took %d requests, want about 5: the limit of 300 KiB was not learned", got)
	}
}

// TestWriterNeverPassingBulk: the indexing pressure limit answers 429, for ever,
// to a bulk that is too large.
func TestWriterNeverPassingBulk(t *testing.T) {
	server := elastictest.New(t)
	server.OnBulk(func(r elastictest.Request) elastictest.Answer {
		if r.Bytes > 2000 {
			return elastictest.Answer{Status: 429, Error: "es_rejected_execution_exception"}
		}
		return elastictest.Answer{}
	})
	w, dead := newTestWriter(t, testConfig(server))
	s := writeMessages(t, w, 5, 40)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, server, w, dead, 5)
}

// TestWriterMalformedBulk: a whole 400 is halved down to the document that is
// to blame.
func TestWriterMalformedBulk(t *testing.T) {
	server := elastictest.New(t)
	server.OnBulk(func(r elastictest.Request) elastictest.Answer {
		for _, it := range r.Items {
			if it.ID == "m2-17" {
				return elastictest.Answer{Status: 400, Error: "parse_exception"}
			}
		}
		return elastictest.Answer{}
	})
	w, dead := newTestWriter(t, testConfig(server))
	s := writeMessages(t, w, 5, 40)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, server, w, dead, 5)
	if l := dead.failures(); len(l) != 1 || l[0].Position != 2 || l[0].Row != 17 {
		t.Errorf("dead letters %+v, want m2-17 alone", l)
	}
}

// TestWriterOverload: 20,000 documents against a server that refuses 30 % of
// the items, by turns.
func TestWriterOverload(t *testing.T) {
	server := elastictest.New(t)
	n := 0
	server.OnBulk(func(elastictest.Request) elastictest.Answer {
		return elastictest.Answer{Item: func(int, elastictest.Item) elastictest.ItemAnswer {
			if n++; n*7919%10 < 3 {
				return elastictest.Rejected
			}
			return elastictest.ItemAnswer{}
		}}
	})
	c := testConfig(server)
	c.BatchDocs = 1000
	w, dead := newTestWriter(t, c)
	s := writeMessages(t, w, 200, 100)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, server, w, dead, 200)
	if st := server.Stats(); st.Conflict != 0 || st.MaxBulks > 2 {
		t.Errorf("%d conflicts and %d bulks at once, want 0 and at most 2", st.Conflict, st.MaxBulks)
	}
	if r := w.Room(); r.Counts["retried"] < 5000 {
		t.Errorf("retried %d, want some 8,500", r.Counts["retried"])
	}
}

// TestWriterSecondDelivery: everything a second time is 409 and balanced.
func TestWriterSecondDelivery(t *testing.T) {
	server := elastictest.New(t)
	for round := range 2 {
		w, dead := newTestWriter(t, testConfig(server))
		s := writeMessages(t, w, 20, 100)
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.check(t, server, w, dead, 20)
		if got, want := w.Room().Counts["already_indexed"], uint64(2000*round); got != want {
			t.Errorf("round %d: already_indexed %d, want %d", round, got, want)
		}
	}
	if server.Count() != 2000 {
		t.Errorf("%d documents, want 2000", server.Count())
	}
}

// TestWriterMidnight: two packets a nanosecond apart are in two indices.
func TestWriterMidnight(t *testing.T) {
	server := elastictest.New(t)
	w, _ := newTestWriter(t, testConfig(server))
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).UnixNano()
	rows := []codec.Row{testRow("before", midnight-1), testRow("after", midnight)}
	if err := w.Write(t.Context(), testMessage(0), rows, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, index := range map[string]string{"before": "packets_index.2026.11.23", "after": "packets_index.2026.11.24"} {
		if got := server.Has(id); len(got) != 1 || got[0] != index {
			t.Errorf("%s is in %v, want %s", id, got, index)
		}
	}
}

// TestWriterFlushInterval: a lone document does not wait for company.
func TestWriterFlushInterval(t *testing.T) {
	server := elastictest.New(t)
	w, _ := newTestWriter(t, testConfig(server))
	settled := make(chan struct{})
	if err := w.Write(t.Context(), testMessage(0), []codec.Row{testRow("a", someDay)}, func() { close(settled) }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-settled:
	case <-time.After(5 * time.Second):
		t.Fatal("not sent 5 s after it was written, with a flush interval of 20 ms")
	}
}

// TestWriterServerAway: with nobody listening Write takes what the buffers hold
// and then waits; Close gives up and the books say what was not settled.
func TestWriterServerAway(t *testing.T) {
	server := elastictest.New(t)
	c := testConfig(server)
	server.Close()
	c.BulkBytes = 10 << 10
	w, _ := newTestWriter(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var err error
	written, settled := 0, 0
	for o := int64(0); err == nil; o++ {
		err = w.Write(ctx, testMessage(o), []codec.Row{testRow(fmt.Sprint(o), someDay)}, func() { settled++ })
		if written++; written > 10000 {
			t.Fatal("Write never waits")
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Write: %v, want the context's end", err)
	}
	trouble, ok := w.Trouble()
	if !ok || trouble.Kind != "unreachable" || !strings.Contains(trouble.Text, "nothing listens") {
		t.Errorf("Trouble %+v %v, want unreachable", trouble, ok)
	}
	if got, limit := written*90, 3*c.BulkBytes+1000; got > limit {
		t.Errorf("some %d bytes were taken, want at most %d: Concurrency+1 bulks", got, limit)
	}
	if err := w.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Flush: %v, want the context's end", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := w.Room()
	if r.In != uint64(written) || r.Out != 0 || r.Passed != r.In || settled != 0 {
		t.Errorf("room %+v, %d settled; want all %d handed back", r, settled, written)
	}
	if err := w.Write(t.Context(), testMessage(0), []codec.Row{testRow("x", someDay)}, func() {}); err == nil {
		t.Error("Write after Close: no error")
	}
}

// TestWriterRandomFaults answers whole bulks and items at random, for random
// sizes of bulks: exactly once, always.
func TestWriterRandomFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		server := elastictest.New(t)
		defer server.Close()
		faults := rapid.SliceOfN(rapid.IntRange(0, 14), 0, 40).Draw(rt, "whole")
		items := rapid.SliceOfN(rapid.IntRange(0, 8), 1, 97).Draw(rt, "items")
		badEvery := rapid.IntRange(5, 200).Draw(rt, "bad_every")
		c := testConfig(server)
		c.BatchDocs = rapid.IntRange(1, 70).Draw(rt, "batch")
		c.Concurrency = rapid.IntRange(1, 3).Draw(rt, "concurrency")
		c.BackoffInit, c.BackoffMax = time.Microsecond, 50*time.Microsecond
		n, asked := 0, 0
		item := func(_ int, it elastictest.Item) elastictest.ItemAnswer {
			if crc32.ChecksumIEEE([]byte(it.ID))%uint32(badEvery) == 0 {
				return elastictest.Unparsable // the same documents each time
			}
			if asked++; asked < 500 {
				switch items[asked%len(items)] {
				case 0:
					return elastictest.Rejected
				case 1:
					return elastictest.WriteBlock
				}
			}
			return elastictest.ItemAnswer{}
		}
		server.OnBulk(func(r elastictest.Request) elastictest.Answer {
			a := elastictest.Answer{Item: item}
			if n < len(faults) {
				wholeFault(&a, faults[n], len(r.Items))
			}
			n++
			return a
		})
		w, dead := newTestWriter(t, c)
		s := writeMessages(t, w, 7, 13)
		if err := w.Flush(t.Context()); err != nil {
			rt.Fatal(err)
		}
		_ = w.Close()
		for _, p := range s.problems(server, w, dead, 7) {
			rt.Error(p)
		}
	})
}

// wholeFault makes the answer to a bulk of n items go wrong as a whole.
func wholeFault(a *elastictest.Answer, kind, n int) {
	switch kind {
	case 0:
		a.Status = 429
	case 1:
		a.Status = 503
	case 2:
		a.CutBefore = true
	case 3:
		a.CutAfter = true
	case 4:
		a.Short = 1
	case 5:
		a.NoItems = true
	case 6:
		a.Truncate = 30
	case 7:
		a.NoProduct = true
	case 8:
		a.Status = 401
	case 9:
		a.Body = []byte(`{"items":[]}`)
	case 10:
		a.Status, a.Error = 400, "parse_exception"
		if n == 1 { // a single document answered so is refused for good
			a.Status = 0
		}
	case 11:
		a.Status = 413
		if n == 1 {
			a.Status = 0
		}
	}
}
