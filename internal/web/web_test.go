package web

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a capture that loses packets and an indexer that is behind.
func running() []status.Status {
	now := time.Now()
	began := now.Add(-90 * time.Second)
	capture := status.Status{Stage: "capture", Command: "capture", Version: "v9", PID: 41, Started: began, Time: now,
		Ledger: &ledger.Ledger{Time: now, Command: "capture", Rooms: []ledger.Room{
			{Room: "xdp", In: 1234567, Out: 1234567},
			{Room: "ring", In: 1234567, Out: 1234000, Dropped: map[ledger.Reason]uint64{ledger.RingFull: 567}},
			{Room: "decode", In: 1234000, Out: 1234000, ByStatus: map[string]uint64{"truncated": 3}},
			{Room: "kafka", In: 1234000, Out: 1233000, Messages: 1300},
		}},
		Options: []status.Option{{Name: "interface", Value: "eth1", Origin: "command line"}, {Name: "rings", Value: "4096", Origin: "default"}}}
	index := status.Status{Stage: "index", Command: "index", Version: "v9", PID: 42, Started: began, Time: now,
		Ledger: &ledger.Ledger{Time: now, Command: "index", Rooms: []ledger.Room{
			{Room: "fetch", In: 9000, Out: 9000}, {Room: "decode", In: 9000, Out: 9000}, {Room: "elastic", In: 9000, Out: 8000},
		}},
		Totals: status.Totals{Batches: 4, Messages: 8, Packets: 9000, Scheduling: status.Duration(400 * time.Millisecond), Processing: status.Duration(6 * time.Second)},
		Batches: []status.Batch{{Fetched: now, Topic: "xcapa.packets", Partition: 2, Cycles: 1, Messages: 2, Packets: 2250,
			Scheduling: status.Duration(100 * time.Millisecond), Processing: status.Duration(1500 * time.Millisecond)}},
		Lag:      []status.Lag{{Topic: "xcapa.packets", Partition: 2, Committed: -1, End: 77, Lag: 77}},
		Problems: []status.Problem{{Text: "documents wait", Last: "why=overloaded", Count: 12, First: began, Time: now}}}
	capture.Ledger.Settle()
	index.Ledger.Settle()
	return []status.Status{capture, index}
}

