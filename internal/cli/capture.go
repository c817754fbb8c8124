package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"xcapa/internal/capture"
	"xcapa/internal/codec"
	"xcapa/internal/kafka"
	"xcapa/internal/line"
	"xcapa/internal/record"
)

// captureOptions are the flags of capture; run and demo hand the same ones on
// to the capture process they start.
type captureOptions struct {
	device deviceOptions
	kafka  kafkaFlags
	report reportFlags
	recordFlags
	count int64
	until string

	save saveFlags // a capture file

	fastcapa string // a configuration file

	// lines on the terminal
	line    lineFlags
	brief   bool
	eager   bool
	numeric bool
}

func (o *captureOptions) register(cmd *cobra.Command) {
	o.device.register(cmd)
	o.kafka.register(cmd)
	o.report.register(cmd)
	f := cmd.Flags()
	f.Int64VarP(&o.count, "count", "c", 0, "stop after `COUNT` packets")
	records := group(cmd, "Records to Kafka")
	o.recordFlags.register(cmd)
	f.StringVar(&o.fastcapa, "fastcapa-config", "", "take brokers and Kafka settings from a configuration `FILE` of Metron's fastcapa")
	records()
	f.StringVar(&o.until, "until", "", "for measurements: the last `ROOM` frames reach: ring (they are counted), decode or encode")
	_ = f.MarkHidden("until")
	o.save.register(cmd, "write frames to a capture `FILE` instead (.gz, .zst: compressed; '-': standard output)")
	o.line.register(cmd)
	lines := group(cmd, linesGroup)
	f.BoolVar(&o.brief, "brief", false, "text: protocol and length only, as with -q, and still banner and table")
	f.BoolVarP(&o.eager, "line-buffered", "l", false, "text: write each line at once, not ten times a second")
	f.BoolVarP(&o.numeric, "no-names", "n", true, "addresses and ports as numbers (always so)")
	lines()
}

// The rooms at which --until can end a frame's way.
const (
	untilRing   = "ring"
	untilDecode = "decode"
	untilEncode = "encode"
)

// The topics of the interface description, section 3.
const (
	defaultRawTopic     = "xcapa.raw"
	defaultPacketsTopic = "xcapa.packets"
	defaultErrorsTopic  = "xcapa.errors"
)

func newCaptureCommand(s *streams) *cobra.Command {
	var o captureOptions
	var list bool
	var output string
	cmd := &cobra.Command{
		Use:   "capture -i INTERFACE...",
		Short: "Capture packets: to the terminal, or as records to Kafka",
		Example: `  xcapa capture -D                                    the interfaces there are
  sudo xcapa capture -i eth1                          one line a packet
  sudo xcapa capture -i eth1 -c 100 -e -v             a hundred packets with link and IP header
  sudo xcapa capture -i eth1 -w trace.pcapng.zst -b duration:60 -b files:10
  sudo xcapa capture -i eth1 --brokers kafka:9092     records in Arrow blocks to xcapa.packets
  sudo xcapa capture -i eth1 -i eth2 --encoding json --brokers k1:9092,k2:9092
  sudo xcapa capture -i eth1 --encoding raw --topic pcap --brokers kafka:9092`,
		Args: refuseFilter,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageErrorf("-o %q: want text or json, for -D", output)
			}
			if list {
				return listInterfaces(s, &o.device, output)
			}
			if o.save.path != "" && !typedByHand(cmd, "brokers") {
				o.kafka.brokers = nil // -w says what is wanted now
			}
			if len(o.device.files) > 0 && !cmd.Flags().Changed("errors-per-second") {
				o.errRate = 0 // a file can wait, as for import
			}
			if o.fastcapa != "" {
				t := &translation{}
				if err := applyFastcapaConfig(&o, o.fastcapa, t); err != nil {
					return err
				}
				if !o.report.quiet {
					t.write(s.err)
				}
			}
			return runCapture(cmd.Context(), s, &o)
		},
	}
	o.register(cmd)
	f := cmd.Flags()
	f.BoolVarP(&list, "list-interfaces", "D", false, "list the interfaces: driver, queues, XDP modes, state, and what --engine auto takes")
	f.StringVarP(&output, "output", "o", "text", "`FORMAT` of -D: text or json")
	onlyOnCommandLine(cmd, "list-interfaces", "output")
	return cmd
}

// refuseFilter turns filter words away: a filter that is ignored would be worse.
func refuseFilter(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageErrorf("filter %q: capture filters are not there yet, nothing was captured; "+
		"capture without one and select in the query, or keep traffic away with --keep", strings.Join(args, " "))
}

