package elastictest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

// index is one index: its documents by _id and its mapping, nil while none of
// the templates matched when it was made.
type index struct {
	docs    map[string][]byte
	mapping *mapping
}

// Documents returns a copy of what an index holds, by _id; nil if there is no
// such index.
func (s *Server) Documents(name string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ix := s.indices[name]; ix != nil {
		return maps.Clone(ix.docs)
	}
	return nil
}

// Count is the number of documents over all indices.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, ix := range s.indices {
		n += len(ix.docs)
	}
	return n
}

// Indices lists the names of the indices, sorted.
func (s *Server) Indices() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.indices))
}

// Has reports whether some index holds a document with this _id, and which.
func (s *Server) Has(id string) (indices []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, ix := range s.indices {
		if _, ok := ix.docs[id]; ok {
			indices = append(indices, name)
		}
	}
	return indices
}

// CreateIndex makes an index with a mapping ({"dynamic":..,"properties":..});
// nil: a dynamic one.
func (s *Server) CreateIndex(name string, mappings []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix := &index{docs: map[string][]byte{}}
	if mappings != nil {
		m, err := parseMapping(mappings)
		if err != nil {
			panic(err) // the test's own JSON
		}
		ix.mapping = m
	}
	s.indices[name] = ix
}

// create stores one document; s.mu is held.
func (s *Server) create(it Item) ItemAnswer {
	if bad := badIndexName(it.Index); bad != "" {
		return ItemAnswer{400, "invalid_index_name_exception", bad}
	}
	ix := s.indices[it.Index]
	if ix == nil {
		ix = &index{docs: map[string][]byte{}, mapping: s.templateFor(it.Index)}
		s.indices[it.Index] = ix
	}
	if _, ok := ix.docs[it.ID]; ok {
		s.stats.Conflict++
		return ItemAnswer{409, "version_conflict_engine_exception",
			fmt.Sprintf("[%s]: version conflict, document already exists (current version [1])", it.ID)}
	}
	if kind, reason := ix.mapping.check(it.Doc); kind != "" {
		return ItemAnswer{400, kind, reason}
	}
	ix.docs[it.ID] = bytes.Clone(it.Doc)
	s.stats.Created++
	return ItemAnswer{Status: 201}
}

// badIndexName says what Elasticsearch has against a name; "" if nothing.
func badIndexName(name string) string {
	switch {
	case name != strings.ToLower(name):
		return "must be lowercase"
	case strings.ContainsAny(name, " \"*\\<|,>/?#:"):
		return "must not contain the following characters"
	case strings.ContainsAny(name[:1], "_-+"):
		return "must not start with '_', '-', or '+'"
	case len(name) > 255:
		return "index name is too long"
	}
	return ""
}

// serveTemplate answers GET and PUT _index_template/NAME.
func (s *Server) serveTemplate(w http.ResponseWriter, r *http.Request, name string) {
	if s.NoTemplates {
		fail(w, 403, "security_exception", "action [indices:admin/index_template/put] is unauthorized")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil || !json.Valid(body) {
			fail(w, 400, "x_content_parse_exception", "not JSON")
			return
		}
		if _, _, err := parseTemplate(body); err != nil {
			fail(w, 400, "mapper_parsing_exception", err.Error())
			return
		}
		s.templates[name] = body
		write(w, 200, map[string]any{"acknowledged": true})
	case http.MethodGet:
		t, ok := s.templates[name]
		if !ok {
			fail(w, 404, "resource_not_found_exception", "index template matching ["+name+"] not found")
			return
		}
		write(w, 200, map[string]any{"index_templates": []any{
			map[string]any{"name": name, "index_template": t}}})
	default:
		fail(w, 405, "method_not_allowed", r.Method)
	}
}

// templateFor returns the mapping a new index gets; s.mu is held.
func (s *Server) templateFor(name string) *mapping {
	for _, t := range s.templates {
		patterns, m, err := parseTemplate(t)
		if err != nil {
			continue // refused at PUT, cannot be
		}
		for _, p := range patterns {
			if ok, _ := path.Match(p, name); ok {
				return m
			}
		}
	}
	return nil
}

// serveIndex answers INDEX/_mapping, INDEX/_count, INDEX/_doc/ID, _refresh.
func (s *Server) serveIndex(w http.ResponseWriter, r *http.Request, p string) {
	target, rest, _ := strings.Cut(p, "/")
	if strings.HasPrefix(target, "_") {
		target, rest = "*", p
	}
	switch {
	case rest == "_mapping" && r.Method == http.MethodGet:
		s.serveMapping(w, target)
	case rest == "_mapping" && r.Method == http.MethodPut:
		s.extendMapping(w, r, target)
	case rest == "_count":
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for _, name := range s.match(target) {
			n += len(s.indices[name].docs)
		}
		write(w, 200, map[string]any{"count": n})
	case rest == "_refresh":
		write(w, 200, map[string]any{"_shards": map[string]any{"failed": 0}})
	case strings.HasPrefix(rest, "_doc/") && r.Method == http.MethodGet:
		s.serveDocument(w, target, strings.TrimPrefix(rest, "_doc/"))
	default:
		s.problem("%s %s: nothing here serves that", r.Method, r.URL.Path)
		fail(w, 400, "illegal_argument_exception", "no handler found for uri ["+r.URL.Path+"]")
	}
}

func (s *Server) serveDocument(w http.ResponseWriter, name, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var doc []byte
	if ix := s.indices[name]; ix != nil {
		doc = ix.docs[id]
	}
	if doc == nil {
		write(w, 404, map[string]any{"_index": name, "_id": id, "found": false})
		return
	}
	write(w, 200, map[string]any{"_index": name, "_id": id, "found": true, "_source": json.RawMessage(doc)})
}

func (s *Server) serveMapping(w http.ResponseWriter, target string) {
	if s.NoMetadata {
		fail(w, 403, "security_exception", "action [indices:admin/mappings/get] is unauthorized")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]any{}
	for _, name := range s.match(target) {
		m := s.indices[name].mapping
		if m == nil {
			m = &mapping{}
		}
		out[name] = map[string]any{"mappings": m}
	}
	write(w, 200, out)
}

func (s *Server) extendMapping(w http.ResponseWriter, r *http.Request, target string) {
	if s.NoMetadata || s.NoTemplates {
		fail(w, 403, "security_exception", "action [indices:admin/mapping/put] is unauthorized")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	add, err := parseMapping(body)
	if err != nil {
		fail(w, 400, "mapper_parsing_exception", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.match(target) {
		if m := s.indices[name].mapping; m != nil {
			maps.Copy(m.Properties, add.Properties)
		}
	}
	write(w, 200, map[string]any{"acknowledged": true})
}

// match lists the indices that a target ("a,b*") names; s.mu is held.
func (s *Server) match(target string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.indices)) {
		for p := range strings.SplitSeq(target, ",") {
			if ok, _ := path.Match(p, name); ok {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

// PutTemplate installs a composable template behind the server's back.
func (s *Server) PutTemplate(name string, body []byte) {
	if _, _, err := parseTemplate(body); err != nil {
		panic(err) // the test's own JSON
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[name] = bytes.Clone(body)
}
