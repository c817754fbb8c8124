package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
	"xcapa/internal/web"
)

// reportFlags say where a running command's ledger goes.
type reportFlags struct {
	statsFile     string
	statsInterval time.Duration
	quiet         bool
	supervised    bool   // run and demo show the joined ledger themselves
	statusFile    string // where the supervisor reads what the stage says of itself
	stage         string // its name there
	page          pageFlags

	flags  *pflag.FlagSet   // of the command, to show those in effect
	rec    *status.Recorder // made by recorder
	stages status.Source    // what the page shows; nil: this process, which is the one stage
}

func (r *reportFlags) register(cmd *cobra.Command) {
	defer group(cmd, "Ledger and page")()
	f := cmd.Flags()
	f.StringVar(&r.statsFile, "stats-file", "", "append the ledger as JSON lines to `FILE` ('-': standard output)")
	f.DurationVar(&r.statsInterval, "stats-interval", 5*time.Second, "how often the ledger is written")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "no banner and no table, errors only")
	f.BoolVar(&r.supervised, "supervised", false, "banner, but no table: the supervisor shows it")
	f.StringVar(&r.statusFile, "status-file", "", "keep the stage's status in `FILE` for the supervisor")
	f.StringVar(&r.stage, "stage", "", "`NAME` of the stage among those of the supervisor")
	r.page.register(cmd, pageOff)
	for _, name := range []string{"supervised", "status-file", "stage"} {
		_ = f.MarkHidden(name)
	}
	r.flags = f
}

// watched is whether anybody sees what costs something to find out.
func (r *reportFlags) watched() bool { return r.statusFile != "" || r.page.addr != pageOff }

// recorder is what the page, the metrics and the status file show beside the
// ledger; a command asks for it when it opens its parts, and tells it of them.
func (r *reportFlags) recorder(command string) *status.Recorder {
	if r.rec != nil {
		return r.rec
	}
	name := r.stage
	if name == "" {
		name = command
	}
	r.rec = status.NewRecorder(name, command, version, r.page.interval)
	r.rec.SetOptions(func() []status.Option { return effectiveFlags(r.flags) })
	return r.rec
}

// reporter prints and writes the ledger of one command while it runs and when
// it ends.
type reporter struct {
	command string
	ledgers func(final bool) []*ledger.Ledger // one, but of a job one for each stage
	people  io.Writer                         // nil: quiet
	table   bool                              // print the final table
	live    bool                              // print the table while running
	stats   io.Writer                         // nil: no stats file
	close   func() error
	every   time.Duration

	recorder   *status.Recorder
	statusFile string
	page       *web.Server // nil: none

	mu    sync.Mutex // one report at a time
	ended bool       // the final one is out: no other may follow it
}

// newReporter opens the stats file. rooms is called at each interval.
func newReporter(s *streams, f *reportFlags, command string, live bool, rooms func() []ledger.Room) (*reporter, error) {
	r := &reporter{command: command, every: f.statsInterval, close: func() error { return nil },
		recorder: f.recorder(command), statusFile: f.statusFile}
	r.ledgers = func(final bool) []*ledger.Ledger {
		l := &ledger.Ledger{Time: time.Now().UTC(), Command: command, Final: final, Rooms: rooms()}
		l.Settle()
		return []*ledger.Ledger{l}
	}
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
	source := f.stages
	if source == nil {
		source = func() []status.Status { return []status.Status{r.recorder.Status(r.ledgers(false)[0])} }
	}
	var err error
	if r.page, err = f.page.open(s, command, f.quiet, source); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// say tells people something about one thing, and the page too.
func (r *reporter) say(about, words string) {
	r.recorder.Problem(about, words)
	if r.people != nil {
		fmt.Fprintf(r.people, "%s: %s\n", about, words)
	}
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
			if !r.interim() {
				return
			}
		}
	}
}

// interim reports once; false: the command has ended.
func (r *reporter) interim() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	now := r.ledgers(false)
	r.keep(now)
	if r.live {
		r.print(now)
	}
	return true
}

// finish writes the final ledger, prints it, and turns books that do not
// balance into an error.
func (r *reporter) finish() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	last := r.ledgers(true)
	r.keep(last)
	r.closePage()
	if r.table {
		r.print(last)
	}
	errs := []error{r.close()}
	for _, l := range last {
		if !l.Balanced {
			errs = append(errs, withCode(exitUnbalanced, fmt.Errorf("%s", l.Verdict())))
		}
	}
	return errors.Join(errs...)
}

// keep writes the ledgers where programs read them.
func (r *reporter) keep(ledgers []*ledger.Ledger) {
	for _, l := range ledgers {
		r.write(l)
	}
	if len(ledgers) == 1 {
		r.writeStatus(ledgers[0])
	}
}

// print shows people the table, or one for each stage of a job.
func (r *reporter) print(ledgers []*ledger.Ledger) {
	for _, l := range ledgers {
		if len(ledgers) > 1 {
			fmt.Fprintf(r.people, "%s:\n", l.Command)
		}
		_ = l.WriteTable(r.people)
	}
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

// closePage ends the page, if there is one; finish does it too.
func (r *reporter) closePage() {
	if r.page != nil {
		r.page.Close()
	}
}

// writeStatus replaces the status file.
func (r *reporter) writeStatus(l *ledger.Ledger) {
	if r.statusFile == "" {
		return
	}
	now := r.recorder.Status(l)
	if err := status.WriteFile(r.statusFile, &now); err != nil {
		r.recorder.Problem("the status file could not be written", err.Error())
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
