package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/elastic"
	"xcapa/internal/indexer"
	"xcapa/internal/kafka"
	"xcapa/internal/message"
	"xcapa/internal/store"
)

// indexOptions are the flags of index.
type indexOptions struct {
	kafka    kafkaFlags
	report   reportFlags
	topics   []string
	errors   string
	group    string
	start    string
	encoding string
	once     bool

	store       string
	storeWindow time.Duration
	storeMemory byteSize

	elastic  elasticFlags
	template bool
	showKey  bool
	backoff  string
	throttle time.Duration
}

// defaultStoreMemory is a million packets.
const defaultStoreMemory = 256 << 20

func newIndexCommand(s *streams) *cobra.Command {
	var o indexOptions
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Consume records from Kafka into Elasticsearch or a local Parquet store",
		Long: `index reads records from a topic and stores each exactly once: Elasticsearch by
document id, the Parquet store by file name. Offsets are committed only after the
destination has answered for every record; what it refuses for good goes to the
errors topic.

A key that may do this and nothing else: xcapa index --print-api-key`,
		Example: `  xcapa index --brokers kafka:9092 --elasticsearch http://es:9200
  xcapa index --brokers kafka:9092 --elasticsearch https://es:9200 --api-key-file key --es-ca ca.pem
  xcapa index --brokers kafka:9092 --store /data/packets
  xcapa index --brokers kafka:9092 --store /data/packets --once`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.showKey {
				_, err := fmt.Fprintf(s.out, "%s\n", elastic.APIKeyJSON(o.elastic.Index, o.template))
				return err
			}
			return runIndex(cmd.Context(), s, &o)
		},
	}
	o.kafka.register(cmd)
	o.elastic.register(cmd)
	o.report.register(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.topics, "topic", []string{defaultPacketsTopic}, "`TOPICS` to read")
	f.StringVar(&o.errors, "errors-topic", defaultErrorsTopic, "`TOPIC` for what cannot be stored")
	f.StringVar(&o.group, "group", "xcapa-index", "consumer group `ID`")
	f.StringVar(&o.start, "start", "begin", "where to start without a committed offset: `begin` or end")
	f.StringVar(&o.encoding, "encoding", "auto", "`auto`, arrow, json, seed-json or extended-json")
	f.BoolVar(&o.once, "once", false, "stop at the end the topics have now")
	f.StringVar(&o.store, "store", "", "`FOLDER` of a local Parquet store")
	f.DurationVar(&o.storeWindow, "store-window", 60*time.Second, "time span of one Parquet file")
	o.storeMemory = defaultStoreMemory
	f.Var(&o.storeMemory, "store-memory", "most `SIZE` of rows that wait for their files, some 240 bytes each; beyond it files are written before their time")
	es := group(cmd, elasticGroup)
	f.BoolVar(&o.template, "install-template", true, "install the index template where it is missing")
	f.IntVar(&o.elastic.BatchDocs, "batch-size", elastic.DefaultBatchDocs, "documents in a bulk request")
	f.IntVar(&o.elastic.BulkBytes, "bulk-size", elastic.DefaultBulkBytes, "bytes in a bulk request")
	f.DurationVar(&o.elastic.FlushInterval, "flush-interval", elastic.DefaultFlushInterval, "longest time a document waits for its bulk")
	f.IntVar(&o.elastic.Concurrency, "concurrent-requests", elastic.DefaultConcurrency, "bulk requests in flight")
	f.StringVar(&o.backoff, "backoff-policy", elastic.DefaultBackoff, "waits between tries: `defaultExponentialBackoff` (100 ms to 30 s), exponentialBackoff, constantBackoff or noBackoff")
	f.DurationVar(&o.throttle, "throttling-delay", 500*time.Millisecond, "first wait of exponentialBackoff, every wait of constantBackoff")
	f.StringVar(&o.elastic.IndexField, "index-field", "", "`FIELD` of a document that names its index, whole, without a date")
	f.StringVar(&o.elastic.TypeField, "type-field", elastic.DefaultTypeField, "`FIELD` that holds a document's type: Elasticsearch has no types of its own since version 8")
	f.StringVar(&o.elastic.DefaultType, "default-type", "", "`TYPE` of documents of others that have none")
	f.IntVar(&o.elastic.Compression, "es-gzip", 0, "gzip level 1-9 of requests (0: off)")
	es()
	f.BoolVar(&o.showKey, "print-api-key", false, "print the JSON that creates a least-privilege API key, and end")
	onlyOnCommandLine(cmd, "print-api-key")
	return cmd
}

