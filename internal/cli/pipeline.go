package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/codec"
	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

// pipeline is one capture process: devices, one worker per RX queue, and what
// takes their messages.
type pipeline struct {
	streams *streams
	options *captureOptions
	plan    capturePlan

	devices  []capture.Device
	workers  []*worker.Worker
	errors   []*worker.ErrorOutput
	errRate  int             // error records a second of each worker
	lines    *lineWriter     // no brokers: text
	save     *saveFile       // -w: a capture file
	producer *kafka.Producer // nil: text
	sink     worker.Sink     // the producer, dropping or waiting
	report   *reporter
	notes    []string // what doctor finds wrong with the interfaces
}

// open gets everything ready and tells the person what was obtained. What it
// opened is closed by close, also after an error.
func (p *pipeline) open(ctx context.Context) error {
	o := p.options
	switch {
	case len(p.plan.kafka.Brokers) > 0:
		if err := p.openKafka(ctx); err != nil {
			return err
		}
	case o.until != "":
		p.sink = worker.SinkFunc(func(m *message.Message) { m.Done(m, nil) })
	case o.save.path == "":
		p.lines = &lineWriter{out: bufio.NewWriterSize(p.streams.out, 64<<10), printer: &p.plan.printer, eager: o.eager}
	}
	live := len(o.device.files) == 0
	if live {
		placed, err := o.device.place()
		if err != nil {
			return err
		}
		if placed != "" {
			p.notes = append(p.notes, placed)
		}
	}
	if err := p.openDevices(); err != nil {
		return err
	}
	if o.save.path != "" {
		var err error
		if p.save, err = openSaveFile(o, p.devices); err != nil {
			return err
		}
	}
	sources := 0
	for _, d := range p.devices {
		sources += len(d.Sources())
	}
	if live {
		limitProcessors(sources + p.receivers())
	}
	p.errRate = perWorker(o.errRate, sources)
	var quota *worker.Quota
	if o.count > 0 {
		quota = worker.NewQuota(o.count)
	}
	for i, d := range p.devices {
		p.addWorkers(d, i, quota)
	}
	var err error
	p.report, err = newReporter(p.streams, &o.report, "capture", p.producer != nil, p.rooms)
	if err != nil {
		return err
	}
	if p.report.people != nil {
		for _, d := range p.devices {
			for _, l := range bannerLines(d.Info()) {
				fmt.Fprintln(p.report.people, l)
			}
		}
		for _, n := range p.notes {
			fmt.Fprintf(p.report.people, "  note: %s\n", n)
		}
	}
	return nil
}

// receivers is how many threads stand between the queues and the workers.
func (p *pipeline) receivers() (n int) {
	for _, d := range p.devices {
		if i := d.Info(); i.Workers > 0 {
			n += i.Queues
		}
	}
	return n
}

// perWorker is each worker's part of a rate for all of them; 0 stays no limit.
func perWorker(rate, workers int) int {
	if rate <= 0 {
		return 0
	}
	return max(1, rate/max(1, workers))
}

func (p *pipeline) openDevices() error {
	if len(p.options.device.files) > 0 {
		d, err := p.options.device.openFiles(p.streams)
		if err == nil {
			p.devices = append(p.devices, d)
		}
		return err
	}
	for _, name := range p.options.device.interfaces {
		d, err := openDevice(name, &p.options.device, func(n string) { p.notes = append(p.notes, n) })
		if err != nil {
			return err
		}
		p.devices = append(p.devices, d)
	}
	return nil
}

func (p *pipeline) openKafka(ctx context.Context) error {
	cfg, o := p.plan.kafka, p.options
	err := kafka.EnsureTopics(ctx, cfg, p.plan.topic, o.errors)
	switch {
	case err == nil:
	case o.kafka.requireOK || !errors.Is(err, kafka.ErrUnreachable):
		return kafkaError(err)
	default:
		fmt.Fprintf(p.streams.err, "xcapa: %v; capturing all the same, what does not fit in the buffer (%s) is dropped and counted\n", err, o.buffer.String())
	}
	rec := o.report.recorder("capture")
	cfg.Logger = slog.New(rec.Handler(slog.DiscardHandler)) // the page shows it; people read of the loss
	if p.producer, err = kafka.NewProducer(ctx, cfg); err != nil {
		return kafkaError(err)
	}
	rec.AddHealth(p.producer.Health)
	p.sink = p.producer
	return nil
}