// runCapture is the capture command from checked flags to final ledger.
func runCapture(ctx context.Context, s *streams, o *captureOptions) error {
	plan, err := o.plan(s)
	if err != nil {
		return err
	}
	if len(o.device.files) > 0 && len(plan.kafka.Brokers) > 0 {
		return runImport(ctx, s, o.asImport(), o.device.files)
	}
	p := &pipeline{streams: s, options: o, plan: plan}
	defer p.close()
	if err := p.open(ctx); err != nil {
		return err
	}
	return p.run(ctx)
}

// asImport is the import of the files of -r.
func (o *captureOptions) asImport() *importOptions {
	return &importOptions{recordFlags: o.recordFlags, kafka: o.kafka, report: o.report, count: o.count, stage: "import"}
}

// capturePlan is what the flags mean, checked before anything is opened.
type capturePlan struct {
	encoding codec.Encoding
	schema   record.Schema
	kafka    kafka.Config // Brokers empty: lines on the terminal
	topic    string
	printer  line.Printer
}

func (o *captureOptions) plan(s *streams) (capturePlan, error) {
	var p capturePlan
	var err error
	if p.encoding, err = codec.ParseEncoding(o.encode); err != nil || p.encoding == codec.EncodingAuto || p.encoding > codec.EncodingRaw {
		return p, usageErrorf("--encoding %q: want arrow, json or raw", o.encode)
	}
	if p.schema, err = record.ParseSchema(o.schema); err != nil {
		return p, usageErrorf("--schema: %w", err)
	}
	switch {
	case o.count < 0:
		return p, usageErrorf("-c %d: want the number of packets to stop after", o.count)
	case o.linger <= 0:
		return p, usageErrorf("--linger %v: want a time above 0, as in --linger 100ms", o.linger)
	case o.rows < 1 || o.rows > codec.MaxBlockRows:
		return p, usageErrorf("--block-rows %d: want 1 to %d", o.rows, codec.MaxBlockRows)
	case o.parts == 0 || o.parts < -1 || o.repl == 0 || o.repl < -1:
		return p, usageErrorf("--partitions %d, --replicas %d: want a number above 0, or -1 for the broker's own", o.parts, o.repl)
	}
	if err := errors.Join(o.device.validate(), o.report.page.validate()); err != nil {
		return p, err
	}
	p.printer = o.line.printer(o.brief || o.report.quiet)
	if !slices.Contains([]string{"", untilRing, untilDecode, untilEncode}, o.until) {
		return p, usageErrorf("--until %q: want ring, decode or encode", o.until)
	}
	switch {
	case o.until != "" && (o.save.path != "" || o.kafka.hasBrokers()):
		return p, usageErrorf("--until ends before frames go anywhere: leave -w and --brokers out")
	case o.save.path != "" && o.kafka.hasBrokers():
		return p, usageErrorf("-w and --brokers: frames go to a file or records to Kafka; start two captures for both")
	case o.save.path == "" && (o.save.format != "" || len(o.save.rotation) > 0):
		return p, usageErrorf("-F and -b say how -w writes: name the file with -w")
	case !o.kafka.hasBrokers():
		return p, nil
	}
	if p.kafka, err = o.kafka.config(os.LookupEnv); err != nil {
		return p, err
	}
	p.topic = topicFor(o.topic, p.encoding)
	return p, o.outputFlags.apply(&p.kafka, p.encoding)
}

// byteSize is a flag value in bytes, with KiB, MiB and GiB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func (b *byteSize) String() string {
	for _, u := range byteUnits {
		if int64(*b) >= u.size && int64(*b)%u.size == 0 {
			return fmt.Sprintf("%d%s", int64(*b)/u.size, u.suffix)
		}
	}
	return fmt.Sprint(int64(*b))
}

func (b *byteSize) Set(s string) error {
	unit := int64(1)
	number := s
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = n, u.size
			break
		}
	}
	var n int64
	if _, err := fmt.Sscanf(number, "%d", &n); err != nil || n <= 0 || fmt.Sprint(n) != number {
		return errors.New("want a size as in 64MiB")
	}
	*b = byteSize(n * unit)
	return nil
}

func (b *byteSize) Type() string { return "size" }

// bannerLines says what was obtained for one device.
func bannerLines(i capture.Info) []string {
	what := []string{"engine " + i.Engine}
	if i.Mode != "" {
		copyMode := "copy mode"
		if i.ZeroCopy {
			copyMode = "zero-copy"
		}
		what = append(what, i.Mode, copyMode)
	}
	what = append(what, fmt.Sprintf("%d queue(s)", i.Queues))
	if i.Workers > 0 {
		what = append(what, fmt.Sprintf("%d workers by flow", i.Workers))
	}
	if i.Program != "" {
		what = append(what, "program "+i.Program)
	}
	lines := []string{fmt.Sprintf("capturing on %s: %s", i.Interface, strings.Join(what, ", "))}
	if i.Why != "" {
		lines = append(lines, "  "+i.Why)
	}
	for _, n := range i.Notes {
		lines = append(lines, "  note: "+n)
	}
	return lines
}
