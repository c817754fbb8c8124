package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"xcapa/internal/codec"
	"xcapa/internal/record"
)

// TestRealServer runs template and writer against the Elasticsearch at
// XCAPA_TEST_ELASTICSEARCH (without security), under a prefix of its own: what
// the stand-in takes, the real one must take.
func TestRealServer(t *testing.T) {
	host := os.Getenv("XCAPA_TEST_ELASTICSEARCH")
	if host == "" {
		t.Skip("XCAPA_TEST_ELASTICSEARCH is not set: nothing real is tested")
	}
	c := Config{Hosts: []string{host}, Index: fmt.Sprintf("xcapatest-%d", time.Now().UnixNano()), JSON: codec.JSONOptions{CommunityID: true}}
	client := newTestClient(t, c)
	if err := client.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state, err := client.EnsureTemplate(t.Context(), true); err != nil || state != TemplateInstalled {
		t.Fatalf("EnsureTemplate: %s, %v, want %s", state, err, TemplateInstalled)
	}
	index := c.Index + ".2026.11.23"
	t.Cleanup(func() {
		ctx := context.Background() // the test's own has ended
		for _, r := range []esapi.Request{
			esapi.IndicesDeleteRequest{Index: []string{index}},
			esapi.IndicesDeleteIndexTemplateRequest{Name: TemplateName(c.Index)},
		} {
			if _, err := client.do(ctx, r); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
	})
	if state, err := client.EnsureTemplate(t.Context(), false); err != nil || state != TemplatePresent {
		t.Errorf("the second time: %s, %v, want %s", state, err, TemplatePresent)
	}

	const messages, rows = 20, 1000
	for round := range 2 {
		w, dead := newTestWriter(t, c)
		list := make([]codec.Row, rows)
		for o := range int64(messages) {
			for i := range list {
				list[i] = benchRow()
				list[i].Sequence = uint64(o)*rows + uint64(i)
				list[i].ID = record.AppendID(nil, &list[i].Record, list[i].Origin)
			}
			if o == 3 { // one that no mapping takes
				list[7].JSON = []byte(`{"src_port":"eighty"}`)
			}
			if err := w.Write(t.Context(), testMessage(o), list, func() {}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := w.Room()
		if r.Out != messages*rows || r.Counts["already_indexed"] != uint64(round)*(messages*rows-1) || len(dead.failures()) != 1 {
			t.Errorf("round %d: room %+v with %d dead letters; want all out, one dead letter", round, r, len(dead.failures()))
		}
		for _, f := range dead.failures() {
			if f.Position != 3 || f.Row != 7 || f.Code != "document_parsing_exception" {
				t.Errorf("round %d: dead letter %s of message %d row %d: %s", round, f.Code, f.Position, f.Row, f.Message)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.EnsureTemplate(t.Context(), false); err != nil {
		t.Errorf("with the index made from it: %v", err)
	}
	checkRealDocument(t, client, index, messages*rows-1)
	other := newTestClient(t, Config{Hosts: c.Hosts, Index: c.Index, JSON: codec.JSONOptions{Schema: record.SchemaSeed}})
	if _, err := other.EnsureTemplate(t.Context(), false); !errors.Is(err, ErrMapping) {
		t.Errorf("another schema under the same prefix: %v, want %v", err, ErrMapping)
	}
}

// checkRealDocument asks the server itself what it holds.
func checkRealDocument(t *testing.T, client *Client, index string, count int) {
	t.Helper()
	if _, err := client.do(t.Context(), esapi.IndicesRefreshRequest{Index: []string{index}}); err != nil {
		t.Fatal(err)
	}
	b, err := client.do(t.Context(), esapi.CountRequest{Index: []string{index}})
	var reply struct {
		Count int `json:"count"`
	}
	if err != nil || json.Unmarshal(b, &reply) != nil || reply.Count != count {
		t.Errorf("count: %s, %v, want %d", b, err, count)
	}
	row := benchRow()
	row.Sequence = 4711
	id := record.AppendID(nil, &row.Record, row.Origin)
	b, err = client.do(t.Context(), esapi.GetSourceRequest{Index: index, DocumentID: string(id)})
	if want := codec.AppendJSON(nil, &row.Record, row.Origin, &codec.JSONOptions{CommunityID: true}); err != nil || string(b) != string(want) {
		t.Errorf("document %s: %v\ngot  %s\nwant %s", id, err, b, want)
	}
}
