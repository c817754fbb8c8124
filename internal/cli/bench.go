package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/load"
	"xcapa/internal/measure"
	"xcapa/internal/veth"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	output   string
	length   time.Duration
	rounds   int
	size     int
	imix     bool
	stamp    string
	encoding string
	compress string
	flows    int
}

func newBenchCommand(s *streams) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Find what this host can capture, and the first stage that breaks",
		Long: `bench sends as many frames as one core can make into a veth pair of its own and
lets a capture take them: first the XDP program alone, then as far as the ring,
the decoder, the encoder, and the acknowledgement of a broker that keeps nothing.
Then it looks for the rate at which the whole path loses nothing.

It takes two cores for a minute at most, and no interface of yours. Without other
work on the host its figures are ceilings of one RX queue in copy mode; a NIC with
zero copy and several queues does more.`,
		Example: `  sudo xcapa bench                                  60-byte frames, arrow, snappy
  sudo xcapa bench --imix --stamp batch
  sudo xcapa bench --encoding json -o json | jq .stages`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBench(cmd.Context(), s, &o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "`FORMAT`: text or json")
	f.DurationVar(&o.length, "for", 600*time.Millisecond, "traffic of one trial")
	f.IntVar(&o.rounds, "rounds", 3, "trials of each stage, of which the median counts")
	f.IntVar(&o.size, "size", 60, "`BYTES` of the frames, without FCS")
	f.BoolVar(&o.imix, "imix", false, "60, 590 and 1514 bytes, 7:4:1")
	f.IntVar(&o.flows, "flows", 4096, "flows in the traffic")
	f.StringVar(&o.stamp, "stamp", "packet", "as for capture: `packet` or batch")
	f.StringVar(&o.encoding, "encoding", "arrow", "as for capture: `arrow`, json or raw")
	f.StringVar(&o.compress, "compression", "snappy", "as for capture: `none`, gzip, snappy, lz4 or zstd")
	cmd.AddCommand(newGenerateCommand(s))
	return cmd
}

// benchBudget is the longest bench takes, all trials together.
const benchBudget = 55 * time.Second

func (o *benchOptions) validate() error {
	var problems []string
	if o.output != "text" && o.output != "json" {
		problems = append(problems, fmt.Sprintf("-o %q: want text or json", o.output))
	}
	if o.stamp != "packet" && o.stamp != "batch" {
		problems = append(problems, fmt.Sprintf("--stamp %q: want packet or batch", o.stamp))
	}
	if e, err := codec.ParseEncoding(o.encoding); err != nil || e == codec.EncodingAuto {
		problems = append(problems, fmt.Sprintf("--encoding %q: want arrow, json or raw", o.encoding))
	}
	if !slices.Contains([]string{"none", "gzip", "snappy", "lz4", "zstd"}, o.compress) {
		problems = append(problems, fmt.Sprintf("--compression %q: want none, gzip, snappy, lz4 or zstd", o.compress))
	}
	if o.length < 100*time.Millisecond || o.length > 5*time.Second {
		problems = append(problems, fmt.Sprintf("--for %v: want 100ms to 5s", o.length))
	}
	if o.rounds < 1 || o.rounds > 9 {
		problems = append(problems, fmt.Sprintf("--rounds %d: want 1 to 9", o.rounds))
	}
	if o.size < 60 || o.size > 1514 {
		problems = append(problems, fmt.Sprintf("--size %d: want 60 to 1514", o.size))
	}
	if o.flows < 1 || o.flows > 1<<20 {
		problems = append(problems, fmt.Sprintf("--flows %d: want 1 to %d", o.flows, 1<<20))
	}
	if len(problems) > 0 {
		return usageErrorf("%s", strings.Join(problems, "; "))
	}
	return nil
}

// benchStage is what one stage can do.
type benchStage struct {
	Stage    string            `json:"stage"`
	Rate     float64           `json:"packets_per_second"`
	Low      float64           `json:"lowest"`
	High     float64           `json:"highest"`
	Gbit     float64           `json:"gbit_per_second"`
	CPU      float64           `json:"cpu_ns_per_packet"` // of the capture; 0: the kernel's stage
	Lost     float64           `json:"lost"`              // share of what was offered
	Where    map[string]uint64 `json:"lost_where,omitempty"`
	Waited   float64           `json:"waited"` // share of the time its threads waited for a core
	children []string
	kafka    bool
}

// benchReport is the whole answer.
type benchReport struct {
	Version  string       `json:"version"`
	Frames   string       `json:"frames"`
	Capture  string       `json:"capture"`
	Place    string       `json:"placement"`
	Stages   []benchStage `json:"stages"`
	Breaks   string       `json:"breaks_first"`   // the stage that takes the largest share away
	Lossless float64      `json:"lossless_rate"`  // packets/s of the whole path; 0: none of the rates tried
	Tried    []float64    `json:"lossless_tried"` // rates tried, fastest first
	Advice   []string     `json:"advice"`
	Seconds  float64      `json:"seconds"`
	begun    time.Time
}

