package elastic

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/message"
)

// TestIndexField: a document that names its index goes there, whole name, no
// date; a name that no index may have, and names beyond the limit, count for
// nothing. A document without a type gets the default one.
func TestIndexField(t *testing.T) {
	s := elastictest.New(t)
	w := fieldsWriter(t, s, Config{IndexField: "search_index", TypeField: "kind", DefaultType: "events", MaxOldIndices: 2})
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	row := func(id, index, kind string) codec.Row {
		doc := fmt.Sprintf(`{"@timestamp":"2026-11-23T12:00:00Z","record_id":%q`, id)
		if index != "" {
			doc += fmt.Sprintf(`,"search_index":%q`, index)
		}
		if kind != "" {
			doc += fmt.Sprintf(`,"kind":%q`, kind)
		}
		return codec.Row{ID: []byte(id), JSON: []byte(doc + "}")}
	}
	rows := []codec.Row{row("a", "", ""), row("b", "mine", "odd"), row("c", "Not An Index", ""), row("d", "second", ""), row("e", "third", "")}
	for i := range rows {
		rows[i].TimestampNanos = at.UnixNano()
	}
	if err := w.Write(t.Context(), &message.Message{Topic: "t", Time: at}, rows, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]struct{ index, kind string }{
		"a": {"packets_index.2026.11.23", "events"}, "b": {"mine", "odd"}, "c": {"packets_index.2026.11.23", "events"},
		"d": {"second", "events"}, "e": {"packets_index.2026.11.23", "events"}, // the third name is over the limit
	} {
		if got := s.Has(id); len(got) != 1 || got[0] != want.index {
			t.Errorf("document %s is in %v, want %s", id, got, want.index)
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal(s.Documents(want.index)[id], &doc); err != nil || doc["kind"] != want.kind {
			t.Errorf("document %s has kind %v (%v), want %s", id, doc["kind"], err, want.kind)
		}
	}
}

func fieldsWriter(t *testing.T, s *elastictest.Server, c Config) *Writer {
	t.Helper()
	c.Hosts = []string{s.URL()}
	client, err := NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(client, nil)
	t.Cleanup(func() { _ = w.Close(); client.Close() })
	return w
}

func TestSetBackoff(t *testing.T) {
	for policy, want := range map[string][2]time.Duration{
		"":                          {DefaultBackoffInit, DefaultBackoffMax},
		"defaultExponentialBackoff": {DefaultBackoffInit, DefaultBackoffMax},
		"exponentialBackoff":        {500 * time.Millisecond, DefaultBackoffMax},
		"constantBackoff":           {500 * time.Millisecond, 500 * time.Millisecond},
		"noBackoff":                 {leastBackoff, leastBackoff},
	} {
		var c Config
		if err := c.SetBackoff(policy, 500*time.Millisecond); err != nil || c.BackoffInit != want[0] || c.BackoffMax != want[1] {
			t.Errorf("%q: %v to %v, error %v; want %v", policy, c.BackoffInit, c.BackoffMax, err, want)
		}
	}
	var c Config
	if c.SetBackoff("linear", time.Second) == nil || c.SetBackoff("constantBackoff", 0) == nil {
		t.Error("an unknown policy or a delay of 0 is taken")
	}
}