// addWorkers makes one worker for each RX queue of d, the device with that
// number.
func (p *pipeline) addWorkers(d capture.Device, number int, quota *worker.Quota) {
	info := d.Info()
	for _, src := range d.Sources() {
		origin := record.Origin{Host: p.options.host, Run: info.Run, Interface: info.Interface, Queue: src.Queue()}
		cfg := worker.Config{
			Source: src, LinkType: info.LinkType, Batch: p.options.device.batch,
			VerifyChecksums: p.options.verify, Quota: quota,
		}
		switch {
		case p.options.until == untilRing || p.options.until == untilDecode:
			cfg.CountOnly = p.options.until == untilRing
			cfg.Output = noOutput{}
		case p.save != nil:
			cfg.Output = &fileOutput{p.save, number}
		case p.lines != nil:
			cfg.Output = p.lines
		default:
			cfg.Output = p.output(origin, info.LinkType)
			if p.plan.encoding != codec.EncodingRaw { // raw frames are not judged
				cfg.Errors = worker.NewErrorOutput(p.sink, p.options.errors, "capture", origin, p.errRate, p.options.inOut)
				p.errors = append(p.errors, cfg.Errors)
			}
		}
		p.workers = append(p.workers, worker.New(cfg))
	}
}

func (p *pipeline) output(origin record.Origin, linkType uint16) worker.Output {
	switch p.plan.encoding {
	case codec.EncodingJSON:
		return packetOutput(p.sink, p.producer, p.plan.topic, origin.Queue,
			worker.NewJSONEncoder(&origin, codec.JSONOptions{Schema: p.plan.schema}))
	case codec.EncodingRaw:
		return packetOutput(p.sink, p.producer, p.plan.topic, origin.Queue,
			&worker.RawEncoder{LinkType: linkType, Queue: origin.Queue, Extras: p.options.headers})
	}
	return worker.NewBlockOutput(p.sink, p.plan.topic, origin, p.options.rows, p.options.linger)
}

// packetOutput makes the output of a record per packet that gathers them as the
// producer wants it; nil: as one would that nobody has configured.
func packetOutput(sink worker.Sink, p *kafka.Producer, topic string, queue int, e worker.PacketEncoder) *worker.PacketOutput {
	o := worker.NewPacketOutput(sink, topic, queue, e)
	if p == nil {
		o.Gather(worker.Gathering{Linger: kafka.DefaultLinger})
	} else {
		o.Gather(worker.Gathering{Linger: p.Linger(), Bytes: min(p.MaxMessageBytes(), worker.DefaultBytes), Partitions: p.FlowPartitions})
	}
	return o
}

// run works until ctx ends, the quota is used up or a queue fails; then it
// detaches, drains rings and producer, and closes the books.
func (p *pipeline) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for _, w := range p.workers {
		wg.Go(func() {
			if err := w.Run(); err != nil {
				stop(err)
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	go p.report.run(ctx)
	go p.watchSilence(ctx)
	if p.lines != nil {
		p.lines.onClosed = func() { stop(errOutputClosed) }
		go flushEvery(ctx, 100*time.Millisecond, p.lines.Flush)
	}
	if p.save != nil {
		p.save.onFail = func() { stop(errOutputClosed) } // Close says why
		go flushEvery(ctx, 200*time.Millisecond, p.save.Flush)
	}
	select {
	case <-ctx.Done():
	case <-finished: // every source is at its end
	}
	cause := context.Cause(ctx)
	stop(nil)
	err := p.drain(finished)
	if cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, worker.ErrQuota) && !errors.Is(cause, errOutputClosed) {
		err = errors.Join(cause, err)
	}
	return errors.Join(err, p.report.finish())
}

// drain stops new frames first, then empties the rings, then the producer.
func (p *pipeline) drain(finished <-chan struct{}) error {
	var errs []error
	for _, d := range p.devices {
		errs = append(errs, d.Detach())
	}
	for _, w := range p.workers {
		w.Drain()
	}
	<-finished
	for _, w := range p.workers {
		w.Discard()
	}
	if p.lines != nil {
		p.lines.Flush()
		errs = append(errs, p.lines.failed)
	}
	if p.save != nil {
		errs = append(errs, p.save.Close())
	}
	if p.producer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), p.options.drain)
		defer cancel()
		errs = append(errs, p.producer.Close(ctx))
	}
	return errors.Join(errs...)
}

