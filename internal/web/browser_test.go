//go:build browser

package web

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

// What the check is made with, by name and version of the npm registry.
var browserPackages = []string{"playwright-core@1.52.0", "axe-core@4.10.3"}

// TestBrowser looks at the page in a real Chromium, in two widths and two colour
// schemes: no message on the console, nothing that axe finds, live with scripts,
// whole without. Screenshots stay in $XCAPA_PAGE_SHOTS.
func TestBrowser(t *testing.T) {
	chromium := need(t, "a Chromium", "chromium", "chromium-browser", "google-chrome")
	node, npm := need(t, "Node.js", "node"), need(t, "npm", "npm")
	dir := t.TempDir()
	install := exec.Command(npm, append([]string{"install", "--no-save", "--no-audit", "--no-fund", "--prefix", dir}, browserPackages...)...)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm cannot install %v: %v\n%s", browserPackages, err, out)
	}
	shots := os.Getenv("XCAPA_PAGE_SHOTS")
	if shots == "" {
		shots = dir
	}
	script, err := filepath.Abs("testdata/browser.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, script, busy(t), chromium, shots)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// need finds a program or says what is missing.
func need(t *testing.T, what string, names ...string) string {
	t.Helper()
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path
		}
	}
	t.Fatalf("this test needs %s (%s in PATH)", what, strings.Join(names, ", or "))
	return ""
}

// busy serves a job with names from a hostile place, losses, batches by the
// dozen and a quarter of an hour of history, and goes on counting.
func busy(t *testing.T) string {
	start := time.Now()
	var past atomic.Bool // filled in
	source := func() []status.Status {
		if !past.Load() {
			return nil
		}
		return busyStages(start, time.Now())
	}
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, Config{Command: "run", Version: "v1.2.3-4-gabcdef0", Source: source, Pprof: true})
	t.Cleanup(s.Close)
	for i := range status.HistoryPoints {
		at := start.Add(time.Duration(i-status.HistoryPoints) * time.Second)
		s.history.Add(busyStages(start, at))
	}
	past.Store(true)
	return s.URL()
}

func busyStages(start, now time.Time) []status.Status {
	const hostile = `<img src=x onerror=alert(1)>"'`
	since := now.Sub(start.Add(-time.Hour))
	n := uint64(since.Milliseconds()) * 20
	n += uint64(since.Seconds()) % 17 * 400 // uneven
	began := start.Add(-time.Hour)
	capture := status.Status{Stage: "capture", Command: "capture", PID: 101, Started: began, Time: now,
		Ledger: &ledger.Ledger{Time: now, Command: "capture", Rooms: []ledger.Room{
			{Room: "xdp", In: n, Out: n - n/50, Passed: n / 50},
			{Room: "ring", In: n - n/50, Out: n - n/50 - n/900, Dropped: map[ledger.Reason]uint64{ledger.RingFull: n / 900, hostile: 0}},
			{Room: "decode", In: n - n/50 - n/900, Out: n - n/50 - n/900, ByStatus: map[string]uint64{"truncated": n / 7000, "later_fragment": n / 800}},
			{Room: "kafka", In: n - n/50 - n/900, Out: n - n/50 - n/900 - 80, Messages: n / 300, Counts: map[string]uint64{ledger.ErrorsTopic: n / 7000}},
		}},
		Problems: []status.Problem{{Text: "eth1", Last: "no frame for 5 s: the link is down; `ip link set eth1 up`", Count: 2, First: began, Time: now}},
		Options:  []status.Option{{Name: "interface", Value: hostile, Origin: "command line"}, {Name: "property", Value: "sasl.password=********", Origin: "environment XCAPA_PROPERTY"}, {Name: "rings", Value: "4096", Origin: "default"}}}
	index := consuming("index", "xcapa.packets", now, began, n-n/50-n/900-100, 0)
	index.Trouble = "documents wait for Elasticsearch since 10:11:12: overloaded: es-node-with-a-very-long-name.example.internal:9200 answers 429 to every bulk request"
	index.Problems = []status.Problem{{Text: "documents wait: they are sent again", Last: "why=overloaded text=" + strings.Repeat("long", 60), Count: 1234, First: began, Time: now}}
	parse := consuming("parse", hostile, now, began, n/2, 4*time.Second)
	all := []status.Status{capture, parse, index}
	for i := range all {
		all[i].Version = "v1.2.3-4-gabcdef0"
		all[i].Process = status.Process{CPU: status.Duration(since / 5), Resident: 80 << 20, Goroutines: 20}
		all[i].Ledger.Settle()
	}
	return all
}

// consuming is a stage that reads from Kafka.
func consuming(name, topic string, now, began time.Time, n uint64, interval time.Duration) status.Status {
	count := uint64(now.Sub(began).Seconds() * 4)
	s := status.Status{Stage: name, Command: name, PID: 102, Started: began, Time: now, Interval: status.Duration(interval),
		Ledger: &ledger.Ledger{Time: now, Command: name, Rooms: []ledger.Room{
			{Room: "fetch", In: n, Out: n, Messages: count * 3}, {Room: "decode", In: n, Out: n}, {Room: "elastic", In: n, Out: n - 500, Counts: map[string]uint64{"already_indexed": 12}}}},
		Totals: status.Totals{Batches: count, Messages: count * 3, Packets: n,
			Scheduling: status.Duration(count) * status.Duration(26*time.Millisecond), Processing: status.Duration(count) * status.Duration(458*time.Millisecond)}}
	for i := range 120 {
		b := status.Batch{Fetched: now.Add(time.Duration(i-120) * 250 * time.Millisecond), Topic: topic, Partition: int32(i % 4), Cycles: 1, Messages: 3, Packets: 1900,
			Scheduling: status.Duration(26 * time.Millisecond), Processing: status.Duration(458 * time.Millisecond)}
		if interval > 0 {
			b.Partition, b.Cycles = -1, 16
		}
		s.Batches = append(s.Batches, b)
	}
	for i := range int32(4) {
		s.Lag = append(s.Lag, status.Lag{Topic: topic, Partition: i, Committed: int64(n) - 40, End: int64(n), Lag: 40})
	}
	s.Options = []status.Option{{Name: "brokers", Value: "k1:9092, k2:9092", Origin: "file /etc/xcapa.yml:3"}, {Name: "topic", Value: topic, Origin: "command line"}}
	s.LagError = fmt.Sprintf("find the lag of group xcapa-%s: Kafka not reachable", name)
	return s
}
