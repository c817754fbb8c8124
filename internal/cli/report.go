package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"xcapa/internal/ledger"
)

// reportFlags say where a running command's ledger goes.
type reportFlags struct {
	statsFile     string
	statsInterval time.Duration
	quiet         bool
	supervised    bool // run and demo show the joined ledger themselves
}

func (r *reportFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.statsFile, "stats-file", "", "append the ledger as JSON lines to `FILE` ('-': standard output)")
	f.DurationVar(&r.statsInterval, "stats-interval", 5*time.Second, "how often the ledger is written")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "no banner and no table, errors only")
	f.BoolVar(&r.supervised, "supervised", false, "banner, but no table: the supervisor shows it")
	_ = f.MarkHidden("supervised")
}

// reporter prints and writes the ledger of one command while it runs and when
// it ends.
type reporter struct {
	command string
	rooms   func() []ledger.Room
	people  io.Writer // nil: quiet
	table   bool      // print the final table
	live    bool      // print the table while running
	stats   io.Writer // nil: no stats file
	close   func() error
	every   time.Duration
}

// newReporter opens the stats file. rooms is called at each interval.
func newReporter(s *streams, f *reportFlags, command string, live bool, rooms func() []ledger.Room) (*reporter, error) {
	r := &reporter{command: command, rooms: rooms, every: f.statsInterval, close: func() error { return nil }}
	if r.every <= 0 {
		return nil, usageErrorf("--stats-interval %v: must be above 0, as in --stats-interval 5s", f.statsInterval)
	}
	if !f.quiet {
		r.people = s.err
		r.table = !f.supervised
		r.live = r.table && live && isTerminal(s.err)
	}
	switch f.statsFile {
	case "":
	case "-":
		r.stats = s.out
	default:
		file, err := os.OpenFile(f.statsFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, usageErrorf("open stats file: %w", err)
		}
		r.stats, r.close = file, file.Close
	}
	return r, nil
}

// run reports at every interval until ctx ends.
func (r *reporter) run(ctx context.Context) {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l := r.ledger(false)
			r.write(l)
			if r.live {
				_ = l.WriteTable(r.people)
			}
		}
	}
}

// finish writes the final ledger, prints it, and turns books that do not
// balance into an error.
func (r *reporter) finish() error {
	l := r.ledger(true)
	r.write(l)
	if r.table {
		_ = l.WriteTable(r.people)
	}
	err := r.close()
	if !l.Balanced {
		return withCode(exitUnbalanced, fmt.Errorf("%s", l.Verdict()))
	}
	return err
}

func (r *reporter) ledger(final bool) *ledger.Ledger {
	l := &ledger.Ledger{Time: time.Now().UTC(), Command: r.command, Final: final, Rooms: r.rooms()}
	l.Settle()
	return l
}

// write appends to the stats file; a full disk must not end a capture.
func (r *reporter) write(l *ledger.Ledger) {
	if r.stats == nil {
		return
	}
	if err := l.AppendLine(r.stats); err != nil && r.people != nil {
		fmt.Fprintf(r.people, "xcapa: write stats file: %v; the run goes on\n", err)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
