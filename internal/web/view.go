package web

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

// shownBatches is how many rows of batches the page lists; /api/status has all.
const shownBatches = 50

// view is what the template shows.
type view struct {
	Command, Version, Host string
	Now, Started, Uptime   string
	Ready                  bool
	State                  string
	Reload                 int // seconds between reloads asked for; 0: none
	Balanced               bool
	Verdict                string
	Stages                 []stageView
	Losses                 []lossView
	Remedies               []remedyView
	Pprof                  bool
}

type stageView struct {
	ID, Name, Command      string
	Ready                  bool
	State, Uptime          string
	CPU, Memory            string
	PID                    int
	Rooms                  []roomView
	Charts                 []chart
	Batches                []batchView
	BatchCount, BatchTitle string
	Grouped                bool // rows are intervals
	Lag                    []lagView
	LagTotal, LagError     string
	Consumes               bool // it reads from Kafka: batches and lag are shown
	Problems               []problemView
	Options                []status.Option
}

type roomView struct {
	Name, In, Out, Passed, Dropped, InFlight string
	Lost                                     bool
	Beside                                   string // statuses, counts, messages
}

type lossView struct {
	Stage, Room, Reason, Count, Share string
	Known                             bool // there is a remedy to link to
}

type remedyView struct {
	Reason, Rooms string
	Cause, Helps  []part
	Now           bool // it is lost for this reason now
}

// part is a piece of text, typed as it stands if Code.
type part struct {
	Text string
	Code bool
}

type batchView struct {
	Fetched, Where                             string
	Cycles                                     int
	Messages, Packets                          string
	Scheduling, Processing, Total, LongestPart string
}

type lagView struct {
	Topic               string
	Partition           int32
	Committed, End, Lag string
}

type problemView struct {
	Text, Detail, Count, First, Last string
}

// view makes what the page shows of the stages now.
func (s *Server) view(stages []status.Status, now time.Time, reload int) *view {
	host, _ := os.Hostname()
	v := &view{Command: s.config.Command, Version: s.config.Version, Host: host, Reload: reload, Pprof: s.config.Pprof,
		Now: now.UTC().Format(time.DateTime), Started: s.started.UTC().Format(time.DateTime), Uptime: span(now.Sub(s.started)),
		Ready: len(stages) > 0, State: "ready", Balanced: true}
	var bad []string
	for i := range stages {
		st := &stages[i]
		sv := s.stageView(i, st, now)
		v.Stages = append(v.Stages, sv)
		if !sv.Ready {
			v.Ready = false
			bad = append(bad, st.Stage+": "+sv.State)
		}
		v.addLosses(st)
		if st.Ledger != nil && !st.Ledger.Balanced {
			v.Balanced = false
			v.Verdict = st.Ledger.Verdict()
		}
	}
	switch {
	case len(stages) == 0:
		v.State = "starting"
	case !v.Ready:
		v.State = strings.Join(bad, "; ")
	}
	if v.Balanced {
		v.Verdict = "balanced so far: in = out + passed + dropped + in flight in every room"
	}
	v.addRemedies()
	return v
}

func (s *Server) stageView(number int, st *status.Status, now time.Time) stageView {
	sv := stageView{ID: fmt.Sprintf("stage-%d", number), Name: st.Stage, Command: st.Command, PID: st.PID,
		Ready: st.Ready(now), State: "ready", Uptime: span(st.Time.Sub(st.Started)),
		CPU: fmt.Sprintf("%.1f s", st.Process.CPU.Seconds()), Memory: fmt.Sprintf("%.0f MiB", float64(st.Process.Resident)/(1<<20)),
		Options: st.Options, LagError: st.LagError}
	if !sv.Ready {
		sv.State = why(st, now)
	}
	if st.Ledger != nil {
		for i := range st.Ledger.Rooms {
			sv.Rooms = append(sv.Rooms, viewRoom(&st.Ledger.Rooms[i]))
		}
	}
	sv.Consumes = st.Consumes()
	sv.Charts = charts(st, s.history.Points(st.Stage))
	sv.addBatches(st)
	sv.addLag(st)
	for _, p := range slices.Backward(st.Problems) {
		sv.Problems = append(sv.Problems, problemView{p.Text, p.Last, ledger.Grouped(p.Count),
			p.First.UTC().Format(time.DateTime), p.Time.UTC().Format(time.DateTime)})
	}
	return sv
}