func runBench(ctx context.Context, s *streams, o *benchOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return withCode(exitPrivilege, fmt.Errorf("bench makes network namespaces and loads XDP programs: run it as root, as in sudo xcapa bench"))
	}
	place, err := measure.Place(measure.AllowedCores())
	if err != nil {
		return err
	}
	b := &benchRun{streams: s, options: o, place: place}
	r := &benchReport{Version: version, Frames: o.frames(), Capture: fmt.Sprintf("--stamp %s --encoding %s --compression %s", o.stamp, o.encoding, o.compress), Place: place.String(), begun: time.Now()}
	if err := b.stages(ctx, r); err != nil {
		return err
	}
	if err := b.lossless(ctx, r); err != nil {
		return err
	}
	r.judge()
	r.Seconds = time.Since(r.begun).Seconds()
	if o.output == "json" {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.writeText(s.out)
}

func (o *benchOptions) frames() string {
	if o.imix {
		return fmt.Sprintf("IMIX (7:4:1 of 60, 590, 1514 bytes), %d flows", o.flows)
	}
	return fmt.Sprintf("%d bytes, UDP over IPv4, %d flows", o.size, o.flows)
}

// frameBytes is a frame's length on average.
func (o *benchOptions) frameBytes() float64 {
	if !o.imix {
		return float64(o.size)
	}
	sum := 0
	for _, n := range load.IMIX {
		sum += n
	}
	return float64(sum) / float64(len(load.IMIX))
}

// benchRun measures.
type benchRun struct {
	streams *streams
	options *benchOptions
	place   measure.Placement
}

// The stages, narrowest view first. The last one's name is the whole path's.
const (
	stageKernel = "XDP program alone"
	stageRing   = "to the ring"
	stageDecode = "decoded"
	stageEncode = "encoded"
	stageWhole  = "acknowledged"
)

func (o *benchOptions) stages() []benchStage {
	capture := []string{"--stamp", o.stamp}
	encode := append(slices.Clone(capture), "--encoding", o.encoding)
	return []benchStage{
		{Stage: stageKernel},
		{Stage: stageRing, children: append(slices.Clone(capture), "--until", untilRing)},
		{Stage: stageDecode, children: append(slices.Clone(capture), "--until", untilDecode)},
		{Stage: stageEncode, children: append(slices.Clone(encode), "--until", untilEncode)},
		{Stage: stageWhole, children: append(slices.Clone(encode), "--compression", o.compress), kafka: true},
	}
}

// stages measures each one, rounds in turn, and keeps the median by rate.
func (b *benchRun) stages(ctx context.Context, r *benchReport) error {
	r.Stages = b.options.stages()
	samples := make([][]benchSample, len(r.Stages))
	for round := range b.options.rounds {
		if round > 0 && time.Since(r.begun) > benchBudget*2/3 {
			break
		}
		for i := range r.Stages {
			b.say("round %d of %d: %s", round+1, b.options.rounds, r.Stages[i].Stage)
			sample, err := b.trial(ctx, &r.Stages[i], 0)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Stages[i].Stage, err)
			}
			samples[i] = append(samples[i], sample)
		}
	}
	for i := range r.Stages {
		r.Stages[i].take(samples[i], b.options.frameBytes())
	}
	return nil
}

// say tells a person on a terminal what is going on.
func (b *benchRun) say(format string, args ...any) {
	if isTerminal(b.streams.err) {
		fmt.Fprintf(b.streams.err, "\r\033[K"+format, args...)
	}
}

func (st *benchStage) take(samples []benchSample, frameBytes float64) {
	slices.SortFunc(samples, func(a, b benchSample) int { return int(a.rate() - b.rate()) })
	m := samples[len(samples)/2]
	st.Rate, st.Low, st.High = m.rate(), samples[0].rate(), samples[len(samples)-1].rate()
	st.Gbit = st.Rate * frameBytes * 8 / 1e9
	st.CPU, st.Lost, st.Where, st.Waited = m.cpu, m.lost(), m.where, m.waited
}

// losslessShares of the whole path's rate are tried, fastest first.
var losslessShares = []float64{0.9, 0.75, 0.5, 0.25, 0.1}

// lossless finds the fastest of some rates at which nothing at all is lost.
func (b *benchRun) lossless(ctx context.Context, r *benchReport) error {
	whole := &r.Stages[len(r.Stages)-1]
	for _, share := range losslessShares {
		if time.Since(r.begun) > benchBudget {
			break
		}
		rate := share * whole.Rate
		b.say("whole path at %s/s", grouped(rate))
		r.Tried = append(r.Tried, rate)
		sample, err := b.trial(ctx, whole, rate)
		if err != nil {
			return fmt.Errorf("whole path at %.0f/s: %w", rate, err)
		}
		if sample.handled == sample.offered {
			r.Lossless = sample.rate()
			break
		}
	}
	b.say("")
	return nil
}