// runIndex is the index command from checked flags to final ledger.
func runIndex(ctx context.Context, s *streams, o *indexOptions) error {
	switch {
	case !o.kafka.hasBrokers():
		return usageErrorf("no brokers: name them with --brokers, as in --brokers kafka:9092")
	case (o.store == "") == (len(o.elastic.hosts) == 0):
		return usageErrorf("name one destination: --elasticsearch URL or --store FOLDER")
	case o.start != string(kafka.StartBegin) && o.start != string(kafka.StartEnd):
		return usageErrorf("--start %q: want begin or end", o.start)
	}
	if err := o.report.page.validate(); err != nil {
		return err
	}
	encoding, err := codec.ParseEncoding(o.encoding)
	if err != nil || !slices.Contains([]codec.Encoding{codec.EncodingAuto, codec.EncodingArrow, codec.EncodingJSON, codec.EncodingSeedJSON, codec.EncodingExtendedJSON}, encoding) {
		return usageErrorf("--encoding %q: want auto, arrow, json, seed-json or extended-json", o.encoding)
	}
	cfg, err := o.kafka.config(os.LookupEnv)
	if err != nil {
		return err
	}
	cfg.CreateTopics = kafka.CreateTopics{Allowed: true, Partitions: -1, Replicas: -1}
	rec := o.report.recorder("index")
	cfg.Logger = slog.New(rec.Handler(peopleLogger(s, o.report.quiet).Handler()))
	if err := o.elastic.SetBackoff(o.backoff, o.throttle); err != nil {
		return usageErrorf("--backoff-policy: %w", err)
	}
	if err := o.elastic.complete(cfg.Logger); err != nil {
		return err
	}
	if err := kafka.EnsureTopics(ctx, cfg, append([]string{o.errors}, o.topics...)...); ctx.Err() != nil {
		return nil // told to end before anything began
	} else if err != nil {
		return kafkaError(err)
	}
	producer, err := kafka.NewProducer(ctx, cfg)
	if err != nil {
		return kafkaError(err)
	}
	defer closeProducer(producer, 5*time.Second)
	dead := deadLetters(producer, o.errors)
	dest, err := o.destination(ctx, cfg, dead)
	if err != nil {
		return err
	}
	defer dest.Close()
	rec.AddHealth(producer.Health)
	stage, err := indexer.New(indexer.Config{
		Reader: codec.NewReader(encoding), DeadLetter: dead, Once: o.once, Logger: cfg.Logger,
		OnBatch: func(b indexer.BatchStats) { rec.Batch(batchStatus(b)) },
	}, dest)
	if err != nil {
		return err
	}
	consumer, err := kafka.NewConsumer(ctx, cfg, kafka.Group{
		ID: o.group, Topics: o.topics, Start: kafka.Start(o.start),
		OnAssigned: stage.Assigned, OnRevoked: stage.Revoked, OnLost: stage.Lost,
	})
	if err != nil {
		return kafkaError(err)
	}
	report, err := newReporter(s, &o.report, "index", true, stage.Rooms)
	if err != nil {
		return err
	}
	reporting, stop := context.WithCancel(ctx)
	go report.run(reporting)
	if o.report.watched() {
		go watchLag(reporting, consumer, rec)
	}
	err = stage.Run(ctx, consumer)
	stop()
	// What is not settled is handed back: Kafka delivers it again.
	return errors.Join(err, dest.Close(), report.finish())
}

func closeProducer(p *kafka.Producer, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	_ = p.Close(ctx)
}

// deadLetters puts failures into the errors topic and waits for the broker.
func deadLetters(p *kafka.Producer, topic string) func(context.Context, *codec.Failure) error {
	return func(ctx context.Context, f *codec.Failure) error {
		answered := make(chan error, 1)
		m := &message.Message{Topic: topic, Value: codec.AppendFailure(nil, f),
			Done: func(_ *message.Message, err error) { answered <- err }}
		if err := p.Produce(ctx, m); err != nil {
			return err
		}
		select {
		case err := <-answered:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// destination opens the Parquet store or Elasticsearch.
func (o *indexOptions) destination(ctx context.Context, cfg kafka.Config, dead elastic.DeadLetter) (indexer.Destination, error) {
	if o.store != "" {
		s, err := store.New(o.store, store.Options{Window: o.storeWindow, Logger: cfg.Logger,
			WindowBytes: int64(o.storeMemory) / 2, MemoryBytes: int64(o.storeMemory),
			TopicID: func(topic string) (string, error) { return kafka.TopicID(ctx, cfg, topic) }})
		if err != nil {
			return nil, withCode(exitUsage, err)
		}
		return s, nil
	}
	client, err := elastic.NewClient(o.elastic.Config)
	if err != nil {
		return nil, err
	}
	if err := client.Check(ctx); err != nil {
		return nil, elasticError(err)
	}
	if _, err := client.EnsureTemplate(ctx, o.template); err != nil {
		return nil, elasticError(err)
	}
	w := elastic.NewWriter(client, dead)
	o.report.recorder("index").AddHealth(func() error { return elasticTrouble(w.Trouble()) })
	return w, nil
}

func elasticError(err error) error {
	if elastic.IsUnreachable(err) {
		return withCode(exitUnreachable, err)
	}
	return err
}

// showStore prints how many rows a store holds and the first few of them.
func showStore(s *streams, dir string, rows int) error {
	d, err := store.Open(dir)
	if err != nil {
		return err
	}
	total, err := d.Count(context.Background(), store.Query{})
	if err != nil {
		return err
	}
	distinct, err := d.Distinct(context.Background(), store.Query{}, "record_id")
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "\nthe store has %d records, %d distinct ids, in %d Parquet files; some of them:\n", total, distinct, len(d.Files()))
	return printRows(s.out, d, rows)
}

// demoColumns are the columns shown of a row.
var demoColumns = []string{"packet_timestamp_in_nanos", "src_ip", "src_port", "dst_ip", "dest_port", "protocol", "tcp_flags", "frame_length"}

func printRows(w io.Writer, d *store.Dataset, rows int) error {
	tw := newTable(w, demoColumns)
	for batch, err := range d.Scan(context.Background(), store.Query{Columns: demoColumns}) {
		if err != nil {
			return err
		}
		for i := 0; i < int(batch.NumRows()) && rows > 0; i++ {
			cells := make([]string, batch.NumCols())
			for c := range cells {
				if cells[c] = batch.Column(c).ValueStr(i); batch.Column(c).IsNull(i) {
					cells[c] = "-"
				}
			}
			tw.row(cells)
			rows--
		}
		if rows == 0 {
			break
		}
	}
	return tw.flush()
}
