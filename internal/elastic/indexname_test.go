package elastic

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestIndexName(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixNano()
	}
	seen := "2026-11-23T12:00:00Z"
	for _, tc := range []struct {
		name, packet, seen string
		kind               TimeBased
		want               string
	}{
		{"today", "2026-11-23T05:38:00Z", seen, Today, "p.2026.11.23"},
		{"last_ns_of_the_day", "2026-11-23T23:59:59.999999999Z", seen, Today, "p.2026.11.23"},
		{"midnight", "2026-11-24T00:00:00Z", seen, Today, "p.2026.11.24"},
		{"other_zone_is_utc", "2017-04-27T01:49:00+06:00", seen, Today, "p.2017.04.26"}, // 1493236140
		{"leap_day", "2024-02-29T23:59:59Z", seen, Today, "p.2024.02.29"},
		{"epoch", "1970-01-01T00:00:00Z", seen, Today, "p.1970.01.01"},
		{"yesterday", "2026-11-01T00:00:00Z", seen, Yesterday, "p.2026.10.31"},
		{"yesterday_of_the_epoch", "1970-01-01T00:00:00Z", seen, Yesterday, "p.1969.12.31"},
		{"monthly", "2026-11-30T23:59:59Z", "2026-11-30T23:59:59Z", Monthly, "p.2026.11"},
		{"never", "2026-11-23T05:38:00Z", seen, Never, "p"},
		{"never_in_2106", "2106-02-07T06:28:15Z", seen, Never, "p"},
		{"just_ahead", "2026-11-24T12:00:00Z", seen, Today, "p.2026.11.24"},
		{"too_far_ahead", "2026-11-24T12:00:00.000000001Z", seen, Today, "p.outside"},
		{"year_2106", "2106-02-07T06:28:15Z", seen, Today, "p.outside"},
		{"year_2262", "2262-04-11T23:47:16.854775807Z", seen, Today, "p.outside"},
		{"ahead_monthly", "2027-02-07T06:28:15Z", seen, Monthly, "p.outside"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNamer("p", tc.kind, 10)
			if got := n.name(at(tc.packet), time.Unix(0, at(tc.seen))); got != tc.want {
				t.Errorf("packet of %s in a message of %s: %s, want %s", tc.packet, tc.seen, got, tc.want)
			}
			if got := n.name(at(tc.packet), time.Unix(0, at(tc.seen))); got != tc.want {
				t.Errorf("the second time: %s, want %s", got, tc.want)
			}
		})
	}
}

// TestIndexNameHostile: 200,000 timestamps drawn from all of 1970..2262 make a
// bounded number of indices, and live packets between them keep theirs.
func TestIndexNameHostile(t *testing.T) {
	const limit = 50
	n := newNamer("p", Today, limit)
	seen := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	names := map[string]bool{}
	for i := range 200_000 {
		names[n.name(rand.Int64(), seen)] = true
		if i%100 == 0 {
			if got := n.name(seen.UnixNano(), seen); got != "p.2026.11.23" {
				t.Fatalf("a live packet goes to %s", got)
			}
		}
	}
	// The old ones, outside, and the four days of the window.
	if len(names) > limit+1+4 {
		t.Errorf("%d indices, want at most %d", len(names), limit+1+4)
	}
	if !names["p.outside"] || n.overflow == 0 {
		t.Errorf("nothing went to p.outside")
	}
}

// TestIndexNameYears: a process that runs for three years does not run out of
// indices for the packets of the day.
func TestIndexNameYears(t *testing.T) {
	n := newNamer("p", Today, 5)
	day := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for range 3 * 365 {
		if got, want := n.name(day.UnixNano(), day), day.Format("p.2006.01.02"); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		day = day.AddDate(0, 0, 1)
	}
}

func TestParseTimeBased(t *testing.T) {
	for name, want := range map[string]TimeBased{"no": Never, "none": Never, "NONE": Never, "today": Today, "yesterday": Yesterday, "monthly": Monthly} {
		if got, err := ParseTimeBased(name); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, want)
		}
	}
	if _, err := ParseTimeBased("weekly"); err == nil {
		t.Error("weekly: no error")
	}
}

func BenchmarkIndexName(b *testing.B) {
	n := newNamer("packets_index", Today, 10)
	seen := time.Unix(0, someDay)
	nanos := someDay
	for b.Loop() {
		nanos += 1000
		n.name(nanos, seen)
	}
}
