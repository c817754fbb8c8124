package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/capture/replay"
	"xcapa/internal/ledger"
	"xcapa/internal/packet"
	"xcapa/internal/pcap"
	"xcapa/internal/transmit"
)

// replayOptions are the flags of replay. Where tcpreplay has a thing, the name
// is tcpreplay's.
type replayOptions struct {
	iface      string
	engine     string
	pps        rate
	mbps       float64
	topSpeed   bool
	multiplier float64
	maxGap     time.Duration
	loop       int
	limit      int64
	duration   time.Duration
	report     reportFlags
}

func newReplayCommand(s *streams) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE... -i INTERFACE",
		Short: "Send capture files out of an interface",
		Long: `replay sends the frames of capture files (pcap, pcapng, .gz, .zst; '-' is standard
input) out of an interface, byte for byte, at the pace at which they were
captured, or at a rate, or as fast as it goes. It ends with how late frames left
and with the ledger of every packet: from the file to the wire.`,
		Example: `  sudo xcapa replay trace.pcapng -i eth1                  at the pace of the capture
  sudo xcapa replay trace.pcap.zst -i eth1 --topspeed     as fast as it goes
  sudo xcapa replay a.pcap b.pcap -i eth1 --pps 100k --loop 3
  sudo xcapa replay trace.pcap -i eth1 --mbps 500 --limit 1000000
  sudo xcapa replay trace.pcap -i eth1 --multiplier 2 --max-gap 1s`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return usageErrorf("no file: name capture files, or - for standard input, as in xcapa replay trace.pcap -i eth1")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := o.validate(cmd, files); err != nil {
				return err
			}
			return runReplay(cmd.Context(), s, &o, files)
		},
	}
	o.register(cmd)
	return cmd
}

func (o *replayOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.iface, "interface", "i", "", "`INTERFACE` to send on")
	f.StringVar(&o.engine, "engine", "auto", "`auto` (an AF_XDP TX ring, else a packet socket), afxdp or afpacket")
	f.VarP(&o.pps, "pps", "p", "frames a second, as in 5000, 100k or 1.5M")
	f.Float64VarP(&o.mbps, "mbps", "M", 0, "`MEGABITS` a second")
	f.BoolVarP(&o.topSpeed, "topspeed", "t", false, "as fast as it goes")
	f.Float64VarP(&o.multiplier, "multiplier", "x", 1, "times the pace of the capture")
	f.DurationVar(&o.maxGap, "max-gap", 0, "longest pause at the pace of the capture (0: as it was)")
	f.IntVarP(&o.loop, "loop", "l", 1, "passes over all files (0: until interrupted)")
	f.Int64VarP(&o.limit, "limit", "L", 0, "stop after `COUNT` packets")
	f.Int64VarP(&o.limit, "count", "c", 0, "the same as --limit, as for capture")
	f.DurationVar(&o.duration, "duration", 0, "stop after so long, as in 30s")
	o.report.register(cmd)
}

// validate checks what does not need the interface.
func (o *replayOptions) validate(cmd *cobra.Command, files []string) error {
	var paces []string
	for _, name := range []string{"topspeed", "pps", "mbps", "multiplier"} {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() != "false" {
			paces = append(paces, "--"+name)
		}
	}
	positive := func(v float64) bool { return v > 0 && !math.IsInf(v, 0) }
	switch {
	case o.iface == "":
		return usageErrorf("no interface: name one with -i, as in -i eth1 (`xcapa capture -D` lists them)")
	case len(paces) > 1:
		return usageErrorf("%s: one pace at a time, choose one of them", strings.Join(paces, " and "))
	case cmd.Flags().Changed("pps") && o.pps == 0:
		return usageErrorf("--pps 0: want frames a second above 0; --topspeed is as fast as it goes")
	case cmd.Flags().Changed("mbps") && !positive(o.mbps):
		return usageErrorf("--mbps %v: want megabits a second above 0; --topspeed is as fast as it goes", o.mbps)
	case !positive(o.multiplier):
		return usageErrorf("--multiplier %v: want a number above 0, as in 2 for twice as fast", o.multiplier)
	case o.maxGap < 0 || o.duration < 0:
		return usageErrorf("--max-gap and --duration: want a time, as in 30s")
	case o.loop < 0:
		return usageErrorf("--loop %d: want a number of passes, or 0 for passes until interrupted", o.loop)
	case o.loop != 1 && slices.Contains(files, "-"):
		return usageErrorf("--loop %d and standard input: it can be read once; name a file", o.loop)
	case o.limit < 0:
		return usageErrorf("--limit %d: want the number of packets to stop after", o.limit)
	}
	switch transmit.Engine(o.engine) {
	case transmit.EngineAuto, transmit.EngineAFXDP, transmit.EngineAFPacket:
		return interfaceExists(o.iface)
	}
	return usageErrorf("--engine %q: want auto, afxdp or afpacket", o.engine)
}

func (o *replayOptions) pace() transmit.Pace {
	return transmit.Pace{
		TopSpeed: o.topSpeed, PerSecond: float64(o.pps), Megabits: o.mbps,
		Multiplier: o.multiplier, MaxGap: o.maxGap,
	}
}

