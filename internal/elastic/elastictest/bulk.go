package elastictest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxIDLen is Elasticsearch's limit for an _id, in bytes.
const maxIDLen = 512

func (s *Server) serveBulk(w http.ResponseWriter, r *http.Request) {
	body, status := s.readBody(r)
	if status != 0 {
		if status == 413 { // Netty answers, not Elasticsearch: no body, no product
			w.Header().Del("X-Elastic-Product")
			w.Header().Set("Connection", "close")
			w.WriteHeader(413)
			return
		}
		fail(w, status, "media_type_header_exception", "Content-Type")
		return
	}
	items, err := parseBulk(body)
	if err != nil {
		s.problem("POST /_bulk: %v", err)
		fail(w, 400, "illegal_argument_exception", err.Error())
		return
	}
	a := s.begin(items, len(body))
	defer s.end()
	sleep(r, a.Delay)
	s.answer(w, items, a)
}

// readBody returns the uncompressed body, or the status to refuse it with.
func (s *Server) readBody(r *http.Request) ([]byte, int) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if kind != "application/x-ndjson" && kind != "application/json" {
		s.problem("POST /_bulk: Content-Type %q, want application/x-ndjson", kind)
		return nil, 406
	}
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			s.problem("POST /_bulk: %v", err)
			return nil, 400
		}
		in = z
	}
	if s.MaxBody > 0 {
		in = io.LimitReader(in, int64(s.MaxBody)+1)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, 400 // the client went away in the middle
	}
	if s.MaxBody > 0 && len(body) > s.MaxBody {
		return nil, 413
	}
	return body, 0
}

// parseBulk reads the actions of an NDJSON body as strictly as the server does.
func parseBulk(body []byte) ([]Item, error) {
	if len(body) == 0 {
		return nil, errors.New("request body is required")
	}
	if body[len(body)-1] != '\n' {
		return nil, errors.New("the bulk request must be terminated by a newline [\\n]")
	}
	lines := bytes.Split(body[:len(body)-1], []byte("\n"))
	if len(lines)%2 != 0 {
		return nil, fmt.Errorf("%d lines: an action without its document", len(lines))
	}
	items := make([]Item, 0, len(lines)/2)
	for i := 0; i < len(lines); i += 2 {
		it, err := parseAction(lines[i])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		it.Doc = lines[i+1]
		items = append(items, it)
	}
	return items, nil
}

func parseAction(line []byte) (Item, error) {
	var action map[string]map[string]string
	if err := json.Unmarshal(line, &action); err != nil {
		return Item{}, fmt.Errorf("malformed action line %q: %w", line, err)
	}
	meta, ok := action["create"]
	if !ok || len(action) != 1 {
		return Item{}, fmt.Errorf("action line %q: only create is expected", line)
	}
	for key := range meta {
		if key != "_index" && key != "_id" {
			return Item{}, fmt.Errorf("action line %q: unknown parameter [%s]", line, key)
		}
	}
	it := Item{Index: meta["_index"], ID: meta["_id"]}
	switch {
	case it.Index == "":
		return it, fmt.Errorf("action line %q: no _index", line)
	case it.ID == "":
		return it, fmt.Errorf("action line %q: no _id", line)
	case len(it.ID) > maxIDLen:
		return it, fmt.Errorf("id is too long, must be no longer than 512 bytes but was: %d", len(it.ID))
	}
	return it, nil
}

// begin counts a request and asks the script.
func (s *Server) begin(items []Item, size int) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.stats.Bulks
	s.stats.Bulks++
	s.stats.Items += len(items)
	s.stats.InFlight++
	s.stats.MaxBulks = max(s.stats.MaxBulks, s.stats.InFlight)
	s.stats.MaxBytes = max(s.stats.MaxBytes, size)
	if s.script == nil {
		return Answer{}
	}
	return s.script(Request{N: n, Items: items, Bytes: size})
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.InFlight--
}

// answer stores what is to be stored and replies.
func (s *Server) answer(w http.ResponseWriter, items []Item, a Answer) {
	if a.NoProduct {
		w.Header().Del("X-Elastic-Product")
	}
	switch {
	case a.CutBefore:
		panic(http.ErrAbortHandler)
	case a.Status != 0:
		fail(w, a.Status, a.Error, "scripted")
		return
	case a.NoItems:
		_, _ = io.WriteString(w, `{"errors":false}`)
		return
	case a.Body != nil:
		_, _ = w.Write(a.Body)
		return
	}
	reply := s.store(items, a)
	switch {
	case a.CutAfter:
		panic(http.ErrAbortHandler)
	case a.Endless:
		endless(w, reply)
	case a.Truncate > 0:
		w.Header().Set("Content-Length", fmt.Sprint(len(reply)))
		_, _ = w.Write(reply[:min(a.Truncate, len(reply))])
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write(reply)
	}
}

// endless writes reply without its end, then blanks until the client goes.
func endless(w http.ResponseWriter, reply []byte) {
	_, err := w.Write(reply[:len(reply)-2])
	blanks := bytes.Repeat([]byte(" "), 1<<16)
	for err == nil {
		_, err = w.Write(blanks)
	}
}

// store applies the items and returns the reply, already filtered as
// filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason.
func (s *Server) store(items []Item, a Answer) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list bytes.Buffer
	failed := false
	for i, it := range items {
		var ans ItemAnswer
		if a.Item != nil {
			ans = a.Item(i, it)
		}
		if ans.Status == 0 {
			ans = s.create(it)
		}
		if i >= len(items)-a.Short {
			continue
		}
		if i > 0 {
			list.WriteByte(',')
		}
		writeItem(&list, ans)
		failed = failed || ans.Status >= 300
	}
	return fmt.Appendf(nil, `{"errors":%v,"items":[%s]}`, failed, list.Bytes())
}

func writeItem(b *bytes.Buffer, a ItemAnswer) {
	if a.Error == "" {
		fmt.Fprintf(b, `{"create":{"status":%d}}`, a.Status)
		return
	}
	fmt.Fprintf(b, `{"create":{"status":%d,"error":{"type":%q,"reason":%q}}}`, a.Status, a.Error, a.Reason)
}