func viewRoom(r *ledger.Room) roomView {
	lost := r.DroppedTotal()
	v := roomView{Name: r.Room, In: ledger.Grouped(r.In), Out: ledger.Grouped(r.Out), Passed: ledger.Grouped(r.Passed),
		Dropped: ledger.Grouped(lost), InFlight: grouped(r.InFlight), Lost: lost > 0}
	shown := *r
	shown.Dropped = nil // listed below the table, with what helps
	v.Beside = shown.Remarks()
	return v
}

func (v *view) addLosses(st *status.Status) {
	if st.Ledger == nil {
		return
	}
	for i := range st.Ledger.Rooms {
		r := &st.Ledger.Rooms[i]
		for _, c := range ledger.SortedCounts(r.Dropped) {
			_, known := ledger.RemedyFor(c.Name)
			v.Losses = append(v.Losses, lossView{Stage: st.Stage, Room: r.Room, Reason: c.Name, Count: ledger.Grouped(c.N),
				Share: fmt.Sprintf("%.3g %%", 100*float64(c.N)/float64(max(r.In, 1))), Known: known})
		}
	}
}

func (v *view) addRemedies() {
	for _, r := range ledger.Remedies {
		now := slices.ContainsFunc(v.Losses, func(l lossView) bool { return l.Reason == r.Reason })
		v.Remedies = append(v.Remedies, remedyView{r.Reason, r.Rooms, parts(r.Cause), parts(r.Helps), now})
	}
}

// parts splits text at its backquotes.
func parts(text string) []part {
	var out []part
	for i, s := range strings.Split(text, "`") {
		if s != "" {
			out = append(out, part{s, i%2 == 1})
		}
	}
	return out
}

func (sv *stageView) addBatches(st *status.Status) {
	sv.BatchCount = ledger.Grouped(st.Totals.Batches)
	sv.Grouped = st.Interval > 0
	sv.BatchTitle = "one fetch-to-commit cycle of one partition a row"
	if sv.Grouped {
		sv.BatchTitle = "all cycles that began within " + span(time.Duration(st.Interval)) + " a row; times are means over them"
	}
	latest := slices.Clone(st.Batches) // they come as they end, and partitions end together
	slices.SortStableFunc(latest, func(a, b status.Batch) int { return b.Fetched.Compare(a.Fetched) })
	for _, b := range latest[:min(len(latest), shownBatches)] {
		row := batchView{Fetched: b.Fetched.UTC().Format("15:04:05.000"), Where: "several partitions", Cycles: b.Cycles,
			Messages: ledger.Grouped(uint64(b.Messages)), Packets: ledger.Grouped(uint64(b.Packets)),
			Scheduling: delay(b.Scheduling), Processing: delay(b.Processing), Total: delay(b.Total()), LongestPart: delay(b.Longest)}
		if b.Partition >= 0 {
			row.Where = fmt.Sprintf("%s-%d", b.Topic, b.Partition)
		} else if b.Topic != "" {
			row.Where = b.Topic
		}
		sv.Batches = append(sv.Batches, row)
	}
}

func (sv *stageView) addLag(st *status.Status) {
	var total int64
	for _, l := range st.Lag {
		total += l.Lag
		committed := "nothing yet"
		if l.Committed >= 0 {
			committed = grouped(l.Committed)
		}
		sv.Lag = append(sv.Lag, lagView{l.Topic, l.Partition, committed, grouped(l.End), grouped(l.Lag)})
	}
	sv.LagTotal = grouped(total)
}

func grouped(n int64) string {
	if n < 0 {
		return "−" + ledger.Grouped(uint64(-n))
	}
	return ledger.Grouped(uint64(n))
}

// span is a length of time for people, to the second.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	if d < 24*time.Hour {
		return d.String()
	}
	return fmt.Sprintf("%d d %v", d/(24*time.Hour), d%(24*time.Hour))
}

// delay is a short time for people, to three digits.
func delay(d status.Duration) string {
	s := d.Seconds()
	switch {
	case s == 0:
		return "0"
	case s < 0:
		return "−" + delay(-d)
	case s < 1e-3:
		return fmt.Sprintf("%.3g µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	case s < 100:
		return fmt.Sprintf("%.3g s", s)
	}
	return span(time.Duration(d))
}
