package metrics

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

// two are a capture and an index stage as run has them.
func two() []status.Status {
	now := time.Now()
	capture := status.Status{Stage: "capture", Version: "v9", Started: now, Time: now, Ledger: &ledger.Ledger{Rooms: []ledger.Room{
		{Room: "xdp", In: 1000, Out: 990, Passed: 10},
		{Room: "ring", In: 990, Out: 980, Dropped: map[ledger.Reason]uint64{ledger.RingFull: 7, ledger.FillRingEmpty: 3}},
		{Room: "decode", In: 980, Out: 980, ByStatus: map[string]uint64{"truncated": 4}},
		{Room: "kafka", In: 980, Out: 900, Messages: 12, Counts: map[string]uint64{ledger.ErrorsTopic: 4}},
	}}}
	capture.Ledger.Settle()
	index := status.Status{Stage: "index", Version: "v9", Started: now, Time: now.Add(-time.Minute), Ledger: &ledger.Ledger{Rooms: []ledger.Room{
		{Room: "fetch", In: 896, Out: 896}, {Room: "decode", In: 896, Out: 897}, {Room: "odd room", In: 1},
	}},
		Totals:       status.Totals{Batches: 8, Packets: 896, Scheduling: status.Duration(4 * time.Second), Processing: status.Duration(1500 * time.Millisecond)},
		Lag:          []status.Lag{{Topic: "xcapa.packets", Partition: 3, Lag: 17}},
		ProblemCount: 7}
	index.Ledger.Settle()
	return []status.Status{capture, index}
}

func scrape(t *testing.T, source status.Source) string {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(source).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestScrape(t *testing.T) {
	got := scrape(t, two)
	for _, want := range []string{
		`xcapa_build_info{stage="capture",version="v9"} 1`,
		`xcapa_xdp_in_packets_total{stage="capture"} 1000`,
		`xcapa_xdp_passed_packets_total{stage="capture"} 10`,
		`xcapa_ring_out_packets_total{stage="capture"} 980`,
		`xcapa_decode_in_packets_total{stage="capture"} 980`,
		`xcapa_decode_in_packets_total{stage="index"} 896`,
		`xcapa_kafka_in_flight_packets{stage="capture"} 80`,
		`xcapa_decode_in_flight_packets{stage="index"} -1`,
		`xcapa_kafka_messages_total{stage="capture"} 12`,
		`xcapa_dropped_packets_total{reason="ring_full",room="ring",stage="capture"} 7`,
		`xcapa_dropped_packets_total{reason="fill_ring_empty",room="ring",stage="capture"} 3`,
		`xcapa_decoded_packets_total{room="decode",stage="capture",status="truncated"} 4`,
		`xcapa_counted_packets_total{room="kafka",stage="capture",what="errors_topic"} 4`,
		`xcapa_ledger_balanced{stage="capture"} 1`,
		`xcapa_ledger_balanced{stage="index"} 0`,
		`xcapa_kafka_lag_messages{partition="3",stage="index",topic="xcapa.packets"} 17`,
		`xcapa_batches_total{stage="index"} 8`,
		`xcapa_batch_scheduling_delay_seconds_total{stage="index"} 4`,
		`xcapa_batch_processing_time_seconds_total{stage="index"} 1.5`,
		`xcapa_stage_problems_total{stage="index"} 7`,
		`xcapa_stage_up{stage="capture"} 1`,
		`xcapa_stage_up{stage="index"} 0`,
		`xcapa_scrape_skipped 1`, // the odd room
		`# TYPE xcapa_dropped_packets_total counter`,
		`# TYPE xcapa_xdp_in_flight_packets gauge`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if !strings.Contains(got, "\ngo_goroutines ") {
		t.Error("the scrape lacks the runtime's figures")
	}
	if strings.Contains(got, "odd room") {
		t.Error("a room's name went into the scrape unchecked")
	}
	if t.Failed() {
		t.Log(got)
	}
}

// A scrape is what the stages are at that moment, never what they were.
func TestScrapeReadsWhenScraped(t *testing.T) {
	n := uint64(0)
	source := func() []status.Status {
		n++
		return []status.Status{{Stage: "capture", Ledger: &ledger.Ledger{Rooms: []ledger.Room{{Room: "xdp", In: n}}}}}
	}
	h := Handler(source)
	for i := 1; i <= 3; i++ {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if want := fmt.Sprintf("xcapa_xdp_in_packets_total{stage=\"capture\"} %d\n", i); !strings.Contains(w.Body.String(), want) {
			t.Errorf("scrape %d lacks %s", i, want)
		}
	}
}

func TestNothingYet(t *testing.T) {
	got := scrape(t, func() []status.Status { return []status.Status{{Stage: "capture"}} })
	if !strings.Contains(got, `xcapa_stage_ready{stage="capture"} 0`) || strings.Contains(got, "xcapa_xdp") {
		t.Errorf("a stage that has not opened yet:\n%s", got)
	}
	scrape(t, func() []status.Status { return nil })
}

// A label that is no UTF-8 costs its own line and no other.
func TestBadLabel(t *testing.T) {
	got := scrape(t, func() []status.Status {
		s := two()
		s[1].Lag[0].Topic = "caf\xe9"
		return s
	})
	if !strings.Contains(got, `xcapa_xdp_in_packets_total{stage="capture"} 1000`) || strings.Contains(got, "caf") {
		t.Error("a bad label took the scrape with it, or got through")
	}
}

// Names follow the rule: xcapa_<room>_<what>_<unit>[_total], counters end in
// _total and nothing else does.
func TestNames(t *testing.T) {
	rule := regexp.MustCompile(`^xcapa_(<room>|[a-z]+)_[a-z_]+$`)
	for _, f := range families {
		if f.name != "xcapa_batches_total" && !rule.MatchString(f.name) {
			t.Errorf("%s does not follow the rule", f.name)
		}
		if strings.HasSuffix(f.name, "_total") != (f.kind == counter) {
			t.Errorf("%s: counters end in _total, gauges do not", f.name)
		}
		if f.help == "" || !strings.HasSuffix(f.help, ".") && !strings.HasSuffix(f.help, "...") {
			t.Errorf("%s: help %q is no sentence", f.name, f.help)
		}
		if slices.Contains(f.labels, "stage") {
			t.Errorf("%s lists the label stage, which all have", f.name)
		}
	}
}

// docs/monitoring.md lists the families as they are.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Describe() {
		if row := fmt.Sprintf("| `%s` | %s | %s |", d.Name, d.Kind, d.Help); !strings.Contains(string(b), row) {
			t.Errorf("docs/monitoring.md lacks the row\n%s", row)
		}
	}
}
