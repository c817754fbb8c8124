package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"xcapa/internal/ledger"
)

// runOptions are the flags of run that are not handed on to capture.
type runOptions struct {
	store      string
	limit      byteSize
	partitions int
	window     time.Duration
	elastic    []string
	drain      time.Duration
	job        jobOptions
}

func newRunCommand(s *streams) *cobra.Command {
	var o runOptions
	var c captureOptions
	cmd := &cobra.Command{
		Use:   "run {-i INTERFACE... | -f JOB.yml}",
		Short: "Broker, capture and indexer in one, or the streams of a Logisland job file",
		Long: `run starts an embedded Kafka broker (in memory, bounded), a capture process and an
indexer process, watches them, and ends them in the order packets pass them. It
takes every flag of capture, and serves one monitoring page for all of them.

With -f it reads a Logisland job file in its place, says what each key of it became,
and starts its streams: parse, index. Broker and Elasticsearch are those of the file.`,
		Example: `  sudo xcapa run -i eth1                                into the folder xcapa-store
  sudo xcapa run -i eth1 --store /data/packets --embedded-limit 2GiB
  sudo xcapa run -i eth1 --elasticsearch http://localhost:9200
  xcapa run -f index-network-packets.yml --dry-run      what becomes of it, and the commands
  xcapa run -f index-network-packets.yml --set elasticsearch.hosts=localhost:9200`,
		Args: refuseFilter,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.job.file != "":
				return runJob(cmd, s, &o, &c.report)
			case len(o.job.set) > 0 || o.job.dryRun:
				return usageErrorf("--set and --dry-run are about a job file: name it with -f")
			}
			if err := c.device.validate(); err != nil {
				return err
			}
			if o.partitions < 1 {
				return usageErrorf("--embedded-partitions %d: want at least 1", o.partitions)
			}
			if len(c.kafka.brokers) > 0 {
				return usageErrorf("run brings its own broker; to use %v, start `xcapa capture --brokers` and `xcapa index --brokers`", c.kafka.brokers)
			}
			return runAll(cmd.Context(), s, &o, &c.report, captureArgs(cmd))
		},
	}
	c.register(cmd)
	onlyOnCommandLine(cmd, "brokers") // it is there to be refused in words
	setDefault(cmd, "page", pageOn)
	f := cmd.Flags()
	o.limit = 512 << 20
	f.StringVar(&o.store, "store", "xcapa-store", "`FOLDER` of the local Parquet store")
	f.Var(&o.limit, "embedded-limit", "most `SIZE` the embedded broker holds; beyond it the capture drops and counts")
	f.IntVar(&o.partitions, "embedded-partitions", 4, "partitions of the embedded broker's topics")
	f.DurationVar(&o.window, "store-window", 60*time.Second, "time span of one Parquet file")
	f.StringSliceVar(&o.elastic, "elasticsearch", nil, "index into Elasticsearch at `URL,...` instead of the local store")
	o.job.register(cmd)
	f.DurationVar(&o.drain, "run-drain", 60*time.Second, "longest wait for the indexer to catch up when the run ends")
	return cmd
}

// captureArgs are the capture flags given to run, to hand them on. What run
// decides itself is left out.
func captureArgs(cmd *cobra.Command) []string {
	capture := newCaptureCommand(&streams{}).Flags()
	var args []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "stats-file", "stats-interval", "quiet", "brokers", "supervised", "status-file", "stage", "page", "page-pprof", "batch-interval":
			return
		}
		if capture.Lookup(f.Name) == nil {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			for _, v := range list.GetSlice() {
				args = append(args, "--"+f.Name+"="+v)
			}
			return
		}
		args = append(args, "--"+f.Name+"="+f.Value.String())
	})
	return args
}

// runAll starts the three stages and ends them when ctx does.
func runAll(ctx context.Context, s *streams, o *runOptions, report *reportFlags, capture []string) error {
	v, err := newSupervisor(s, nil)
	if err != nil {
		return err
	}
	defer v.close()
	if err := v.openReport("run", report); err != nil {
		return err
	}
	defer v.report.closePage()
	st, err := v.startStages(ctx, o, capture)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "running: capture -> broker %s -> %s; Ctrl-C ends it in good order\n", st.brokers, st.destination)
	go v.report.run(ctx)
	return errors.Join(v.untilEnd(ctx, 0), v.finish(st, o.drain))
}

// allStages are the stages of one machine.
type allStages struct {
	broker, capture, index *stage
	brokers                string
	destination            string
}

// startStages starts broker, indexer and capture, in this order: whoever takes
// packets comes last.
func (v *supervisor) startStages(ctx context.Context, o *runOptions, capture []string) (*allStages, error) {
	st := &allStages{destination: "local store " + o.store}
	portFile := filepath.Join(v.dir, "broker.port")
	var err error
	st.broker, err = v.start("broker", "broker", "--port-file", portFile, "--limit", o.limit.String(),
		"--partitions", strconv.Itoa(o.partitions), "--topics", defaultPacketsTopic, "--rings", defaultErrorsTopic) // nobody reads the errors: they must not fill it
	if err != nil {
		return nil, err
	}
	if st.brokers, err = v.waitForFile(ctx, portFile); err != nil {
		return nil, err
	}
	index := []string{"index", "--brokers", st.brokers, "--quiet"}
	if len(o.elastic) > 0 {
		for _, e := range o.elastic {
			index = append(index, "--elasticsearch", e)
		}
		st.destination = "Elasticsearch"
	} else {
		// What waits for its file waits in the broker too: a small broker
		// would be full before a window is over.
		memory := min(o.limit/2, defaultStoreMemory)
		index = append(index, "--store", o.store, "--store-window", o.window.String(), "--store-memory", memory.String())
	}
	if st.index, err = v.startStage("index", 2, index...); err != nil {
		return nil, err
	}
	if len(capture) > 0 {
		err = v.startCapture(st, capture)
	}
	return st, err
}

func (v *supervisor) startCapture(st *allStages, flags []string) error {
	args := append([]string{"capture", "--supervised", "--brokers", st.brokers}, flags...)
	var err error
	st.capture, err = v.startStage("capture", 1, args...)
	return err
}

// finish ends the stages in the order packets pass them, waiting for each to
// hand on what it has, and prints the joined ledger.
func (v *supervisor) finish(st *allStages, limit time.Duration) error {
	var errs []error
	st.capture.ask()
	errs = append(errs, st.capture.wait(limit))
	errs = append(errs, v.awaitIndexed(st, limit))
	st.index.ask()
	errs = append(errs, st.index.wait(limit))
	err := v.report.finish()
	return cmp.Or(errors.Join(errs...), err)
}

// awaitIndexed waits until the destination has taken in what the capture
// delivered; what it has not stored yet it flushes when the indexer is asked to
// end, so that nobody waits for a store's window.
func (v *supervisor) awaitIndexed(st *allStages, limit time.Duration) error {
	final := st.capture.ledger()
	if final == nil || len(final.Rooms) == 0 {
		return errors.New("the capture left no ledger")
	}
	want := final.Rooms[len(final.Rooms)-1]
	due := want.Out - want.Counts[ledger.ErrorsTopic]
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		l := st.index.ledger()
		if l != nil && len(l.Rooms) > 0 && l.Rooms[len(l.Rooms)-1].In >= due {
			return nil
		}
		select {
		case <-st.index.done:
			return fmt.Errorf("the indexer ended before it had all %d records", due)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the indexer had not taken in all %d records after %v", due, limit)
		}
	}
}
