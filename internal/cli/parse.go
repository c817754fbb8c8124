package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/indexer"
	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/parse"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

// parseOptions are the flags of parse.
type parseOptions struct {
	outputFlags
	kafka  kafkaFlags
	report reportFlags
	topics []string
	output string
	group  string
	start  string
	mode   string
	rate   int
	once   bool

	serializer      string
	exactlyOnce     bool
	transactionalID string
}

func newParseCommand(s *streams) *cobra.Command {
	var o parseOptions
	cmd := &cobra.Command{
		Use:   "parse",
		Short: "Parse a raw topic: frames in, records and error records out",
		Long: `parse reads frames from a raw topic, as pycapa, fastcapa and capture --encoding raw
write them, and gives one record, or one error record, for each message. One worker
for each partition; the packet's time is that of its capture. Offsets are committed
after every output of their messages is acknowledged: a parse that is killed loses
nothing, and what the next one writes again has the same ids.`,
		Example: `  xcapa parse --brokers kafka:9092                       xcapa.raw to xcapa.packets
  xcapa parse --brokers kafka:9092 --topic pcap --output-topic parsed --encoding json
  xcapa parse --brokers kafka:9092 --topic pcap-files --flow-mode batch
  xcapa parse --brokers kafka:9092 --exactly-once        records and offsets in one transaction
  xcapa parse --brokers kafka:9092 --once                what is there now, then end`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runParse(cmd.Context(), s, &o)
		},
	}
	o.kafka.register(cmd)
	o.report.register(cmd)
	records := group(cmd, "Records to Kafka")
	o.outputFlags.register(cmd)
	records()
	f := cmd.Flags()
	f.StringSliceVar(&o.topics, "topic", []string{defaultRawTopic}, "`TOPICS` to read")
	f.StringVar(&o.output, "output-topic", defaultPacketsTopic, "`TOPIC` for the records")
	f.StringVar(&o.group, "group", "xcapa-parse", "consumer group `ID`")
	f.StringVar(&o.start, "start", "begin", "where to start without a committed offset: `begin` or end")
	f.StringVar(&o.mode, "flow-mode", "stream", "what a message is: `stream` (a frame) or batch (a capture file's image: pcap or pcapng, also compressed)")
	f.StringVar(&o.serializer, "serializer", "", "the encoding by the `CLASS` of Logisland's serializer, as in a job file")
	f.IntVar(&o.rate, "rate", 0, "most messages a second of each partition (0: no limit)")
	f.BoolVar(&o.exactlyOnce, "exactly-once", false, "write records and offsets in Kafka transactions: who reads committed messages sees each record once")
	f.StringVar(&o.transactionalID, "transactional-id", "", "`ID` of this process with --exactly-once; each needs its own (default the group and the host's name)")
	f.BoolVar(&o.once, "once", false, "stop at the end the topics have now")
	o.outputFlags.patient(cmd, "parse")
	for name, usage := range map[string]string{
		"encoding":          "`arrow` (blocks of records), json (a document a packet), or a serializer of Logisland's: seed-json, extended-json, string, avro",
		"errors-per-second": "error records sent a second by each partition; those over it are counted as error_suppressed (0: no limit)",
	} {
		f.Lookup(name).Usage = usage
	}
	return cmd
}

// parsePlan is what the flags mean, checked before anything is opened.
type parsePlan struct {
	kafka    kafka.Config
	encoding codec.Encoding
	schema   record.Schema
	images   bool
}

func (o *parseOptions) plan(s *streams) (parsePlan, error) {
	var p parsePlan
	var err error
	switch {
	case !o.kafka.hasBrokers():
		return p, usageErrorf("no brokers: name them with --brokers, as in --brokers kafka:9092")
	case o.start != string(kafka.StartBegin) && o.start != string(kafka.StartEnd):
		return p, usageErrorf("--start %q: want begin or end", o.start)
	case o.mode != "stream" && o.mode != "batch":
		return p, usageErrorf("--flow-mode %q: want stream (a message is a frame) or batch (a message is a capture file)", o.mode)
	case o.rate < 0:
		return p, usageErrorf("--rate %d: want messages a second, or 0 for no limit", o.rate)
	}
	if err := o.report.page.validate(); err != nil {
		return p, err
	}
	if o.transactionalID != "" && !o.exactlyOnce {
		return p, usageErrorf("--transactional-id goes with --exactly-once")
	}
	for _, t := range o.topics {
		if t == o.output || t == o.errors {
			return p, usageErrorf("--topic %s is also where parse writes to: it would read its own records; name another --output-topic or --errors-topic", t)
		}
	}
	if p.encoding, err = o.parseEncoding(); err != nil {
		return p, err
	}
	if p.schema, err = record.ParseSchema(o.schema); err != nil {
		return p, usageErrorf("--schema: %w", err)
	}
	p.images = o.mode == "batch"
	if p.kafka, err = o.kafka.config(os.LookupEnv); err != nil {
		return p, err
	}
	p.kafka.Logger = slog.New(o.report.recorder("parse").Handler(peopleLogger(s, o.report.quiet).Handler()))
	return p, o.outputFlags.apply(&p.kafka, p.encoding)
}

