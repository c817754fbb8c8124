package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"xcapa/internal/job"
	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
)

// jobOptions are the flags of run that are about a job file.
type jobOptions struct {
	file   string
	set    []string
	dryRun bool
}

func (o *jobOptions) register(cmd *cobra.Command) {
	defer group(cmd, "Job file")()
	f := cmd.Flags()
	f.StringVarP(&o.file, "conf", "f", "", "run the streams of this Logisland job `FILE`")
	f.StringArrayVar(&o.set, "set", nil, "with -f: `KEY=VALUE` in place of what the file says, as in elasticsearch.hosts=es:9200; repeatable")
	f.BoolVar(&o.dryRun, "dry-run", false, "with -f: print what each key became and the commands, and end")
	onlyOnCommandLine(cmd, "conf", "set", "dry-run")
}

// maxJobFile is more than any job file is long.
const maxJobFile = 1 << 20

// runJob starts the streams of a job file and ends them when the command's
// context does.
func runJob(cmd *cobra.Command, s *streams, o *runOptions, report *reportFlags) error {
	if err := refuseWithJob(cmd); err != nil {
		return err
	}
	ctx := cmd.Context()
	plan, err := o.job.plan(ctx, cmd, o.store)
	if err != nil {
		return withCode(exitUsage, err)
	}
	if o.job.dryRun {
		return printPlan(s.out, plan)
	}
	if !report.quiet {
		if err := plan.WriteTable(s.err); err != nil {
			return err
		}
	}
	if plan.Page != "" && !cmd.Flags().Changed("page") {
		report.page.addr = plan.Page
	}
	if plan.Batch > 0 && !cmd.Flags().Changed("batch-interval") {
		report.page.interval = plan.Batch
	}
	v, err := newSupervisor(s, nil)
	if err != nil {
		return err
	}
	defer v.close()
	if err := v.openReport("run", report); err != nil {
		return err
	}
	defer v.report.closePage()
	v.report.ledgers = v.jobLedgers
	return v.runPlan(ctx, plan, handedOn(cmd), o.drain)
}

// plan reads the file and maps it.
func (o *jobOptions) plan(ctx context.Context, cmd *cobra.Command, store string) (*job.Plan, error) {
	src, err := readJobFile(o.file)
	if err != nil {
		return nil, err
	}
	file, err := job.Read(o.file, src)
	if err != nil {
		return nil, err
	}
	var set []job.Override
	for _, v := range o.set {
		one, err := job.ParseOverride(v)
		if err != nil {
			return nil, err
		}
		set = append(set, one)
	}
	if err := file.Override(set); err != nil {
		return nil, err
	}
	if err := file.Substitute(os.LookupEnv); err != nil {
		return nil, fmt.Errorf("job file %s: %w", o.file, err)
	}
	options := job.Options{Host: elasticHost(ctx, o.dryRun), Property: knownProperty, NotNeeded: kafka.ErrNotNeeded}
	if cmd.Flags().Changed("store") {
		options.Store = store
	}
	plan, err := file.Plan(options)
	if err != nil {
		return nil, fmt.Errorf("job file %s: nothing was started:\n%w", o.file, err)
	}
	slices.SortStableFunc(plan.Stages, func(a, b job.Stage) int { return kindOrder(a.Kind) - kindOrder(b.Kind) })
	return plan, nil
}

// kindOrder starts parse before index: it makes the topics.
func kindOrder(k job.Kind) int { return slices.Index([]job.Kind{job.Parse, job.Index}, k) }

func readJobFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open job file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxJobFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read job file %s: %w", path, err)
	case len(b) > maxJobFile:
		return nil, fmt.Errorf("read job file %s: it is longer than 1 MiB: this is no job file", path)
	}
	return b, nil
}

// knownProperty is whether a Kafka client property may be handed on.
func knownProperty(name, value string) error { return kafka.SetProperty(&kafka.Config{}, name, value) }

