package parse_test

import (
	"context"
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"xcapa/internal/codec"
	"xcapa/internal/indexer"
	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/parse"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

const (
	rawTopic    = "xcapa.raw"
	outTopic    = "xcapa.packets"
	errorsTopic = "xcapa.errors"
	partitions  = 3
)

// rig is a broker with a raw topic.
type rig struct {
	t     testing.TB
	kafka kafka.Config
}

func newRig(t testing.TB) *rig {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, rawTopic, outTopic, errorsTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &rig{t: t, kafka: kafka.Config{Brokers: cluster.ListenAddrs(), PartitionBy: kafka.ByQueue}}
}

// send writes messages to the raw topic, message i to partition i modulo 3.
func (r *rig) send(messages ...*message.Message) {
	r.t.Helper()
	producer, err := kafka.NewProducer(r.t.Context(), r.kafka)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, m := range messages {
		m.Topic, m.Queue, m.Packets = rawTopic, i%partitions, 1
		if err := producer.Produce(r.t.Context(), m); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := producer.Close(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// feeder hands messages to the raw topic, one by one, and does not wait.
func (r *rig) feeder() func(m *message.Message) {
	r.t.Helper()
	producer, err := kafka.NewProducer(r.t.Context(), r.kafka)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = producer.Close(context.Background()) })
	n := 0
	return func(m *message.Message) {
		m.Topic, m.Queue, m.Packets = rawTopic, n%partitions, 1
		n++
		producer.TryProduce(m)
	}
}

// blocks is the default output, json the other.
func blocks(sink worker.Sink, origin record.Origin) parse.Output {
	return worker.NewBlockOutput(sink, outTopic, origin, 0, 20*time.Millisecond)
}

func documents(sink worker.Sink, origin record.Origin) parse.Output {
	return worker.NewPacketOutput(sink, outTopic, origin.Queue, worker.NewJSONEncoder(&origin, codec.JSONOptions{}))
}

// parser is one run of the stage.
type parser struct {
	stage    *indexer.Stage
	parser   *parse.Parser
	producer *kafka.Producer
	source   *kafka.Consumer

	transactional bool
}

func (r *rig) parser(change func(*parse.Config, *indexer.Config)) *parser {
	r.t.Helper()
	return r.transactional("", change)
}

// transactional is parser with transactions under an id; "" is without.
func (r *rig) transactional(transactionalID string, change func(*parse.Config, *indexer.Config)) *parser {
	r.t.Helper()
	p := &parser{transactional: transactionalID != ""}
	var err error
	group := kafka.Group{ID: "xcapa-parse", Topics: []string{rawTopic},
		OnAssigned: func(ctx context.Context, at []kafka.Position) error { return p.stage.Assigned(ctx, at) },
		OnRevoked:  func(ctx context.Context, at []kafka.Position) { p.stage.Revoked(ctx, at) },
		OnLost:     func(at []kafka.Position) { p.stage.Lost(at) }}
	if transactionalID != "" {
		p.source, p.producer, err = kafka.NewTransactional(r.t.Context(), r.kafka, group, transactionalID)
	} else if p.producer, err = kafka.NewProducer(r.t.Context(), r.kafka); err == nil {
		p.source, err = kafka.NewConsumer(r.t.Context(), r.kafka, group)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	c := parse.Config{NewOutput: blocks, Produce: p.producer.Produce, Producer: p.producer.Room, ErrorsTopic: errorsTopic}
	s := indexer.Config{Name: "parse", Once: true, CommitInterval: 20 * time.Millisecond, FlushTimeout: 5 * time.Second,
		DeadLetter: func(context.Context, *codec.Failure) error { r.t.Error("a dead letter of the stage"); return nil }}
	if change != nil {
		change(&c, &s)
	}
	if p.parser, err = parse.New(c); err != nil {
		r.t.Fatal(err)
	}
	if s.Transactional = transactionalID != ""; s.Transactional {
		s.OnTransaction = p.parser.TransactionEnded
	}
	if p.stage, err = indexer.NewParallel(s, p.parser.NewWork, p.parser.Room); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// run runs the parser to its end and returns its books, which must balance.
func (p *parser) run(ctx context.Context, t testing.TB) *ledger.Ledger {
	t.Helper()
	if err := p.stage.Run(ctx, p.source); err != nil {
		t.Error(err)
	}
	if err := p.producer.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if p.transactional {
		p.parser.TransactionEnded(false)
	}
	l := &ledger.Ledger{Final: true, Rooms: p.parser.Books(p.stage.Rooms(), true)}
	l.Settle()
	if !l.Balanced {
		t.Errorf("the books do not balance: %v", l.Imbalances())
	}
	return l
}

// read returns every message of a topic.
func (r *rig) read(topic string) []message.Message {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	c, err := kafka.NewConsumer(ctx, r.kafka, kafka.Group{ID: "reader-" + topic, Topics: []string{topic}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	ends, err := c.Ends(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	left := map[int32]int64{} // an end marker of a transaction takes an offset too
	for _, e := range ends {
		if e.Offset > 0 {
			left[e.Partition] = e.Offset
		}
	}
	var out []message.Message
	for len(left) > 0 {
		batches, err := c.Poll(ctx)
		if err != nil {
			r.t.Fatalf("read %s: %v after %d messages, partitions left %v", topic, err, len(out), left)
		}
		for _, b := range batches {
			out = append(out, b.All()...)
			if b.Next >= left[b.Partition] {
				delete(left, b.Partition)
			}
		}
	}
	return out
}

// rows reads the output topic: how often each record_id is there, and one row of
// each.
func (r *rig) rows() (map[string]int, map[string]codec.Row) {
	r.t.Helper()
	n, rows := map[string]int{}, map[string]codec.Row{}
	rd := codec.NewReader(codec.EncodingAuto)
	for _, m := range r.read(outTopic) {
		err := rd.Read(&m, func(row *codec.Row) error {
			n[string(row.ID)]++
			rows[string(row.ID)] = *row
			return nil
		})
		if err != nil {
			r.t.Errorf("read a message of the parsed topic: %v", err)
		}
	}
	return n, rows
}

// failures reads the errors topic.
func (r *rig) failures() []codec.Failure {
	r.t.Helper()
	var out []codec.Failure
	for _, m := range r.read(errorsTopic) {
		var f codec.Failure
		if err := codec.ParseFailure(m.Value, &f); err != nil {
			r.t.Errorf("read the errors topic: %v: %s", err, m.Value)
		}
		out = append(out, f)
	}
	return out
}

// kryo are records of Logisland's KryoSerializer.
func kryo(t testing.TB) (values [][]byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/kryo.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			b, err := base64.StdEncoding.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, b)
		}
	}
	return values
}