// parseEncoding is the encoding of the output: named, or as Logisland's class.
func (o *parseOptions) parseEncoding() (codec.Encoding, error) {
	e, err := codec.ParseEncoding(o.encode)
	if o.serializer != "" {
		var s codec.Serializer
		if s, err = codec.ParseSerializer(o.serializer); err != nil {
			return 0, usageErrorf("--serializer: %w", err)
		}
		e = s.Encoding
	}
	if err != nil || e != codec.EncodingArrow && !e.HasDocuments() {
		return 0, usageErrorf("--encoding %q: want arrow, json, seed-json, extended-json, string or avro", e)
	}
	return e, nil
}

// parseCommits is how often parse commits: what is written again after a kill,
// and with transactions how long records wait to be seen.
const parseCommits = 250 * time.Millisecond

// runParse is the parse command from checked flags to final ledger.
func runParse(ctx context.Context, s *streams, o *parseOptions) error {
	plan, err := o.plan(s)
	if err != nil {
		return err
	}
	if err := kafka.EnsureTopics(ctx, plan.kafka, append([]string{o.output, o.errors}, o.topics...)...); ctx.Err() != nil {
		return nil // told to end before anything began
	} else if err != nil {
		return kafkaError(err)
	}
	// The stage has hooks of the consumer's and needs the producer: it is made
	// between the two, which with transactions are made together.
	var stage *indexer.Stage
	group := kafka.Group{
		ID: o.group, Topics: o.topics, Start: kafka.Start(o.start),
		OnAssigned: func(ctx context.Context, at []kafka.Position) error { return stage.Assigned(ctx, at) },
		OnRevoked:  func(ctx context.Context, at []kafka.Position) { stage.Revoked(ctx, at) },
		OnLost:     func(at []kafka.Position) { stage.Lost(at) },
	}
	consumer, producer, err := o.connect(ctx, plan.kafka, group)
	if err != nil {
		return kafkaError(err)
	}
	defer closeProducer(producer, o.drain)
	rec := o.report.recorder("parse")
	rec.AddHealth(producer.Health)
	parser, err := parse.New(parse.Config{
		NewOutput: o.newOutput(&plan, producer), Produce: producer.Produce, Producer: producer.Room,
		ErrorsTopic: o.errors, ErrorsPerSecond: o.errRate, ErrorsInOutput: o.inOut,
		Images: plan.images, VerifyChecksums: o.verify, Rate: o.rate,
	})
	if err != nil {
		return err
	}
	stage, err = indexer.NewParallel(indexer.Config{
		Name: "parse", DeadLetter: deadLetters(producer, o.errors), Once: o.once, Logger: plan.kafka.Logger,
		OnBatch:        func(b indexer.BatchStats) { rec.Batch(batchStatus(b)) },
		CommitInterval: parseCommits, MaxQueuedBytes: o.queued(),
		Transactional: o.exactlyOnce, OnTransaction: parser.TransactionEnded,
	}, parser.NewWork, parser.Room)
	if err != nil {
		return err
	}
	ended := false
	report, err := newReporter(s, &o.report, "parse", true, func() []ledger.Room {
		return parser.Books(stage.Rooms(), ended)
	})
	if err != nil {
		return err
	}
	if report.people != nil {
		fmt.Fprintf(report.people, "parsing %v to %s, errors to %s\n", o.topics, o.output, o.errors)
	}
	reporting, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { report.run(reporting); close(done) }()
	if o.report.watched() {
		go watchLag(reporting, consumer, rec)
	}
	err = stage.Run(ctx, consumer)
	closeProducer(producer, o.drain)
	if o.exactlyOnce {
		parser.TransactionEnded(false) // what none has committed
	}
	stop()
	<-done
	ended = true
	return errors.Join(err, report.finish())
}

// queued is how much may wait for the workers. A transaction ends when all of it
// is done: little, with a rate limit.
func (o *parseOptions) queued() int64 {
	switch {
	case !o.exactlyOnce:
		return 0 // the stage's own
	case o.rate > 0:
		return 512 << 10
	}
	return 8 << 20
}

// connect makes consumer and producer: of one client with transactions, else
// apart, so that neither waits for the other's connections.
func (o *parseOptions) connect(ctx context.Context, c kafka.Config, g kafka.Group) (*kafka.Consumer, *kafka.Producer, error) {
	if o.exactlyOnce {
		id := o.transactionalID
		if id == "" {
			host, _ := os.Hostname()
			id = o.group + "-" + host
		}
		return kafka.NewTransactional(ctx, c, g, id)
	}
	producer, err := kafka.NewProducer(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	consumer, err := kafka.NewConsumer(ctx, c, g)
	if err != nil {
		closeProducer(producer, 0)
	}
	return consumer, producer, err
}

// newOutput makes the output of one partition.
func (o *parseOptions) newOutput(p *parsePlan, producer *kafka.Producer) func(worker.Sink, record.Origin) parse.Output {
	return func(sink worker.Sink, origin record.Origin) parse.Output {
		if p.encoding.HasDocuments() {
			return packetOutput(sink, producer, o.output, origin.Queue, &worker.DocumentEncoder{Origin: &origin,
				Documents: codec.NewDocuments(p.encoding, codec.JSONOptions{Schema: p.schema})})
		}
		return worker.NewBlockOutput(sink, o.output, origin, o.rows, o.linger)
	}
}
