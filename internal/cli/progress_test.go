package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, tt := range []struct {
		part    float64
		known   bool
		elapsed time.Duration
		want    string
	}{
		{0, true, time.Second, "[------------------------]   0%  sent 7  ETA --:--"},
		{0.25, true, 10 * time.Second, "[######------------------]  25%  sent 7  ETA 00:30"},
		{0.5, true, 2 * time.Hour, "[############------------]  50%  sent 7  ETA 2:00:00"},
		{1, true, time.Minute, "[########################] 100%  sent 7  ETA 00:00"},
		{0, false, 61 * time.Second, "sent 7  01:01"},
	} {
		p := &progress{done: func() (float64, bool) { return tt.part, tt.known }, words: func() string { return "sent 7" }}
		if got := p.line(tt.elapsed); got != tt.want {
			t.Errorf("%v after %v:\ngot  %q\nwant %q", tt.part, tt.elapsed, got, tt.want)
		}
	}
}

// A line replaces the one before, also a longer one, and the last one is taken
// away.
func TestProgressWipes(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, done: func() (float64, bool) { return 0, false }, words: func() string { return "sent 7" }}
	p.show("a long line")
	p.show("short")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.run(ctx)
	if got, want := out.String(), "\ra long line\rshort      \r     \r"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRate(t *testing.T) {
	for text, want := range map[string]float64{"5000": 5000, "100k": 100e3, "1.5M": 1.5e6, "0": 0} {
		var r rate
		if err := r.Set(text); err != nil || float64(r) != want {
			t.Errorf("%s: got %v, %v; want %v", text, float64(r), err, want)
		}
	}
	for _, text := range []string{"", "k", "-1", "many", "1G", "NaN", "Inf", "+Infk", "1e400"} {
		var r rate
		if err := r.Set(text); err == nil || !strings.Contains(err.Error(), "100k") {
			t.Errorf("%q: got %v, %v", text, float64(r), err)
		}
	}
}
