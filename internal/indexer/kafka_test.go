package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"xcapa/internal/codec"
	"xcapa/internal/elastic"
	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/indexer"
	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/record"
)

const (
	topic      = "xcapa.packets"
	group      = "xcapa-index"
	partitions = 3
	blockRows  = 20
)

// newConsumer joins the group g for stage.
func newConsumer(ctx context.Context, c kafka.Config, g kafka.Group, stage *indexer.Stage) (*kafka.Consumer, error) {
	g.OnAssigned, g.OnRevoked, g.OnLost = stage.Assigned, stage.Revoked, stage.Lost
	return kafka.NewConsumer(ctx, c, g)
}

// rig is a broker with a topic full of messages, and a stand-in Elasticsearch.
type rig struct {
	t      *testing.T
	kafka  kafka.Config
	server *elastictest.Server
	ids    []string // of all records that can be read
	poison int

	mu   sync.Mutex
	dead map[string]int // by partition-offset-row
}

// newRig fills the topic: blocks of 20 records, single documents, and a poison
// message for every 17th.
func newRig(t *testing.T, messages int) *rig {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := &rig{t: t, kafka: kafka.Config{Brokers: cluster.ListenAddrs()}, server: elastictest.New(t), dead: map[string]int{}}
	producer, err := kafka.NewProducer(t.Context(), r.kafka)
	if err != nil {
		t.Fatal(err)
	}
	block, origin := codec.NewArrowBlock(blockRows), record.Origin{Host: "probe", Run: "a1b2c3d4e5f6", Interface: "eth1"}
	for i := range messages {
		m := &message.Message{Topic: topic, Packets: 1}
		switch {
		case i%17 == 3:
			m.Value = fmt.Appendf(nil, "poison %d", i)
			r.poison++
		case i%5 == 0:
			id := fmt.Sprintf("json-%d", i)
			m.Value = fmt.Appendf(nil, `{"@timestamp":"2026-11-23T05:38:00Z","record_id":%q}`, id)
			r.ids = append(r.ids, id)
		default:
			block.Reset()
			for row := range blockRows {
				p := record.Record{TimestampNanos: time.Now().UnixNano(), Sequence: uint64(i*blockRows + row)}
				p.Present = 1 << record.FieldSequence
				block.Append(&p)
				r.ids = append(r.ids, string(record.AppendID(nil, &p, &origin)))
			}
			m.Value = block.AppendTo(nil)
			m.Headers = codec.ArrowHeaders(&origin, block.FirstSequence(), block.LastSequence())
		}
		if err := producer.Produce(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) deadLetter(_ context.Context, f *codec.Failure) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead[fmt.Sprintf("%d-%d-%d", f.Partition, f.Position, f.Row)]++
	return nil
}

// member is one run of the index stage.
type member struct {
	stage  *indexer.Stage
	writer *elastic.Writer
	source indexer.Consumer
	client *elastic.Client
}

func (r *rig) member(group string, change func(*indexer.Config)) *member {
	r.t.Helper()
	client, err := elastic.NewClient(elastic.Config{Hosts: []string{r.server.URL()}, FlushInterval: 5 * time.Millisecond,
		BatchDocs: 100, BackoffInit: time.Millisecond, BackoffMax: 10 * time.Millisecond})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := client.EnsureTemplate(r.t.Context(), true); err != nil {
		r.t.Fatal(err)
	}
	m := &member{client: client, writer: elastic.NewWriter(client, r.deadLetter)}
	config := indexer.Config{Reader: codec.NewReader(codec.EncodingAuto), DeadLetter: r.deadLetter,
		CommitInterval: 20 * time.Millisecond, FlushTimeout: 5 * time.Second}
	if change != nil {
		change(&config)
	}
	if m.stage, err = indexer.New(config, m.writer); err != nil {
		r.t.Fatal(err)
	}
	source, err := newConsumer(r.t.Context(), r.kafka, kafka.Group{ID: group, Topics: []string{topic}}, m.stage)
	if err != nil {
		r.t.Fatal(err)
	}
	m.source = source
	return m
}

// close ends a member and returns its final books.
func (m *member) close() ledger.Ledger {
	_ = m.writer.Close()
	m.client.Close()
	l := ledger.Ledger{Final: true, Rooms: m.stage.Rooms()}
	l.Settle()
	return l
}

// check fails unless every record is in Elasticsearch once and every poison
// message was put into the errors topic (once, when nobody was killed).
func (r *rig) check(once bool) {
	r.t.Helper()
	for _, id := range r.ids {
		if at := r.server.Has(id); len(at) != 1 {
			r.t.Errorf("record %s is in the indices %v, want one", id, at)
		}
	}
	if got := r.server.Count(); got != len(r.ids) {
		r.t.Errorf("%d documents, want %d", got, len(r.ids))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.dead) != r.poison {
		r.t.Errorf("%d messages in the errors topic, want %d", len(r.dead), r.poison)
	}
	for at, n := range r.dead {
		if once && n != 1 {
			r.t.Errorf("message %s is %d times in the errors topic, want once", at, n)
		}
	}
}

// committed fails unless the group has committed the end of every partition.
func (r *rig) committed(group string) {
	r.t.Helper()
	c, err := kafka.NewConsumer(r.t.Context(), r.kafka, kafka.Group{ID: group, Topics: []string{topic}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.Close(r.t.Context()) }()
	lags, err := c.Lag(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, l := range lags {
		if l.Lag != 0 {
			r.t.Errorf("partition %d is committed at %d of %d", l.Partition, l.Committed, l.End)
		}
	}
}

// TestKafkaToElasticsearch runs the real parts over a fake broker, then delivers
// everything a second time.
func TestKafkaToElasticsearch(t *testing.T) {
	r := newRig(t, 300)
	for round, g := range []string{group, group + "-again"} {
		m := r.member(g, func(c *indexer.Config) { c.Once = true })
		if err := m.stage.Run(t.Context(), m.source); err != nil {
			t.Fatal(err)
		}
		l := m.close()
		if !l.Balanced {
			t.Errorf("round %d: the books do not balance: %v", round, l.Imbalances())
		}
		elastic := l.Rooms[2]
		if in, want := l.Rooms[0].In, uint64(len(r.ids)+r.poison); in != want || elastic.Out != uint64(len(r.ids)) {
			t.Errorf("round %d: fetched %d, out of elastic %d; want %d and %d", round, in, elastic.Out, want, len(r.ids))
		}
		if got, want := elastic.Counts["already_indexed"], uint64(round*len(r.ids)); got != want {
			t.Errorf("round %d: already_indexed %d, want %d", round, got, want)
		}
		r.check(round == 0)
		r.committed(g)
	}
}

// killable is a source that commits nothing more once it is dead.
type killable struct {
	indexer.Consumer
	dead atomic.Bool
}

var errDead = errors.New("killed")

func (k *killable) Commit(ctx context.Context, next ...indexer.Position) error {
	if k.dead.Load() {
		return errDead
	}
	return k.Consumer.Commit(ctx, next...)
}

// TestKilledAgainAndAgain ends ten runs in the middle without their commits,
// with a server that cuts one connection in five after indexing: every record
// is stored once.
func TestKilledAgainAndAgain(t *testing.T) {
	r := newRig(t, 400)
	r.server.OnBulk(func(q elastictest.Request) elastictest.Answer {
		return elastictest.Answer{CutAfter: q.N%5 == 0, Delay: 2 * time.Millisecond}
	})
	for range 10 {
		m := r.member(group, func(c *indexer.Config) { c.FlushTimeout = time.Millisecond })
		k := &killable{Consumer: m.source}
		ctx, kill := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond+rand.N(60*time.Millisecond), func() {
			k.dead.Store(true)
			_ = m.writer.Close()
			kill()
		})
		_ = m.stage.Run(ctx, k) // whatever it says, the next one makes up for it
		m.close()
	}
	m := r.member(group, func(c *indexer.Config) { c.Once = true })
	if err := m.stage.Run(t.Context(), m.source); err != nil {
		t.Fatal(err)
	}
	if l := m.close(); !l.Balanced {
		t.Errorf("the books do not balance: %v", l.Imbalances())
	}
	r.check(false)
	r.committed(group)
}

// TestRebalance lets a second and a third member join while the first is at
// work, and leave again: nothing is lost or doubled, all books balance.
func TestRebalance(t *testing.T) {
	r := newRig(t, 600)
	r.server.OnBulk(func(elastictest.Request) elastictest.Answer { return elastictest.Answer{Delay: 5 * time.Millisecond} })
	var tasks sync.WaitGroup
	run := func(ctx context.Context) {
		m := r.member(group, nil)
		tasks.Go(func() {
			if err := m.stage.Run(ctx, m.source); err != nil {
				t.Errorf("Run: %v", err)
			}
			if l := m.close(); !l.Balanced {
				t.Errorf("the books do not balance: %v", l.Imbalances())
			}
		})
	}
	first, end := context.WithCancel(t.Context())
	defer end()
	run(first)
	time.Sleep(80 * time.Millisecond)
	second, leave := context.WithCancel(t.Context())
	defer leave()
	run(second)
	time.Sleep(80 * time.Millisecond)
	run(first)
	time.Sleep(80 * time.Millisecond)
	leave()
	for deadline := time.Now().Add(15 * time.Second); r.server.Count() < len(r.ids) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	end()
	tasks.Wait()
	r.check(false)
	r.committed(group)
}

func TestNewRefusesHalfAGroup(t *testing.T) {
	_, err := newConsumer(t.Context(), kafka.Config{Brokers: []string{"127.0.0.1:1"}}, kafka.Group{}, &indexer.Stage{})
	if err == nil || !strings.Contains(err.Error(), "group") {
		t.Errorf("New without a group: %v", err)
	}
}