// serve shows source on a free port and gives its URL without the last slash.
func serve(t *testing.T, c Config) string {
	t.Helper()
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if c.Command == "" {
		c.Command = "run"
	}
	s := Serve(l, c)
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return strings.TrimSuffix(s.URL(), "/")
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// The page is whole as the server sends it: nothing waits for a script.
func TestPageWithoutScripts(t *testing.T) {
	url := serve(t, Config{Version: "v9", Source: running})
	for _, path := range []string{"/", "/streaming/"} {
		resp, body := get(t, url+path)
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		for _, want := range []string{
			"v9", "ready", "1,234,567", `<th scope="row">ring</th>`,
			`<a href="#reason-ring_full"><code>ring_full</code></a>`, `<tr id="reason-ring_full">`, "<code>--rings 16384</code>", "567", "0.0459 %",
			"status: truncated 3", "1,300 messages", // beside the sum
			"Input rate", "Scheduling delay", "Processing time", "Total delay", "average 100 ms", "average 1.5 s", "average 1.6 s",
			"xcapa.packets-2", "2,250", // a batch
			"77 messages behind", "nothing yet", // lag
			"documents wait", "why=overloaded", "12", // problems
			"<code>--interface</code>", "eth1", "command line", // flags
			"balanced so far", "<noscript>", `href="?reload=5"`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
		if strings.Contains(body, "http-equiv") {
			t.Errorf("%s reloads itself without being asked to", path)
		}
	}
	if _, body := get(t, url+"/?reload=5"); !strings.Contains(body, `<meta http-equiv="refresh" content="5">`) {
		t.Error("?reload=5 does not reload")
	}
}

// What comes from outside is text, wherever it is shown.
func TestHostileNamesAreText(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'javascript:alert(3)`
	source := func() []status.Status {
		s := running()
		for i := range s {
			s[i].Stage, s[i].Command, s[i].Version, s[i].Trouble, s[i].LagError = evil, evil, evil, evil, evil
			s[i].Options = []status.Option{{Name: evil, Value: evil}}
			s[i].Problems = []status.Problem{{Text: evil, Last: evil}}
			s[i].Batches = []status.Batch{{Topic: evil}, {Topic: evil, Partition: -1}}
			s[i].Lag = []status.Lag{{Topic: evil}}
			s[i].Ledger.Rooms[0].Room = evil
			s[i].Ledger.Rooms[0].Dropped = map[string]uint64{evil: 1}
			s[i].Ledger.Rooms[0].Counts = map[string]uint64{evil: 1}
			s[i].Ledger.Rooms[0].ByStatus = map[string]uint64{evil: 1}
		}
		return s
	}
	url := serve(t, Config{Command: evil, Version: evil, Source: source})
	_, body := get(t, url+"/")
	for _, bad := range []string{"<script>alert", "<img", "onerror=alert(2)>"} {
		if strings.Contains(body, bad) {
			t.Errorf("%q reached the page as it stands", bad)
		}
	}
	if n := strings.Count(body, "&lt;script&gt;alert(1)"); n < 20 {
		t.Errorf("the name is shown %d times as text, want it everywhere it was given", n)
	}
	for _, path := range []string{"/api/status", "/api/ledger", "/api/history"} {
		if resp, body := get(t, url+path); resp.Header.Get("Content-Type") != "application/json" || strings.Contains(body, "<script>") {
			t.Errorf("%s: %s, or it holds a tag", path, resp.Header.Get("Content-Type"))
		}
	}
	if _, body := get(t, url+"/metrics"); strings.Contains(body, "xcapa_\"") {
		t.Error("a hostile room became a metric name")
	}
}

func TestHeaders(t *testing.T) {
	url := serve(t, Config{Source: running})
	for _, path := range []string{"/", "/assets/page.js", "/assets/page.css", "/api/ledger", "/metrics", "/healthz", "/none"} {
		resp, _ := get(t, url+path)
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, resp.Header)
		}
	}
	for path, want := range map[string]int{"/none": 404, "/assets/page.html": 404, "/assets/": 404, "/debug/pprof/": 404, "/streaming/api/ledger": 200} {
		if resp, _ := get(t, url+path); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	resp, err := http.Post(url+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", resp.StatusCode)
	}
}

// The page and its style hold nothing that the policy forbids.
func TestNothingInline(t *testing.T) {
	_, body := get(t, serve(t, Config{Source: running})+"/")
	for _, bad := range []string{" style=", "<style", " onclick", " onload", "javascript:", "http://", "https://"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if n := strings.Count(body, "<script"); n != 1 {
		t.Errorf("%d script elements, want the one module", n)
	}
}

func TestRebindingIsRefused(t *testing.T) {
	url := serve(t, Config{Source: running})
	for host, want := range map[string]int{"localhost:4050": 200, "LOCALHOST": 200, "127.0.0.1:1": 200, "127.9.9.9": 200, "[::1]:4050": 200, "evil.example": 403, "10.0.0.1": 403, "localhost.evil.example:80": 403} {
		req, err := http.NewRequest("GET", url+"/api/ledger", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	tests := []struct {
		name           string
		change         func([]status.Status) []status.Status
		healthz, ready int
		words          string
	}{
		{"all well", func(s []status.Status) []status.Status { return s }, 200, 200, "index: ready"},
		{"none yet", func([]status.Status) []status.Status { return nil }, 503, 503, "no stage has started yet"},
		{"starting", func(s []status.Status) []status.Status { s[1].Ledger = nil; return s }, 200, 503, "index: starting"},
		{"destination away", func(s []status.Status) []status.Status { s[1].Trouble = "no answer from es:9200"; return s }, 200, 503, "index: no answer from es:9200"},
		{"silent", func(s []status.Status) []status.Status { s[0].Time = time.Now().Add(-time.Minute); return s }, 503, 503, "capture: no report for 1m0s"},
		{"ended", func(s []status.Status) []status.Status { s[0].EndedWith = "killed"; return s }, 503, 503, "capture: ended: killed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, Config{Source: func() []status.Status { return tt.change(running()) }})
			if resp, _ := get(t, url+"/healthz"); resp.StatusCode != tt.healthz {
				t.Errorf("healthz %d, want %d", resp.StatusCode, tt.healthz)
			}
			resp, body := get(t, url+"/readyz")
			if resp.StatusCode != tt.ready || !strings.Contains(body, tt.words) {
				t.Errorf("readyz %d %q, want %d and %q", resp.StatusCode, body, tt.ready, tt.words)
			}
			if _, page := get(t, url+"/"); tt.ready != 200 && strings.Contains(page, `<p id="state" class="state good"`) {
				t.Error("the page says that all is well")
			}
		})
	}
}

func TestLedgerIsTheStatsFilesForm(t *testing.T) {
	_, body := get(t, serve(t, Config{Source: running})+"/api/ledger")
	var l ledger.Ledger
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		t.Fatal(err)
	}
	if l.Command != "run" || l.Final || !l.Balanced || len(l.Rooms) != 7 || l.Rooms[1].Dropped[ledger.RingFull] != 567 || l.Time.IsZero() {
		t.Errorf("ledger %+v", l)
	}
	var stages struct{ Stages []stageLedger }
	if err := json.Unmarshal([]byte(body), &stages); err != nil {
		t.Fatal(err)
	}
	if len(stages.Stages) != 2 || stages.Stages[1].Stage != "index" || len(stages.Stages[1].Ledger.Rooms) != 3 {
		t.Errorf("stages %+v", stages)
	}
	off := func() []status.Status {
		s := running()
		s[1].Ledger.Rooms[1].Out++ // more out than in
		s[1].Ledger.Settle()
		return s
	}
	url := serve(t, Config{Source: off})
	if _, body := get(t, url+"/api/ledger"); !strings.Contains(body, `"balanced": false`) {
		t.Error("books that do not balance are given as balanced")
	}
	if _, body := get(t, url+"/"); !strings.Contains(body, "NOT BALANCED: room decode") {
		t.Error("the page does not say that the books do not balance")
	}
}

func TestHistoryIsSampled(t *testing.T) {
	start := time.Now()
	source := func() []status.Status {
		s := running()
		since := time.Since(start)
		s[1].Ledger.Rooms[0].In = 9000 + uint64(since.Milliseconds()) // 1,000 a second
		s[1].Ledger.Time = start.Add(since)
		return s
	}
	url := serve(t, Config{Source: source})
	deadline := time.Now().Add(20 * time.Second)
	for {
		var series map[string][]status.Point
		_, body := get(t, url+"/api/history")
		if err := json.Unmarshal([]byte(body), &series); err != nil {
			t.Fatal(err)
		}
		if p := series["index"]; len(p) > 0 {
			if p[0].Rate < 990 || p[0].Rate > 1010 {
				t.Errorf("rate %v, want 1000", p[0].Rate)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no sample was taken")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, body := get(t, url+"/"); !strings.Contains(body, `<path class="line" d="M0.0 `) {
		t.Error("the page draws no line")
	}
}

func TestPprofOnlyWhenAsked(t *testing.T) {
	url := serve(t, Config{Source: running, Pprof: true})
	if resp, body := get(t, url+"/debug/pprof/"); resp.StatusCode != 200 || !strings.Contains(body, "goroutine") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

// The default is the first free port from 4050 on, and an error behind 4060. It
// takes what is free on this machine now, and gives all of it back.
func TestPortFallback(t *testing.T) {
	last := FirstPort - 1
	for {
		l, err := Listen("")
		if err != nil {
			if !errors.Is(err, ErrNoPort) {
				t.Fatal(err)
			}
			break
		}
		defer l.Close()
		a := l.Addr().(*net.TCPAddr)
		if !a.IP.IsLoopback() || a.Port <= last || a.Port > LastPort {
			t.Fatalf("got %v after port %d", a, last)
		}
		last = a.Port
	}
	if _, err := Listen("127.0.0.1:nonsense"); err == nil {
		t.Error("an address that is none was taken")
	}
}

func TestURL(t *testing.T) {
	l, err := Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, Config{Source: running})
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if !s.Public() || !strings.HasPrefix(s.URL(), "http://localhost:") {
		t.Errorf("public %v, %s", s.Public(), s.URL())
	}
	req, err := http.NewRequest("GET", s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "monitor.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("a page that was opened to all refuses a name: %d", resp.StatusCode)
	}
	s.Close() // twice is allowed
}
