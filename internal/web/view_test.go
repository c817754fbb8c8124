package web

import (
	"testing"
	"time"

	"xcapa/internal/status"
)

func TestDelay(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 340 * time.Microsecond: "340 µs", 26 * time.Millisecond: "26 ms", 1234 * time.Millisecond: "1.23 s",
		-5 * time.Millisecond: "−5 ms", 90 * time.Second: "90 s", 150 * time.Second: "2m30s",
	} {
		if got := delay(status.Duration(d)); got != want {
			t.Errorf("delay(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 19.57: "19.6", 703: "703", 1234: "1234", 27000: "27 k", 1.05e6: "1.05 M", 2e9: "2 G"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestPaths(t *testing.T) {
	at := time.Unix(0, 0)
	points := []status.Point{{Time: at, Rate: 0}, {Time: at.Add(time.Second), Rate: 50}, {Time: at.Add(2 * time.Second), Rate: 100}}
	c := draw("Input rate", short, 50, points, func(p *status.Point) (float64, bool) { return p.Rate, true })
	if c.Line != "M0.0 99.0L0.0 99.0L300.0 51.0L600.0 3.0" || c.Area != "M0.0 100L0.0 99.0L0.0 99.0L300.0 51.0L600.0 3.0L600.0 100Z" {
		t.Errorf("line %s\narea %s", c.Line, c.Area)
	}
	if c.Latest != "100" || c.Most != "100" || c.Mean != "50" || c.From != "2s" {
		t.Errorf("figures %+v", c)
	}
	if c := draw("x", short, 0, nil, nil); !c.Empty || c.Line != "" {
		t.Errorf("a chart of nothing: %+v", c)
	}
}
