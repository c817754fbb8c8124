package status

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"xcapa/internal/ledger"
)

const sec = Duration(time.Second)

// at is a moment some seconds after a whole multiple of every interval used here.
func at(seconds float64) time.Time {
	return time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(seconds * float64(time.Second)))
}

func TestBatchesAreKeptOneByOne(t *testing.T) {
	r := NewRecorder("index", "index", "v1", 0)
	for i := range RetainedBatches + 10 {
		r.Batch(Batch{Fetched: at(float64(i)), Topic: "t", Partition: int32(i % 4), Messages: 2, Packets: 100, Scheduling: sec, Processing: 2 * sec})
	}
	s := r.Status(nil)
	if len(s.Batches) != RetainedBatches || !s.Batches[0].Fetched.Equal(at(10)) {
		t.Errorf("%d rows from %v, want the latest %d", len(s.Batches), s.Batches[0].Fetched, RetainedBatches)
	}
	want := Totals{Batches: 210, Messages: 420, Packets: 21000, Scheduling: 210 * sec, Processing: 420 * sec}
	if d := cmp.Diff(want, s.Totals); d != "" {
		t.Errorf("totals must count the rows that are gone (-want +got):\n%s", d)
	}
	if got := s.Batches[0].Total(); got != 3*sec {
		t.Errorf("total delay %v, want 3 s", got)
	}
}

func TestBatchesOfAnInterval(t *testing.T) {
	r := NewRecorder("parse", "parse", "v1", 4*time.Second)
	r.Batch(Batch{Fetched: at(0.5), Topic: "t", Partition: 0, Messages: 1, Packets: 10, Scheduling: 1 * sec, Processing: 1 * sec})
	r.Batch(Batch{Fetched: at(5), Topic: "t", Partition: 1, Messages: 1, Packets: 7, Scheduling: sec, Processing: sec})
	// fetched before, ended after the one of the next interval
	r.Batch(Batch{Fetched: at(3.9), Topic: "t", Partition: 1, Messages: 2, Packets: 20, Scheduling: 3 * sec, Processing: 5 * sec})
	got := r.Status(nil).Batches
	want := []Batch{
		{Fetched: at(0), Topic: "t", Partition: -1, Cycles: 2, Messages: 3, Packets: 30, Scheduling: 2 * sec, Processing: 3 * sec, Longest: 8 * sec},
		{Fetched: at(4), Topic: "t", Partition: 1, Cycles: 1, Messages: 1, Packets: 7, Scheduling: sec, Processing: sec, Longest: 2 * sec},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

func TestProblemsAreCountedByKind(t *testing.T) {
	r := NewRecorder("index", "index", "v1", 0)
	var out strings.Builder
	log := slog.New(r.Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	log = log.With("room", "elastic")
	for i := range 3 {
		log.Warn("documents wait", "try", i)
	}
	log.Info("all is well")
	log.Error("gone")
	got := r.Status(nil).Problems
	if len(got) != 2 || got[0].Text != "documents wait" || got[0].Count != 3 || got[0].Last != "room=elastic try=2" || got[1].Text != "gone" {
		t.Errorf("problems %+v", got)
	}
	if s := out.String(); !strings.Contains(s, "gone") || strings.Contains(s, "documents wait") {
		t.Errorf("next handler got %q, want what its level asks for and no more", s)
	}
	for i := range 2 * retainedProblems {
		r.Problem(fmt.Sprint("kind ", i), "")
	}
	if s := r.Status(nil); len(s.Problems) != retainedProblems || s.Problems[retainedProblems-1].Text != "kind 99" || s.ProblemCount != 104 {
		t.Errorf("%d kinds kept, %d in all, want %d and 104", len(s.Problems), s.ProblemCount, retainedProblems)
	}
}

func TestHealthAndLag(t *testing.T) {
	r := NewRecorder("index", "index", "v1", 0)
	r.SetLag([]Lag{{Topic: "t", Lag: 5}}, nil)
	r.SetLag(nil, errors.New("broker away"))
	r.AddHealth(func() error { return nil })
	if s := r.Status(nil); s.Trouble != "" || len(s.Lag) != 1 || s.LagError != "broker away" {
		t.Errorf("trouble %q, lag %v, %q: want the old lag and why it is old", s.Trouble, s.Lag, s.LagError)
	}
	r.AddHealth(func() error { return errors.New("no broker answers") })
	if s := r.Status(nil); s.Trouble != "no broker answers" {
		t.Errorf("trouble %q", s.Trouble)
	}
}

func books(seconds float64, in uint64) *ledger.Ledger {
	return &ledger.Ledger{Time: at(seconds), Rooms: []ledger.Room{{Room: "fetch", In: in}, {Room: "decode", In: in}}}
}

func TestHistory(t *testing.T) {
	var h History
	one := func(seconds float64, in uint64, tot Totals, pid int) {
		h.Add([]Status{{Stage: "index", PID: pid, Ledger: books(seconds, in), Totals: tot}})
	}
	one(0, 1000, Totals{Batches: 5, Scheduling: 5 * sec}, 1)
	one(2, 1500, Totals{Batches: 7, Scheduling: 8 * sec, Processing: 4 * sec}, 1)
	one(2, 1500, Totals{Batches: 7, Scheduling: 8 * sec, Processing: 4 * sec}, 1) // the same report again
	one(3, 1500, Totals{Batches: 7, Scheduling: 8 * sec, Processing: 4 * sec}, 1)
	one(4, 10, Totals{}, 2) // started again
	one(5, 30, Totals{}, 2)
	want := []Point{
		{Time: at(2), Rate: 250, Batches: 2, Scheduling: 3 * sec / 2, Processing: 2 * sec},
		{Time: at(3)},
		{Time: at(5), Rate: 20},
	}
	if d := cmp.Diff(want, h.Points("index")); d != "" {
		t.Errorf("points (-want +got):\n%s", d)
	}
	for i := range HistoryPoints + 5 {
		one(6+float64(i), 30, Totals{}, 2)
	}
	if n := len(h.Points("index")); n != HistoryPoints {
		t.Errorf("%d points kept, want %d", n, HistoryPoints)
	}
	if h.Points("none") != nil {
		t.Error("points of a stage that is not there")
	}
}

func TestFileIsReplacedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.status")
	r := NewRecorder("index", "index", "v1", time.Second)
	for i := range 50 {
		r.Batch(Batch{Fetched: at(float64(i)), Topic: "t", Scheduling: sec / 3})
	}
	s := r.Status(books(1, 5))
	s.Ledger.Time, s.Time, s.Started = s.Ledger.Time.UTC(), s.Time.UTC().Round(0), s.Started.UTC().Round(0)
	var wg sync.WaitGroup
	if err := WriteFile(path, &s); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = WriteFile(path, &s)
			}
		}
	})
	for range 200 {
		got, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&s, got, cmp.Comparer(func(a, b Duration) bool { return (a - b).abs() < 2 })); d != "" {
			t.Fatalf("read back (-want +got):\n%s", d)
		}
	}
	close(stop)
	wg.Wait()
}

func (d Duration) abs() Duration { return max(d, -d) }