func printPlan(w io.Writer, plan *job.Plan) error {
	if err := plan.WriteTable(w); err != nil {
		return err
	}
	fmt.Fprintln(w, "the stages:")
	for i := range plan.Stages {
		if _, err := fmt.Fprintf(w, "  %s\n", plan.Stages[i].CommandLine()); err != nil {
			return err
		}
	}
	return nil
}

// kafkaFlagNames are the flags about the connection to Kafka, without the
// brokers: those are the file's.
func kafkaFlagNames() []string {
	var k kafkaFlags
	cmd := &cobra.Command{}
	k.register(cmd)
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "brokers" {
			names = append(names, f.Name)
		}
	})
	return names
}

// refuseWithJob names flags of run that mean nothing beside a job file.
func refuseWithJob(cmd *cobra.Command) error {
	allowed := append(kafkaFlagNames(), "conf", "set", "dry-run", "page", "page-pprof", "batch-interval", "stats-file", "stats-interval",
		"quiet", "schema", "store", "run-drain", "help", configFlag)
	var bad []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(allowed, f.Name) && typedByHand(cmd, f.Name) {
			bad = append(bad, "--"+f.Name)
		}
	})
	if len(bad) == 0 {
		return nil
	}
	return usageErrorf("%s: not beside a job file (-f), which says what is read and where it goes; change that with --set KEY=VALUE, and capture with `xcapa capture` or `xcapa pycapa`", strings.Join(bad, ", "))
}

// handedOn are the flags given to run that every stage gets.
func handedOn(cmd *cobra.Command) []string {
	var args []string
	for _, name := range append(kafkaFlagNames(), "schema") {
		f := cmd.Flags().Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		values, _ := flagValues(f)
		for _, v := range values {
			args = append(args, "--"+name+"="+v)
		}
	}
	return args
}

// runPlan starts the stages, watches them, and ends them in the order in which
// packets pass.
func (v *supervisor) runPlan(ctx context.Context, plan *job.Plan, flags []string, drain time.Duration) error {
	names := stageNames(plan.Stages)
	var stages []*stage
	var err error
	for i := range plan.Stages {
		p := &plan.Stages[i]
		var st *stage
		args := append(append([]string{string(p.Kind), "--quiet"}, p.Args...), flags...)
		if st, err = v.startWith(names[i], i, p.Env, args...); err != nil {
			break
		}
		stages = append(stages, st)
		if err = v.awaitReady(ctx, st); err != nil {
			break
		}
	}
	if err == nil {
		fmt.Fprintf(v.streams.err, "running: %s; Ctrl-C ends it in good order\n", strings.Join(names, ", "))
		go v.report.run(ctx)
		err = v.untilEnd(ctx, plan.Timeout)
	}
	errs := []error{notOurEnd(ctx, err)}
	for _, st := range stages {
		st.ask()
		errs = append(errs, st.wait(drain))
	}
	ended := v.report.finish()
	return cmp.Or(firstOf(errs), ended)
}

// notOurEnd is err, unless the command was told to end while it started.
func notOurEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// firstOf is the first error: what ended one stage is what the others followed.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// jobLedgers are the books of each stage: what is in the topics between them
// belongs to neither.
func (v *supervisor) jobLedgers(bool) []*ledger.Ledger {
	var out []*ledger.Ledger
	for _, st := range v.inOrder() {
		if l := st.ledger(); l != nil {
			l.Command = st.name
			out = append(out, l)
		}
	}
	return out
}

// stageNames are the streams' names as a file name, a label and a heading can
// have them, each once.
func stageNames(stages []job.Stage) []string {
	var out []string
	for _, s := range stages {
		name := strings.Map(func(r rune) rune {
			if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", r) {
				return r
			}
			return '_'
		}, s.Name)
		for base, n := name, 2; slices.Contains(out, name); n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		out = append(out, name)
	}
	return out
}
