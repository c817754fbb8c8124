package status

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"xcapa/internal/ledger"
)

const (
	// RetainedBatches is how many rows of batches are kept.
	RetainedBatches = 200
	// retainedProblems is how many kinds of trouble are kept; the oldest goes.
	retainedProblems = 50
)

// Recorder gathers what a stage's wiring tells it. All methods may be called
// from any goroutine.
type Recorder struct {
	stage, command, version string
	started                 time.Time
	interval                time.Duration

	mu       sync.Mutex
	options  func() []Option
	health   []func() error
	totals   Totals
	batches  []Batch // oldest first
	lag      []Lag
	lagError string
	problems []Problem
	problem  uint64 // all of them, ever
}

// NewRecorder begins the record of a stage. interval is what one row of batches
// spans; 0: each cycle is a row.
func NewRecorder(stage, command, version string, interval time.Duration) *Recorder {
	return &Recorder{stage: stage, command: command, version: version, interval: interval, started: time.Now()}
}

// SetOptions says where the flags in effect come from. It is asked once, when
// the first Status is wanted: they do not change while a stage runs.
func (r *Recorder) SetOptions(f func() []Option) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options = sync.OnceValue(f)
}

// AddHealth adds a question asked for each Status: nil, or why a destination
// cannot be used now. It must not block.
func (r *Recorder) AddHealth(f func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health = append(r.health, f)
}

// Batch records one cycle; b.Cycles is taken as 1.
func (r *Recorder) Batch(b Batch) {
	b.Cycles, b.Longest = 1, b.Total()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.add(&b)
	if r.interval > 0 {
		b.Fetched = b.Fetched.Truncate(r.interval)
		// Cycles overlap, so the row is one of the latest, not always the last.
		for i := len(r.batches) - 1; i >= 0 && i >= len(r.batches)-8; i-- {
			if row := &r.batches[i]; row.Fetched.Equal(b.Fetched) {
				row.merge(&b)
				return
			}
		}
	}
	if len(r.batches) == RetainedBatches {
		r.batches = slices.Delete(r.batches, 0, 1)
	}
	r.batches = append(r.batches, b)
}

func (t *Totals) add(b *Batch) {
	t.Batches++
	t.Messages += uint64(b.Messages)
	t.Packets += uint64(b.Packets)
	t.Scheduling += b.Scheduling
	t.Processing += b.Processing
}

// merge takes one more cycle into the row of an interval.
func (b *Batch) merge(one *Batch) {
	n := Duration(b.Cycles)
	b.Scheduling = (b.Scheduling*n + one.Scheduling) / (n + 1)
	b.Processing = (b.Processing*n + one.Processing) / (n + 1)
	b.Longest = max(b.Longest, one.Longest)
	b.Cycles++
	b.Messages += one.Messages
	b.Packets += one.Packets
	if b.Topic != one.Topic {
		b.Topic = ""
	}
	if b.Topic != one.Topic || b.Partition != one.Partition {
		b.Partition = -1
	}
}

// SetLag replaces what is known of the lag; err: why it could not be found.
func (r *Recorder) SetLag(lag []Lag, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lagError = ""; err != nil {
		r.lagError = err.Error()
		return // the old figures are better than none
	}
	r.lag = lag
}

// Problem records one trouble: text names the kind, detail this case of it.
func (r *Recorder) Problem(text, detail string) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.problems, func(p Problem) bool { return p.Text == text })
	p := Problem{Text: text, First: now}
	if i >= 0 {
		p = r.problems[i]
		r.problems = slices.Delete(r.problems, i, i+1)
	} else if len(r.problems) == retainedProblems {
		r.problems = slices.Delete(r.problems, 0, 1)
	}
	p.Last, p.Time = detail, now
	p.Count++
	r.problem++
	r.problems = append(r.problems, p)
}

// Status is the stage now, with these books.
func (r *Recorder) Status(l *ledger.Ledger) Status {
	s := Status{Stage: r.stage, Command: r.command, Version: r.version, PID: os.Getpid(),
		Started: r.started, Time: time.Now(), Ledger: l, Interval: Duration(r.interval), Process: process()}
	r.mu.Lock()
	s.Totals, s.LagError = r.totals, r.lagError
	s.Batches, s.Lag, s.Problems = slices.Clone(r.batches), slices.Clone(r.lag), slices.Clone(r.problems)
	s.ProblemCount = r.problem
	options, health := r.options, slices.Clone(r.health)
	r.mu.Unlock()
	if options != nil {
		s.Options = options()
	}
	for _, ask := range health {
		if err := ask(); err != nil {
			s.Trouble = err.Error()
			break
		}
	}
	return s
}

func process() Process {
	p := Process{Goroutines: runtime.NumGoroutine(), Resident: residentBytes()}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		p.CPU = Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return p
}
