package ledger

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// capture1000 is the example of the interface description.
func capture1000() *Ledger {
	return &Ledger{
		Time: time.Unix(0, 0).UTC(), Command: "capture", Final: true,
		Rooms: []Room{
			{Room: "xdp", In: 1000, Out: 990, Passed: 10},
			{Room: "ring", In: 990, Out: 988, Dropped: map[Reason]uint64{FillRingEmpty: 2}},
			{Room: "decode", In: 988, Out: 988, ByStatus: map[string]uint64{"truncated": 3}},
			{Room: "kafka", In: 988, Out: 988, Counts: map[string]uint64{ErrorsTopic: 3}},
		},
	}
}

func TestSettle(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Ledger)
		want   string // part of the verdict
	}{
		{"balanced", func(*Ledger) {}, "balanced: in ="},
		{"uncounted loss", func(l *Ledger) { l.Rooms[1].Dropped = nil }, "room ring: in 990, out 988, passed 0, dropped 0 leave 2"},
		{"more out than in", func(l *Ledger) { l.Rooms[2].Out++ }, "room decode: in 988, out 989, passed 0, dropped 0 leave -1"},
		{"lost between rooms", func(l *Ledger) { l.Rooms[2].In, l.Rooms[2].Out = 980, 980 }, "room decode took in 980 of the 988 handed to it by ring"},
		{"in flight while running", func(l *Ledger) { l.Final = false; l.Rooms[3].Out = 900 }, "balanced so far"},
		{"negative while running", func(l *Ledger) { l.Final = false; l.Rooms[3].Out = 989 }, "leave -1"},
		{"in flight at the end", func(l *Ledger) { l.Rooms[3].Out = 900 }, "leave 88"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := capture1000()
			tt.change(l)
			l.Settle()
			if got := l.Verdict(); !strings.Contains(got, tt.want) {
				t.Errorf("verdict %q, want it to contain %q", got, tt.want)
			}
			if got, want := l.Balanced, !strings.Contains(l.Verdict(), "NOT"); got != want {
				t.Errorf("Balanced = %v, verdict %q", got, l.Verdict())
			}
		})
	}
}

func TestJoinTakesErrorsOutOfTheNextRoom(t *testing.T) {
	index := &Ledger{Final: true, Rooms: []Room{{Room: "fetch", In: 985, Out: 985}, {Room: "decode", In: 985, Out: 985}, {Room: "parquet", In: 985, Out: 985}}}
	l := Join("run", capture1000(), index)
	if !l.Balanced || !l.Final || len(l.Rooms) != 7 {
		t.Errorf("joined ledger: balanced %v, final %v, %d rooms; %s", l.Balanced, l.Final, len(l.Rooms), l.Verdict())
	}
	index.Rooms[0].In--
	if l := Join("run", capture1000(), index); l.Balanced {
		t.Error("a packet lost between kafka and fetch went unnoticed")
	}
}

func TestTwoEnginesAddUp(t *testing.T) {
	l := &Ledger{Final: true, Rooms: []Room{
		{Room: "xdp", In: 10, Out: 10}, {Room: "ring", In: 10, Out: 10},
		{Room: "socket", In: 5, Out: 5}, {Room: "decode", In: 15, Out: 15},
	}}
	l.Settle()
	if !l.Balanced {
		t.Error(l.Verdict())
	}
	l.Rooms[3].In, l.Rooms[3].Out = 14, 14
	if l.Settle(); l.Balanced {
		t.Error("a packet lost behind two engines went unnoticed")
	}
}

func TestMerge(t *testing.T) {
	got := Merge(
		[]Room{{Room: "xdp", In: 5, Out: 3, Dropped: map[Reason]uint64{NoSocket: 2}}, {Room: "ring", In: 3, Out: 3}},
		[]Room{{Room: "xdp", In: 7, Out: 6, Passed: 1, Dropped: map[Reason]uint64{}}, {Room: "ring", In: 6, Out: 5, Dropped: map[Reason]uint64{RingFull: 1}}},
	)
	want := []Room{
		{Room: "xdp", In: 12, Out: 9, Passed: 1, Dropped: map[Reason]uint64{NoSocket: 2}},
		{Room: "ring", In: 9, Out: 8, Dropped: map[Reason]uint64{RingFull: 1}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Merge (-want +got):\n%s", d)
	}
}

func TestTable(t *testing.T) {
	l := capture1000()
	l.Rooms[0].In, l.Rooms[0].Passed = 1234567, 1233577
	l.Settle()
	var b bytes.Buffer
	if err := l.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1,234,567", "1,233,577", "dropped: fill_ring_empty 2", "status: truncated 3", "balanced: in = out"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, b.String())
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 123456: "123,456", 1234567: "1,234,567"} {
		if got := Grouped(n); got != want {
			t.Errorf("Grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestStatsFileRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stats.json")
	var b bytes.Buffer
	first, last := capture1000(), capture1000()
	first.Final, last.Rooms[0].In = false, 1001
	last.Rooms[0].Passed = 11
	for _, l := range []*Ledger{first, last} {
		l.Settle()
		if err := l.AppendLine(&b); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString(`{"time":"2026-11-23T05:38:00Z","comm`) // the writer died here
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLast(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(last, got); d != "" {
		t.Errorf("ReadLast (-want +got):\n%s", d)
	}
	if _, err := ReadLast(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing stats file gave no error")
	}
}
