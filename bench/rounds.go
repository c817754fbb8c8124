package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A benchCase is one thing measured, once a round.
type benchCase struct {
	group string // the table it stands in
	name  string
	unit  string  // of Rate: "packets", "documents", "rows"
	limit float64 // most run delay; 0: no guard
	note  string  // what a reader must know
	run   func() (sample, error)
}

// Most run delay before a trial is repeated once: a receiver that spins loses
// whatever it is not let do, one that blocks has slack. Where several threads of
// one process are busy on one core they wait for each other, and the delay says
// nothing of others.
const (
	spinning = 0.03
	blocking = 0.15
	crowded  = 0
)

// outcome is a case with its samples, one per round; a case that failed has an
// error instead.
type outcome struct {
	Group   string   `json:"group"`
	Name    string   `json:"name"`
	Unit    string   `json:"unit"`
	Note    string   `json:"note,omitempty"`
	Samples []sample `json:"samples"`
	Missing string   `json:"missing,omitempty"` // why there are none
}

// rounds runs cases in turn, so that what disturbs the machine disturbs all of
// them, for n rounds or, after three, until budget is over. Once the whole run
// is late, one round must do.
func (h *harness) rounds(n int, budget time.Duration, cases []benchCase) []*outcome {
	begin := time.Now()
	out := make([]*outcome, len(cases))
	for i, c := range cases {
		out[i] = &outcome{Group: c.group, Name: c.name, Unit: c.unit, Note: c.note}
	}
	for round := range n {
		late := !h.end.IsZero() && time.Now().After(h.end)
		if round > 0 && late || round >= min(3, n) && time.Since(begin) > budget {
			fmt.Fprintf(os.Stderr, "bench: %s: %d of %d rounds in the time there was\n", cases[0].group, round, n)
			break
		}
		for i, c := range cases {
			if out[i].Missing != "" {
				continue
			}
			s, err := guarded(c)
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s, %s: %v\n", c.group, c.name, err)
				if len(out[i].Samples) == 0 {
					line, _, _ := strings.Cut(err.Error(), "\n")
					out[i].Missing = withoutFolders(line)
				}
				continue
			}
			fmt.Fprintf(os.Stderr, "  %-28s %-34s %9s %s/s %8.1f ns CPU each, lost %.1f %%, waited %.1f %%\n",
				c.group, c.name, si(s.Rate()), c.unit, s.CPU, 100*s.LostShare(), 100*s.Delay)
			out[i].Samples = append(out[i].Samples, s)
		}
	}
	h.report.Outcomes = append(h.report.Outcomes, out...)
	return out
}

var folders = regexp.MustCompile(`/(?:[^\s/"':=,]+/)+([^\s/"':=,]*)`)

// withoutFolders leaves of every path its last part: a report is read elsewhere.
func withoutFolders(s string) string { return folders.ReplaceAllString(s, "$1") }

// guarded runs c, and once more when the machine was too busy to judge by it;
// the less disturbed of the two counts.
func guarded(c benchCase) (sample, error) {
	s, err := c.run()
	if err != nil || c.limit == 0 || s.Delay <= c.limit {
		return s, err
	}
	again, err := c.run()
	if err == nil && again.Delay < s.Delay {
		s = again
	}
	s.Repeated = true
	return s, nil
}

// spread is the median of some figures with their range.
type spread struct{ Median, Low, High float64 }

func spreadOf(v []float64) spread {
	v = slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	if len(v) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(v)
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (m + v[len(v)/2-1]) / 2
	}
	return spread{m, v[0], v[len(v)-1]}
}

// each is f of every sample.
func (o *outcome) each(f func(sample) float64) []float64 {
	var v []float64
	if o != nil {
		for _, s := range o.Samples {
			v = append(v, f(s))
		}
	}
	return v
}

func (o *outcome) spread(f func(sample) float64) spread { return spreadOf(o.each(f)) }

// ratio is f of a over f of b, round by round.
func ratio(a, b *outcome, f func(sample) float64) spread {
	if a == nil || b == nil {
		return spreadOf(nil)
	}
	var v []float64
	for i := range min(len(a.Samples), len(b.Samples)) {
		if d := f(b.Samples[i]); d > 0 {
			v = append(v, f(a.Samples[i])/d)
		}
	}
	return spreadOf(v)
}

func rate(s sample) float64    { return s.Rate() }
func cpuOf(s sample) float64   { return s.CPU }
func perCPU(s sample) float64  { return 1e9 / s.CPU }
func lostOf(s sample) float64  { return s.LostShare() }
func delayOf(s sample) float64 { return s.Delay }

// si writes v with three digits and a unit prefix.
func si(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.1f k", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}