func (p *pipeline) close() {
	for _, d := range p.devices {
		if err := d.Close(); err != nil {
			fmt.Fprintf(p.streams.err, "xcapa: close %s: %v\n", d.Info().Interface, err)
		}
	}
	if p.producer != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is left after drain, or after a failed open, is not waited for
		_ = p.producer.Close(ctx)
	}
}

// rooms reads the counters from the last room to the first, so that what moves
// on in between shows as in flight and never as a surplus.
func (p *pipeline) rooms() []ledger.Room {
	var sink []ledger.Room
	if p.producer != nil {
		r := p.producer.Room()
		for _, e := range p.errors {
			r.Drop(ledger.ErrorSuppressed, e.Suppressed())
		}
		sink = append(sink, r)
	}
	if p.save != nil {
		sink = append(sink, p.save.room())
	}
	var decode []ledger.Room
	for _, w := range p.workers {
		decode = append(decode, w.Room())
	}
	var devices [][]ledger.Room
	for _, d := range p.devices {
		devices = append(devices, d.Rooms())
	}
	rooms := ledger.Merge(append(devices, decode)...)
	if len(sink) > 0 {
		// Every record is the sink's business from here on: what still
		// lies in an open block is in flight.
		sink[0].In = rooms[len(rooms)-1].Out
		p.accountErrors(&sink[0])
	}
	return append(rooms, sink...)
}

// accountErrors marks the part of out that is in the errors topic.
func (p *pipeline) accountErrors(r *ledger.Room) {
	var delivered uint64
	for _, e := range p.errors {
		delivered += e.Delivered()
	}
	if delivered > 0 {
		if r.Counts == nil {
			r.Counts = map[string]uint64{}
		}
		r.Counts[ledger.ErrorsTopic] = delivered
	}
}

// noOutput ends the way of every record.
type noOutput struct{}

func (noOutput) Append(*record.Record, []byte) {}
func (noOutput) Deadline() time.Time           { return time.Time{} }
func (noOutput) Flush()                        {}

// silent is implemented by engines that can say why no frame comes.
type silent interface{ Silence() string }

// watchSilence explains five seconds without a frame, once per silence.
func (p *pipeline) watchSilence(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	said := make([]bool, len(p.devices))
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, d := range p.devices {
			s, ok := d.(silent)
			if !ok {
				continue
			}
			if why := s.Silence(); begins(&said[i], why) {
				p.report.say(d.Info().Interface, why)
			}
		}
	}
}

// begins reports whether a silence has begun that was not told yet; why is what
// the engine says of it, which counts seconds and so is new each time.
func begins(said *bool, why string) bool {
	is := why != ""
	fresh := is && !*said
	*said = is
	return fresh
}

var errOutputClosed = errors.New("nothing more can be written")

// lineWriter is the Output of all workers when there are no brokers: text for a
// person. It is the one output that several workers share, hence the lock;
// nobody reads a million lines a second.
type lineWriter struct {
	mu       sync.Mutex
	out      *bufio.Writer
	buf      []byte
	onClosed func()
	closed   bool
	failed   error // why, unless the reader is gone
	printer  linePrinter
	eager    bool // flush each line
}

// linePrinter is what lineWriter needs of package line.
type linePrinter interface {
	Append(dst []byte, r *record.Record) []byte
}

// Append prints one record.
func (l *lineWriter) Append(r *record.Record, _ []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.buf = l.printer.Append(l.buf[:0], r)
	_, err := l.out.Write(l.buf)
	if err == nil && l.eager {
		err = l.out.Flush()
	}
	if err != nil {
		l.fail(err)
	}
}

// Deadline is always zero: lines are flushed by time, see flushEvery.
func (l *lineWriter) Deadline() time.Time { return time.Time{} }

// Flush writes what is buffered.
func (l *lineWriter) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.out.Flush(); err != nil {
		l.fail(err)
	}
}

func (l *lineWriter) fail(err error) {
	if l.closed {
		return
	}
	l.closed = true
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, os.ErrClosed) {
		l.failed = fmt.Errorf("write standard output: %w", err)
	}
	if l.onClosed != nil {
		l.onClosed()
	}
}

// flushEvery calls flush at every interval until ctx ends.
func flushEvery(ctx context.Context, interval time.Duration, flush func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			flush()
		}
	}
}
