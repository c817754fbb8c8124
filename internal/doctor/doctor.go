package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"xcapa/internal/host"
)

// State is the verdict of one check.
type State string

// The states, from good to bad. Skipped says that it could not be found out.
const (
	OK      State = "ok"
	Skipped State = "skipped"
	Warn    State = "warn" // a capture runs, with something less
	Fail    State = "fail" // something is wrong
)

// Finding is the outcome of one check. The JSON names are stable.
type Finding struct {
	Check     string `json:"check"`
	Interface string `json:"interface,omitempty"`
	State     State  `json:"state"`
	Found     string `json:"found"`          // what was looked at, and what is there
	Why       string `json:"why"`            // why it matters
	Mend      string `json:"mend,omitempty"` // the command that mends it
	Or        string `json:"or,omitempty"`   // another way out, in words

	// Stops is why no capture can start; nil if one can.
	Stops error `json:"-"`
}

// Check is one question. Look answers it within the context's time; it need not
// fill in Check and Interface, nor Why where that is the check's.
type Check struct {
	Name      string
	Interface string
	Why       string
	Look      func(context.Context) Finding
}

// Limit is the longest time that one check may take.
const Limit = 10 * time.Second

// Run makes all checks side by side, each for limit at most, and returns their
// findings in the order of the checks.
func Run(ctx context.Context, limit time.Duration, checks []Check) []Finding {
	findings := make([]Finding, len(checks))
	var all sync.WaitGroup
	for n, c := range checks {
		all.Go(func() { findings[n] = c.run(ctx, limit) })
	}
	all.Wait()
	return findings
}

// run makes one check. A check that does not come back is left behind.
func (c Check) run(ctx context.Context, limit time.Duration) Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer := make(chan Finding, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				answer <- Finding{State: Skipped, Found: fmt.Sprintf("the check itself failed: %v", r), Or: "report it, with the output of xcapa version"}
			}
		}()
		answer <- c.Look(ctx)
	}()
	var f Finding
	select {
	case f = <-answer:
	case <-ctx.Done():
		f = Finding{State: Skipped, Found: "no answer"}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.Found = fmt.Sprintf("no answer within %v", limit)
		}
	}
	f.Check, f.Interface = c.Name, c.Interface
	if f.Why == "" {
		f.Why = c.Why
	}
	return f
}

// Count is how many findings have a state.
func Count(findings []Finding, s State) (n int) {
	for _, f := range findings {
		if f.State == s {
			n++
		}
	}
	return n
}

// Stops joins what keeps a capture from starting; nil if nothing does.
func Stops(findings []Finding) error {
	var errs []error
	for _, f := range findings {
		errs = append(errs, f.Stops)
	}
	return errors.Join(errs...)
}

func okay(format string, args ...any) Finding {
	return Finding{State: OK, Found: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) Finding {
	return Finding{State: Skipped, Found: fmt.Sprintf(format, args...)}
}

// problem is the finding of what is in the way.
func problem(s State, p *host.Problem) Finding {
	return Finding{State: s, Found: p.Found, Why: p.Why, Mend: p.Mend, Or: p.Or}
}

// stopping is a problem with which no capture starts.
func stopping(p *host.Problem) Finding {
	f := problem(Fail, p)
	f.Stops = p
	return f
}
