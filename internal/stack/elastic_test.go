//go:build stack

package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// elasticsearch asks the server under test, without any of our own client.
type elasticsearch struct {
	url   string
	place *place
	auth  string // value of the Authorization header; "": none
}

// ask sends body (nil: none) and decodes the reply into reply.
func (e *elasticsearch) ask(t *testing.T, method, path string, body, reply any) {
	t.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	status, text := e.send(t, method, path, b)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d: %s", method, path, status, text)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(reply); err != nil {
		t.Fatalf("%s %s: %v in %.200s", method, path, err, text)
	}
}

// send sends body as it is and returns status and text of the reply.
func (e *elasticsearch) send(t *testing.T, method, path string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, e.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if e.auth != "" {
		req.Header.Set("Authorization", e.auth)
	}
	res, err := e.place.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text
}

// count refreshes the indices and counts their documents.
func (e *elasticsearch) count(t *testing.T, index string) (n int64) {
	t.Helper()
	var reply struct{ Count int64 }
	e.ask(t, http.MethodPost, "/"+index+"/_refresh", nil, &map[string]any{})
	e.ask(t, http.MethodGet, "/"+index+"/_count", nil, &reply)
	return reply.Count
}

// hit is a document as a search gives it.
type hit struct {
	ID     string         `json:"_id"`
	Index  string         `json:"_index"`
	Source map[string]any `json:"_source"`
	Fields struct {
		RecordID []string      `json:"record_id"`
		Sequence []json.Number `json:"capture_sequence"`
	}
	Sort []any
}

type hits struct{ Hits struct{ Hits []hit } }

// pages goes through all documents in order of record_id, which two documents
// in different indices may share though an _id cannot.
func (e *elasticsearch) pages(t *testing.T, index string, fn func(h *hit)) {
	t.Helper()
	query := map[string]any{
		"size": 10000, "_source": false, "track_total_hits": false,
		"docvalue_fields": []string{"record_id", "capture_sequence"},
		"sort":            []any{map[string]string{"record_id": "asc"}, map[string]string{"_index": "asc"}},
	}
	for {
		var page hits
		e.ask(t, http.MethodPost, "/"+index+"/_search", query, &page)
		if len(page.Hits.Hits) == 0 {
			return
		}
		for i := range page.Hits.Hits {
			fn(&page.Hits.Hits[i])
		}
		query["search_after"] = page.Hits.Hits[len(page.Hits.Hits)-1].Sort
	}
}

// one is the one document that has value in field.
func (e *elasticsearch) one(t *testing.T, index, field string, value any) *hit {
	t.Helper()
	var found hits
	e.ask(t, http.MethodPost, "/"+index+"/_search",
		map[string]any{"query": map[string]any{"term": map[string]any{field: value}}}, &found)
	if n := len(found.Hits.Hits); n != 1 {
		t.Fatalf("%d documents have %s %v, want 1", n, field, value)
	}
	return &found.Hits.Hits[0]
}

func (h *hit) String() string { return fmt.Sprintf("%s in %s", h.ID, h.Index) }
