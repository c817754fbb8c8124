package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

// importOptions are the flags of import. capture -r with brokers has them too
// and is the same.
type importOptions struct {
	recordFlags
	kafka  kafkaFlags
	report reportFlags
	count  int64
	stage  string // name of the ledger and of error records
}

func newImportCommand(s *streams) *cobra.Command {
	o := importOptions{stage: "import"}
	cmd := &cobra.Command{
		Use:   "import FILE|FOLDER...",
		Short: "Bring capture files into Kafka, as records or as raw frames",
		Long: `import decodes capture files (pcap and pcapng, gzip and zstd by content; '-' is
standard input; of a folder all that are captures) and sends their records to a topic.
It waits for the brokers and drops nothing. A record's id is made of the file's content
and the packet's number in it: importing a file again indexes nothing twice. Damage in
a file is reported with its place, also on the errors topic, and reading goes on
behind it.`,
		Example: `  xcapa import --brokers kafka:9092 trace.pcap
  xcapa import --brokers kafka:9092 captures/ 'old*.pcap'
  xcapa import --brokers kafka:9092 --encoding raw --topic pcap trace.pcapng.zst
  cat trace.pcap | xcapa import --brokers kafka:9092 -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("no file: name capture files or folders, or - for standard input; see xcapa import --help")
			}
			return runImport(cmd.Context(), s, &o, args)
		},
	}
	o.kafka.register(cmd)
	o.report.register(cmd)
	f := cmd.Flags()
	f.Int64VarP(&o.count, "count", "c", 0, "stop after `COUNT` packets")
	records := group(cmd, "Records to Kafka")
	o.recordFlags.register(cmd)
	records()
	// A file can wait: nothing of it is dropped unless someone asks for that.
	o.outputFlags.patient(cmd, "import")
	return cmd
}

// importPlan is what the flags mean, checked before anything is opened.
type importPlan struct {
	encoding codec.Encoding
	schema   record.Schema
	kafka    kafka.Config
	topic    string
}

func (o *importOptions) plan(s *streams) (p importPlan, err error) {
	if p.encoding, err = codec.ParseEncoding(o.encode); err != nil || p.encoding == codec.EncodingAuto {
		return p, usageErrorf("--encoding %q: want arrow, json or raw", o.encode)
	}
	if p.schema, err = record.ParseSchema(o.schema); err != nil {
		return p, usageErrorf("--schema: %w", err)
	}
	switch {
	case !o.kafka.hasBrokers():
		return p, usageErrorf("no brokers: name them with --brokers, as in --brokers kafka:9092; `xcapa read` decodes without them")
	case o.count < 0:
		return p, usageErrorf("-c %d: want the number of packets to stop after", o.count)
	}
	if err := o.report.page.validate(); err != nil {
		return p, err
	}
	if p.kafka, err = o.kafka.config(os.LookupEnv); err != nil {
		return p, err
	}
	p.kafka.Logger = peopleLogger(s, true)
	p.topic = topicFor(o.topic, p.encoding)
	return p, o.outputFlags.apply(&p.kafka, p.encoding)
}

// topicFor is the topic asked for, or the encoding's.
func topicFor(topic string, e codec.Encoding) string {
	switch {
	case topic != "":
		return topic
	case e == codec.EncodingRaw:
		return defaultRawTopic
	}
	return defaultPacketsTopic
}

// runImport is the import from checked flags to final ledger.
func runImport(ctx context.Context, s *streams, o *importOptions, args []string) error {
	plan, err := o.plan(s)
	if err != nil {
		return err
	}
	files, skipped, err := captureInputs(args)
	if err != nil {
		return err
	}
	if err := kafka.EnsureTopics(ctx, plan.kafka, plan.topic, o.errors); ctx.Err() != nil {
		return nil // told to end before anything began
	} else if err != nil {
		return kafkaError(err)
	}
	producer, err := kafka.NewProducer(ctx, plan.kafka)
	if err != nil {
		return kafkaError(err)
	}
	im := newImporter(ctx, s, o, &plan, producer, files)
	report, err := newReporter(s, &o.report, o.stage, false, im.rooms)
	if err != nil {
		closeProducer(producer, 0)
		return err
	}
	o.report.recorder(o.stage).AddHealth(producer.Health)
	im.report = report
	if skipped > 0 && report.people != nil {
		fmt.Fprintf(report.people, "%d file(s) of the folders are no captures and are left out\n", skipped)
	}
	stop := im.watch(ctx)
	err = im.files(ctx, files)
	err = errors.Join(err, im.drain(ctx))
	stop()
	return errors.Join(err, report.finish(), im.verdict())
}

// importer reads files and sends what is in them. One goroutine; the atomics
// are read by the reporter and the progress bar.
type importer struct {
	streams  *streams
	options  *importOptions
	plan     *importPlan
	producer *kafka.Producer
	sink     worker.Sink
	report   *reporter

	// of the file being read
	origin record.Origin
	rec    record.Record
	open   sync.Mutex // output, while a pipe is read: its block may have to go while nothing comes
	output worker.Output
	errors *worker.ErrorOutput

	count                       atomic.Uint64 // packets read
	decoded                     [packet.NumStatus]atomic.Uint64
	fileCount, damaged, leftOut atomic.Uint64
	errorCounts                 worker.ErrorCounts

	total              int64        // bytes of all files; 0: not known
	finished, position atomic.Int64 // of them, in files that are done and in the one being read
	began              time.Time
}

func newImporter(ctx context.Context, s *streams, o *importOptions, plan *importPlan, producer *kafka.Producer, files []string) *importer {
	im := &importer{streams: s, options: o, plan: plan, producer: producer, began: time.Now()}
	// A file can wait: nothing of it is ever dropped.
	im.sink = worker.SinkFunc(func(m *message.Message) { _ = producer.Produce(ctx, m) })
	for _, f := range files {
		info, err := os.Stat(f)
		if f == "-" || err != nil || !info.Mode().IsRegular() {
			im.total = 0
			break
		}
		im.total += info.Size()
	}
	return im
}

// files imports one file after another. What is wrong with one is told at the
// end; the others are read.
func (im *importer) files(ctx context.Context, names []string) error {
	var errs []error
	for _, name := range names {
		err := im.file(ctx, name)
		switch {
		case errors.Is(err, errEnough):
			return errors.Join(errs...)
		case err != nil:
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// file imports one file. Damage is passed over, and makes the whole an error.
func (im *importer) file(ctx context.Context, name string) error {
	im.origin = record.Origin{Host: im.options.host}
	var err error
	if im.origin.Source, err = fileSource(name); err != nil {
		return err
	}
	var in *pcap.Reader
	if name == "-" {
		in, err = pcap.NewReader(im.streams.in, "standard input", pcap.Options{Resync: true})
	} else {
		in, err = pcap.Open(name, pcap.Options{Resync: true})
	}
	if err != nil {
		return err
	}
	defer in.Close()
	im.begin(name)
	defer im.end(in)
	if _, size := in.Position(); size == 0 {
		stop := im.flushPipe(ctx)
		defer stop()
	}
	return im.packets(ctx, in, name)
}

// begin makes the outputs of one file: its records share what their messages'
// headers say.
func (im *importer) begin(name string) {
	o := im.options
	im.errors = nil
	switch e := im.plan.encoding; {
	case e.HasDocuments():
		im.output = packetOutput(im.sink, im.producer, im.plan.topic, 0, &worker.DocumentEncoder{Origin: &im.origin,
			Documents: codec.NewDocuments(e, codec.JSONOptions{Schema: im.plan.schema})})
	case e == codec.EncodingRaw:
		im.output = packetOutput(im.sink, im.producer, im.plan.topic, 0, &worker.RawEncoder{Extras: o.headers})
		return // raw frames are not judged
	default:
		im.output = worker.NewBlockOutput(im.sink, im.plan.topic, im.origin, o.rows, o.linger)
	}
	im.errors = im.errorOutput(name)
}

func (im *importer) errorOutput(name string) *worker.ErrorOutput {
	e := worker.NewErrorOutput(im.sink, im.options.errors, im.options.stage, im.origin, im.options.errRate, im.options.inOut)
	e.CountIn(&im.errorCounts)
	e.FromFile(name)
	return e
}

// end closes a file's last block.
func (im *importer) end(in *pcap.Reader) {
	im.open.Lock()
	defer im.open.Unlock()
	im.output.Flush()
	_, size := in.Position()
	im.finished.Add(size)
	im.position.Store(0)
	im.fileCount.Add(1)
}

// flushPipe lets no record wait longer than its linger while nothing comes out
// of a pipe.
func (im *importer) flushPipe(ctx context.Context) func() {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		flushEvery(ctx, max(im.options.linger/2, time.Millisecond), func() {
			im.open.Lock()
			defer im.open.Unlock()
			if d := im.output.Deadline(); !d.IsZero() && !time.Now().Before(d) {
				im.output.Flush()
			}
		})
	})
	return func() { stop(); wg.Wait() }
}

// lookEvery is after how many packets the importer looks up from its reading.
const lookEvery = 256

func (im *importer) packets(ctx context.Context, in *pcap.Reader, name string) error {
	damaged := 0
	for number := int64(1); ; {
		p, err := in.Next()
		var damage *pcap.DamageError
		switch {
		case errors.Is(err, io.EOF):
			if damaged > 0 {
				return fmt.Errorf("%s is damaged in %d place(s); every packet that is whole was imported", name, damaged)
			}
			return nil
		case errors.As(err, &damage):
			damaged++
			im.damage(name, damage)
			if !damage.Resumed {
				return fmt.Errorf("%s could not be read to its end; the packets before the damage were imported", name)
			}
			continue
		case err != nil:
			return err
		}
		n := im.count.Add(1)
		im.packet(&p, number)
		number++
		if im.options.count > 0 && n >= uint64(im.options.count) {
			return errEnough
		}
		if n%lookEvery == 0 {
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted after %d packets of %s", number-1, name)
			}
			at, _ := in.Position()
			im.position.Store(at)
		}
	}
}

// packet decodes one packet and hands it on.
func (im *importer) packet(p *pcap.Packet, number int64) {
	r := &im.rec
	r.SetPacket(p.LinkType, p.Data, max(p.OrigLen, uint32(len(p.Data))), p.TimestampNanos)
	if im.options.verify {
		packet.Verify(&r.Packet, p.Data)
	}
	r.SourceOffset, r.Sequence = number, uint64(number)
	r.Present |= 1 << record.FieldSourceOffset
	im.decoded[r.Status].Add(1)
	im.open.Lock()
	defer im.open.Unlock()
	if r.Status.IsError() && im.errors != nil {
		im.errors.AppendAt(r, p.Data, p.FileOffset)
		if !im.errors.InOutput() {
			return
		}
	}
	im.output.Append(r, p.Data)
}

// codeDamaged is the error records' word for a place of a file that makes no
// sense, as of a message that is a file.
const codeDamaged = "damaged_capture"

// damage reports a place that is passed over: to people, and on the errors
// topic.
func (im *importer) damage(name string, e *pcap.DamageError) {
	im.damaged.Add(1)
	im.leftOut.Add(uint64(e.Skipped))
	im.report.recorder.Problem("damage", e.Error())
	clear := ""
	if isTerminal(im.streams.err) {
		clear = "\r\033[K" // the bar stands there
	}
	fmt.Fprintf(im.streams.err, "%sxcapa: %v\n", clear, e)
	im.open.Lock()
	defer im.open.Unlock()
	im.errorOutput(name).Send(&codec.Failure{
		TimestampNanos: time.Now().UnixNano(), Code: codeDamaged, Offset: -1, Row: -1, Message: e.Error(), Byte: e.Offset,
	}, 0)
}

// drain waits until the brokers have everything; after an interrupt, no longer
// than --drain.
func (im *importer) drain(ctx context.Context) error {
	wait, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(im.options.drain, cancel) })()
	return im.producer.Close(wait)
}

// verdict is an error when something was lost, which only a broker's refusal or
// an interrupt can bring about. What --errors-per-second keeps back is what was
// asked for.
func (im *importer) verdict() error {
	r := im.producer.Room()
	n := r.DroppedTotal()
	if n == 0 {
		return nil
	}
	err := fmt.Errorf("%d packets were not delivered", n)
	if why := im.producer.LastError(); why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// rooms are file, decode and kafka, read from the last to the first.
func (im *importer) rooms() []ledger.Room {
	sink := im.producer.Room()
	sink.Drop(ledger.ErrorSuppressed, im.errorCounts.Suppressed())
	if n := im.errorCounts.Delivered(); n > 0 {
		sink.Counts = map[string]uint64{ledger.ErrorsTopic: n}
	}
	decode := ledger.Room{Room: "decode"}
	for i := range im.decoded {
		n := im.decoded[i].Load()
		decode.Out += n
		if s := packet.Status(i); s != packet.StatusWhole && n > 0 {
			if decode.ByStatus == nil {
				decode.ByStatus = map[string]uint64{}
			}
			decode.ByStatus[s.String()] = n
		}
	}
	in := im.count.Load()
	decode.In, sink.In = in, decode.Out
	file := ledger.Room{Room: "file", In: in, Out: in, Counts: map[string]uint64{
		"files": im.fileCount.Load(), "damaged": im.damaged.Load(), "bytes_left_out": im.leftOut.Load(),
	}}
	return []ledger.Room{file, decode, sink}
}

// watch writes the ledger at its intervals and shows the bar on a terminal; the
// function it returns ends both.
func (im *importer) watch(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { im.report.run(ctx) })
	if im.report.table && isTerminal(im.streams.err) {
		bar := &progress{out: im.report.people, done: im.done, words: im.words}
		wg.Go(func() { bar.run(ctx) })
	}
	return func() { cancel(); wg.Wait() }
}

// done is how much of all files was read.
func (im *importer) done() (float64, bool) {
	if im.total == 0 {
		return 0, false
	}
	return min(float64(im.finished.Load()+im.position.Load())/float64(im.total), 1), true
}

func (im *importer) words() string {
	n := im.count.Load()
	return fmt.Sprintf("%s packets, %s/s", ledger.Grouped(n), ledger.Grouped(uint64(float64(n)/time.Since(im.began).Seconds())))
}
