package elastictest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is the stand-in. The exported fields are read under no lock: set them
// before the first request. Methods may be called at any time, from anywhere.
type Server struct {
	// Product is sent as X-Elastic-Product; "" leaves the header out, as
	// OpenSearch does. New sets "Elasticsearch".
	Product string
	// APIKey (base64 of id:key), or User and Password, are what a request must
	// bring, else it is answered 401. All empty: no security.
	APIKey, User, Password string
	// MaxBody is http.max_content_length in bytes, counted after decompression;
	// 0: no limit.
	MaxBody int
	// NoTemplates answers 403 to every _index_template request, NoMetadata to
	// _mapping and _cluster/health: a key with create_doc alone.
	NoTemplates, NoMetadata bool

	http *httptest.Server
	tb   testing.TB

	mu        sync.Mutex
	script    func(Request) Answer
	indices   map[string]*index
	templates map[string]json.RawMessage
	problems  []string
	stats     Stats
}

// Stats count what the server has seen.
type Stats struct {
	Requests int // of any kind
	Bulks    int // _bulk requests that could be parsed
	Items    int // items in them
	Created  int // items stored
	Conflict int // items refused with 409 because the id was there
	InFlight int // bulks being answered now
	MaxBulks int // most bulks ever in flight at once
	MaxBytes int // largest bulk body, uncompressed
}

// New starts a server on loopback. It is closed when the test ends, and the
// test fails if there were Problems.
func New(tb testing.TB) *Server {
	s := &Server{Product: "Elasticsearch", tb: tb,
		indices: map[string]*index{}, templates: map[string]json.RawMessage{}}
	s.http = httptest.NewServer(s)
	tb.Cleanup(func() {
		s.Close()
		for _, p := range s.Problems() {
			tb.Errorf("the stand-in Elasticsearch was sent a bad request: %s", p)
		}
	})
	return s
}

// StartTLS makes s serve HTTPS in place of HTTP; PEM is the certificate to trust.
func (s *Server) StartTLS() {
	s.http.Close()
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = discardLog
	s.http.StartTLS()
}

// URL is http://127.0.0.1:PORT.
func (s *Server) URL() string { return s.http.URL }

// Certificate is the DER of the certificate that StartTLS made.
func (s *Server) Certificate() []byte { return s.http.Certificate().Raw }

// Close stops the server and cuts its connections. It may be called twice.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Problems lists what was wrong with requests so far.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// ForgetProblems clears the list: for tests that send bad requests on purpose.
func (s *Server) ForgetProblems() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = nil
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *Server) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.stats.Requests++
	s.mu.Unlock()
	if s.Product != "" {
		w.Header().Set("X-Elastic-Product", s.Product)
	}
	w.Header().Set("Content-Type", "application/json")
	if !s.authorized(r) {
		w.Header().Add("WWW-Authenticate", `Basic realm="security", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", "ApiKey")
		fail(w, 401, "security_exception", "missing or wrong authentication credentials")
		return
	}
	path := strings.Trim(r.URL.Path, "/")
	switch {
	case path == "": // refused by the bare distribution, and by least-privilege keys
		fail(w, 405, "method_not_allowed", "GET / is not served")
	case path == "_bulk" && r.Method == http.MethodPost:
		s.serveBulk(w, r)
	case path == "_cluster/health" && r.Method == http.MethodGet:
		s.serveHealth(w)
	case strings.HasPrefix(path, "_index_template/"):
		s.serveTemplate(w, r, strings.TrimPrefix(path, "_index_template/"))
	default:
		s.serveIndex(w, r, path)
	}
}

func (s *Server) authorized(r *http.Request) bool {
	switch {
	case s.APIKey != "":
		// The scheme is case-insensitive: the client says APIKey.
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		return strings.EqualFold(scheme, "ApiKey") && key == s.APIKey
	case s.User != "":
		user, password, _ := r.BasicAuth()
		return user == s.User && password == s.Password
	}
	return true
}

func (s *Server) serveHealth(w http.ResponseWriter) {
	if s.NoMetadata {
		fail(w, 403, "security_exception", "action [cluster:monitor/health] is unauthorized")
		return
	}
	write(w, 200, map[string]any{"cluster_name": "elastictest", "status": "green", "number_of_nodes": 1})
}

// fail writes an error as Elasticsearch words it.
func fail(w http.ResponseWriter, status int, kind, reason string) {
	cause := map[string]any{"type": kind, "reason": reason}
	write(w, status, map[string]any{"error": map[string]any{
		"root_cause": []any{cause}, "type": kind, "reason": reason}, "status": status})
}

func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps and strings of ours
	}
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that has gone is the test's business
}

// sleep waits d or until the client has gone.
func sleep(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}