// runReplay is the replay command from checked flags to final ledger.
func runReplay(ctx context.Context, s *streams, o *replayOptions, files []string) (err error) {
	loops := o.loop
	if loops == 0 {
		loops = -1
	}
	file, err := replay.Open(replay.Config{
		Files: files, Loops: loops, Resync: true, ByFile: o.pace().Original(),
		OnDamage: func(e *pcap.DamageError) { fmt.Fprintf(s.err, "xcapa: %v\n", e) },
	})
	if err != nil {
		return err
	}
	defer file.Close()
	if lt := file.Info().LinkType; lt != packet.LinkTypeEthernet {
		return fmt.Errorf("%s has packets of link type %d, not Ethernet frames: an interface cannot send them; "+
			"capture on an Ethernet interface, or give them a header first (tcprewrite --dlt=enet)", files[0], lt)
	}
	sender, err := transmit.Open(transmit.Options{Interface: o.iface, Engine: transmit.Engine(o.engine)})
	if err != nil {
		return captureError(err)
	}
	defer func() { err = errors.Join(err, sender.Close()) }()
	r := &replayRun{
		options: o, file: file, sender: sender,
		run: transmit.Run{File: file, Sender: sender, Pace: o.pace(), Limit: uint64(o.limit)},
	}
	if r.report, err = newReporter(s, &o.report, "replay", false, r.rooms); err != nil {
		return err
	}
	return r.all(ctx, isTerminal(s.err))
}

// replayRun is one replay at work.
type replayRun struct {
	options *replayOptions
	file    *replay.Device
	sender  *transmit.Sender
	run     transmit.Run
	report  *reporter
	began   time.Time
}

func (r *replayRun) all(ctx context.Context, terminal bool) error {
	if r.options.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.options.duration)
		defer cancel()
	}
	// A pipe may bring nothing for a long time.
	defer context.AfterFunc(ctx, func() { r.file.Detach() })()
	_, why := r.sender.Engine()
	r.say("replaying %s on %s: %s", r.file.Info().Interface, r.options.iface, why)
	beside, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.report.run(beside) })
	if terminal && r.report.people != nil {
		bar := &progress{out: r.report.people, done: r.done, words: func() string { return r.words(time.Since(r.began)) }}
		wg.Go(func() { bar.run(beside) })
	}
	r.began = time.Now()
	timing, err := r.run.Frames(ctx)
	took := time.Since(r.began)
	stop()
	wg.Wait()
	r.say("%s in %.2f s", r.words(took), took.Seconds())
	if !r.options.topSpeed && timing.Frames > 0 {
		r.say("timing: frames left %v late on average, %v at most", timing.Mean.Round(100*time.Nanosecond), timing.Max.Round(100*time.Nanosecond))
	}
	if n := r.run.Snapped(); n > 0 {
		r.say("note: %s frames were cut when they were captured, and were sent as they are", ledger.Grouped(n))
	}
	return errors.Join(err, r.report.finish())
}

func (r *replayRun) say(format string, args ...any) {
	if r.report.people != nil {
		fmt.Fprintf(r.report.people, format+"\n", args...)
	}
}

// done is how much of the files, or of --limit or --duration, is sent: the one
// that ends first.
func (r *replayRun) done() (float64, bool) {
	done, known := r.file.Progress()
	if n := r.options.limit; n > 0 {
		room := r.sender.Room()
		done, known = max(done, float64(room.In)/float64(n)), true
	}
	if d := r.options.duration; d > 0 {
		done, known = max(done, time.Since(r.began).Seconds()/d.Seconds()), true
	}
	return min(done, 1), known
}

// words is what was sent, and how fast.
func (r *replayRun) words(elapsed time.Duration) string {
	room := r.sender.Room()
	seconds := max(elapsed.Seconds(), 1e-9)
	return fmt.Sprintf("sent %s frames, %s/s, %.1f Mbit/s", ledger.Grouped(room.Out),
		ledger.Grouped(uint64(float64(room.Out)/seconds)), float64(r.sender.Bytes())*8/seconds/1e6)
}

// rooms are file and wire, read from the last to the first.
func (r *replayRun) rooms() []ledger.Room {
	wire := r.sender.Room()
	if n := r.run.Snapped(); n > 0 {
		wire.Counts = map[string]uint64{"snapped": n}
	}
	return append(r.file.Rooms(), wire)
}

// rate is a flag value in events a second, with k and M.
type rate float64

func (r *rate) String() string {
	if *r == 0 {
		return "0"
	}
	return strconv.FormatFloat(float64(*r), 'f', -1, 64)
}

func (r *rate) Set(s string) error {
	number, unit := s, 1.0
	switch {
	case strings.HasSuffix(s, "k"):
		number, unit = s[:len(s)-1], 1e3
	case strings.HasSuffix(s, "M"):
		number, unit = s[:len(s)-1], 1e6
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return errors.New("want a rate as in 5000, 100k or 1.5M")
	}
	*r = rate(v * unit)
	return nil
}

func (r *rate) Type() string { return "RATE" }
