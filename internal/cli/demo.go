package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/capture/replay"
	"xcapa/internal/demo"
	"xcapa/internal/ledger"
	"xcapa/internal/pcap"
	"xcapa/internal/transmit"
	"xcapa/internal/veth"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	pps   float64
	store string
	rows  int
	page  pageFlags
}

func newDemoCommand(s *streams) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the whole path run on this machine: wire, XDP, rings, workers, Kafka, store",
		Long: `demo makes a veth pair in two network namespaces of its own, replays real traffic
over it, takes the frames with XDP into AF_XDP rings, decodes them, batches them
to an embedded Kafka broker and indexes them into a local Parquet store, each
stage a process of its own. It ends with the ledger of every packet. Nothing is
left behind. Without root the same path runs from the capture file.`,
		Example: `  sudo xcapa demo
  sudo xcapa demo --pps 20000 --store /tmp/packets`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.pps <= 0 {
				return usageErrorf("--pps %v: want packets a second above 0", o.pps)
			}
			return runDemo(cmd.Context(), s, &o, &reportFlags{statsInterval: time.Second, page: o.page, flags: cmd.Flags()})
		},
	}
	f := cmd.Flags()
	f.Float64Var(&o.pps, "pps", 3000, "frames replayed a second")
	f.StringVar(&o.store, "store", "", "keep the store in this `FOLDER` (default: a temporary one, removed at the end)")
	o.page.register(cmd, pageOn)
	f.IntVar(&o.rows, "rows", 8, "rows of the result to show")
	return cmd
}

// demoInterfaces are the two ends of the demo's wire.
var demoInterfaces = [2]string{"sender0", "capture0"}

func runDemo(ctx context.Context, s *streams, o *demoOptions, report *reportFlags) error {
	say := func(format string, args ...any) { fmt.Fprintf(s.err, format+"\n", args...) }
	pair, err := veth.Open(veth.Options{Names: demoInterfaces})
	if err != nil {
		say("not enough privilege for XDP (%v):", err)
		say("the same path runs from the bundled capture file instead; `sudo xcapa demo` shows AF_XDP\n")
		return runDemoFromFile(ctx, s, o, report)
	}
	defer pair.Close()
	v, err := newSupervisor(s, pair.Ends[1].Start)
	if err != nil {
		return err
	}
	defer v.close()
	if err := v.openReport("demo", report); err != nil {
		return err
	}
	defer v.report.closePage()
	run := o.runOptions(v)
	say("1. a veth pair in two network namespaces of its own: %s ==> %s", demoInterfaces[0], demoInterfaces[1])
	say("2. broker, indexer and capture, each a process of its own:")
	st, err := v.startStages(ctx, run, []string{"-i", demoInterfaces[1]})
	if err != nil {
		return err
	}
	if err := v.awaitReady(ctx, st.capture); err != nil {
		return err
	}
	say("3. replaying %d captures of real traffic at %.0f frames/s", len(demo.Names), o.pps)
	began := time.Now()
	var sent *ledger.Ledger
	err = pair.Ends[0].Do(func() error {
		var err error
		sent, err = replayBundled(ctx, demoInterfaces[0], o.pps)
		return err
	})
	if err != nil {
		return err
	}
	say("   %s frames in %.1f s", ledger.Grouped(sent.Rooms[1].Out), time.Since(began).Seconds())
	return o.close(s, v, st, run, sent)
}

// runDemoFromFile is the demo of an ordinary user: the capture process reads a
// file.
func runDemoFromFile(ctx context.Context, s *streams, o *demoOptions, report *reportFlags) error {
	v, err := newSupervisor(s, nil)
	if err != nil {
		return err
	}
	defer v.close()
	if err := v.openReport("demo", report); err != nil {
		return err
	}
	defer v.report.closePage()
	path := filepath.Join(v.dir, demo.Names[1])
	if err := unpackBundled(demo.Names[1], path); err != nil {
		return err
	}
	run := o.runOptions(v)
	st, err := v.startStages(ctx, run, nil)
	if err != nil {
		return err
	}
	if err := v.startCapture(st, []string{"-r", path}); err != nil {
		return err
	}
	st.capture.expectEnd()
	select {
	case <-st.capture.done:
	case <-ctx.Done():
	}
	return o.close(s, v, st, run, nil)
}

func (o *demoOptions) runOptions(v *supervisor) *runOptions {
	r := &runOptions{store: o.store, limit: 512 << 20, partitions: 4, window: 2 * time.Second, drain: 30 * time.Second}
	if r.store == "" {
		r.store = filepath.Join(v.dir, "store")
	}
	return r
}

// close ends the stages and shows what came out: the ledger, some rows, the
// commands for the real thing.
func (o *demoOptions) close(s *streams, v *supervisor, st *allStages, run *runOptions, sent *ledger.Ledger) error {
	fmt.Fprintln(s.err, "4. every packet accounted for, from the wire to the store:")
	v.before = sent
	err := v.finish(st, run.drain)
	if e := showStore(s, run.store, o.rows); e != nil {
		err = errors.Join(err, e)
	}
	fmt.Fprint(s.err, realThing)
	return err
}

const realThing = `
The same with your own interface, Kafka and Elasticsearch:
  sudo xcapa run -i eth1                                        all in one, local store
  sudo xcapa capture -i eth1 --brokers kafka:9092               capture to Kafka
  xcapa index --brokers kafka:9092 --elasticsearch http://elasticsearch:9200
`

// awaitReady waits until the stage has written its first ledger: everything is
// open then.
func (v *supervisor) awaitReady(ctx context.Context, st *stage) error {
	for st.ledger() == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case failed := <-v.failed:
			return errors.Join(failed.failure(), fmt.Errorf("%s ended before it was ready", failed.name))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// replayBundled sends the bundled captures out of an interface and returns the
// account of it.
func replayBundled(ctx context.Context, name string, pps float64) (*ledger.Ledger, error) {
	tx, err := transmit.Open(transmit.Options{Interface: name})
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	var files [][]ledger.Room
	for _, capture := range demo.Names {
		file, err := openBundled(capture)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		run := transmit.Run{File: file, Sender: tx, Pace: transmit.Pace{PerSecond: pps}}
		if _, err := run.Frames(ctx); err != nil {
			return nil, err
		}
		files = append(files, file.Rooms())
	}
	l := &ledger.Ledger{Command: "replay", Final: true, Time: time.Now()}
	l.Rooms = append(ledger.Merge(files...), tx.Room())
	l.Settle()
	return l, nil
}

func openBundled(name string) (*replay.Device, error) {
	src, err := demo.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := pcap.NewReader(src, name, pcap.Options{})
	if err != nil {
		return nil, err
	}
	return replay.New(r, name, replay.Config{})
}

func unpackBundled(name, path string) error {
	src, err := demo.Open(name)
	if err != nil {
		return err
	}
	dst, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("unpack bundled capture: %w", err)
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