// benchSample is one trial.
type benchSample struct {
	offered, handled uint64
	seconds          float64
	cpu              float64 // ns a packet
	waited           float64
	where            map[string]uint64
}

func (s benchSample) rate() float64 { return float64(s.handled) / s.seconds }

func (s benchSample) lost() float64 {
	if s.offered == 0 {
		return 0
	}
	return max(0, 1-float64(s.handled)/float64(s.offered))
}

// benchInterfaces are the ends of the wire.
var benchInterfaces = [2]string{"xbench0", "xbench1"}

// trial measures one stage on a wire and with processes of its own; rate 0: as
// many frames as there can be.
func (b *benchRun) trial(ctx context.Context, st *benchStage, rate float64) (sample benchSample, err error) {
	pair, err := veth.Open(veth.Options{Names: benchInterfaces})
	if err != nil {
		return sample, withCode(exitPrivilege, err)
	}
	defer pair.Close()
	if st.children == nil {
		return b.ceiling(ctx, pair)
	}
	quiet := &streams{in: b.streams.in, out: io.Discard, err: io.Discard}
	v, err := newSupervisor(quiet, nil)
	if err != nil {
		return sample, err
	}
	defer v.close()
	args := append([]string{"capture", "-i", benchInterfaces[1], "--engine", "afxdp", "-q"}, st.children...)
	if st.kafka {
		v.spawn = b.spawnOn(b.place.Other, pair.Ends[1])
		portFile := filepath.Join(v.dir, "broker.port")
		if _, err := v.start("broker", "broker", "--port-file", portFile, "--discard", "--topics", strings.Join([]string{defaultPacketsTopic, defaultRawTopic, defaultErrorsTopic}, ",")); err != nil {
			return sample, err
		}
		brokers, err := v.waitForFile(ctx, portFile)
		if err != nil {
			return sample, err
		}
		args = append(args, "--brokers", brokers)
	}
	v.spawn = b.spawnOn(b.place.App, pair.Ends[1])
	capture, err := v.startStage("capture", 1, args...)
	if err != nil {
		return sample, err
	}
	if err := v.awaitReady(ctx, capture); err != nil {
		return sample, err
	}
	return b.drive(ctx, pair, v, capture, st.kafka, rate)
}

// drive sends traffic at a capture that is ready and takes its final ledger.
func (b *benchRun) drive(ctx context.Context, pair *veth.Pair, v *supervisor, capture *stage, kafka bool, rate float64) (sample benchSample, err error) {
	before, err := measure.Used(capture.cmd.Process.Pid)
	if err != nil {
		return sample, err
	}
	g, err := b.generate(ctx, pair, rate)
	if err != nil {
		return sample, err
	}
	end := time.Now()
	at, err := b.awaitRest(ctx, capture)
	if err != nil {
		return sample, err
	}
	after, err := measure.Used(capture.cmd.Process.Pid)
	if err != nil {
		return sample, err
	}
	capture.ask()
	if err := capture.wait(20 * time.Second); err != nil {
		return sample, err
	}
	final := capture.ledger()
	if final == nil || !final.Final || len(final.Rooms) == 0 {
		return sample, fmt.Errorf("the capture left no final ledger")
	}
	used := after.Minus(before)
	sample.offered, sample.handled, sample.seconds = g.Frames, final.Rooms[len(final.Rooms)-1].Out, g.Seconds
	if kafka { // what still lay in buffers was not delivered in the generator's time
		sample.seconds += max(0, at.Sub(end).Seconds())
	}
	sample.cpu = float64(used.Ran) / float64(max(sample.handled, 1))
	sample.waited = used.Delayed.Seconds() / sample.seconds
	sample.where = lostWhere(sample.offered, final.Rooms)
	return sample, nil
}

// ceiling measures the kernel's side alone: nothing of it is ours but the program.
func (b *benchRun) ceiling(ctx context.Context, pair *veth.Pair) (sample benchSample, err error) {
	stamp := stampOf(b.options.stamp)
	var c *load.Ceiling
	if err := pair.Ends[1].Do(func() error { c, err = load.OpenCeiling(benchInterfaces[1], stamp); return err }); err != nil {
		return sample, captureError(err)
	}
	defer c.Close()
	g, err := b.generate(ctx, pair, 0)
	if err != nil {
		return sample, err
	}
	time.Sleep(20 * time.Millisecond)
	n, err := c.Frames()
	return benchSample{offered: g.Frames, handled: n, seconds: g.Seconds}, err
}

// lostWhere says in which room what was offered and not handled was lost.
func lostWhere(offered uint64, rooms []ledger.Room) map[string]uint64 {
	where := map[string]uint64{}
	for _, r := range rooms {
		for reason, n := range r.Dropped {
			if n > 0 {
				where[r.Room+" "+reason] = n
			}
		}
	}
	if n := int64(offered) - int64(rooms[0].In); n > 0 {
		where["veth queue"] = uint64(n)
	}
	return where
}
