package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"xcapa/internal/message"
)

// What one fetch may bring, per broker and per partition: with the client's
// one fetch ahead, the memory a slow destination can make us hold. Both are
// compressed bytes.
const (
	fetchMaxBytes          = 16 << 20
	fetchMaxPartitionBytes = 1 << 20
)

// Group is what a consumer reads, as whom, and who is told about partitions
// coming and going.
//
// The hooks are called one at a time, and only while the consumer's owner is
// inside Poll or Close: between two Polls the set of partitions stands still.
// They must return within rebalanceTimeout, or the group goes on without us.
type Group struct {
	ID         string   // "" = Config.GroupID
	Topics     []string //
	Start      Start    // "" = Config.Start, else StartBegin
	InstanceID string   // "" = Config.GroupInstanceID; a restarted process of the same instance gets its partitions back at once, not after SessionTimeout

	// OnAssigned is called before the first message of partitions that are now
	// ours; Offset is where reading starts. An error ends the consumer: Poll
	// returns it.
	OnAssigned func(ctx context.Context, at []Position) error
	// OnRevoked is called while partitions that someone else will get, or that
	// we leave, are still ours: the last moment to flush and to Commit. Offset
	// is the next one Poll would have returned.
	OnRevoked func(ctx context.Context, at []Position)
	// OnLost is called when partitions have been taken from us (we were silent
	// for too long): commit nothing of them.
	OnLost func(at []Position)
}

// rebalanceTimeout is how long the group waits for a member that has to give
// partitions up: the limit for what OnRevoked does, and for the time between
// two Polls.
const rebalanceTimeout = 60 * time.Second

// What a consumer brings is in the shape that all rooms share.
type (
	Position = message.Position
	Batch    = message.Batch
	Poison   = message.Poison
)

// FetchStats counts what a consumer fetched.
type FetchStats struct {
	Messages, Bytes uint64 // Bytes as in Batch
	Poison          uint64 // unreadable batches stepped over
	DataLoss        uint64 // times the broker had lost records we had not read
}

// Consumer reads topics as a member of a group. One goroutine calls Poll,
// Commit, Pause and Resume; Stats and Lag may be called from any.
type Consumer struct {
	config Config
	group  Group
	client *kgo.Client
	admin  *kadm.Client
	link   link
	unzip  *decompressor

	// gate is full while the owner is outside Poll and Close, and while a hook
	// runs. Blocking rebalances on polls is not enough: the client holds back
	// only what follows a poll that brought something, and not AdjustFetchOffsets.
	gate    chan struct{}
	next    map[kgoPartition]int64 // what Poll returns next; touched with the gate full
	fatal   atomic.Pointer[error]
	closing atomic.Pointer[context.Context] // Close's, once it runs
	closed  bool

	messages, bytes, poison, dataLoss atomic.Uint64
}

type kgoPartition struct {
	topic     string
	partition int32
}

// NewConsumer joins the group in the background; the first Poll brings
// partitions and messages. It dials nobody: Check and EnsureTopics ask at
// start. The error is about c and g. ctx bounds the life of the connections;
// Close all the same.
func NewConsumer(ctx context.Context, c Config, g Group) (*Consumer, error) {
	c.Start = Start(firstSet(string(g.Start), string(c.Start)))
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configure Kafka consumer: %w", err)
	}
	g.ID = firstSet(g.ID, c.GroupID)
	g.InstanceID = firstSet(g.InstanceID, c.GroupInstanceID)
	if g.ID == "" || len(g.Topics) == 0 {
		return nil, errors.New("configure Kafka consumer: give a group and at least one topic")
	}
	r := &Consumer{config: c.withDefaults(), group: g, gate: make(chan struct{}, 1), next: map[kgoPartition]int64{}}
	r.gate <- struct{}{}
	opts, err := clientOptions(&r.config, &r.link)
	if err != nil {
		return nil, fmt.Errorf("configure Kafka consumer: %w", err)
	}
	if r.unzip, err = newDecompressor(r.config.MaxDecompressed); err != nil {
		return nil, fmt.Errorf("configure Kafka consumer: %w", err)
	}
	if r.client, err = kgo.NewClient(append(opts, r.options()...)...); err != nil {
		r.unzip.close()
		return nil, fmt.Errorf("configure Kafka consumer: %w", err)
	}
	r.admin = kadm.NewClient(r.client)
	return r, nil
}

func (r *Consumer) options() []kgo.Opt {
	start := kgo.NewOffset().AtStart()
	if r.config.Start == StartEnd {
		start = kgo.NewOffset().AtEnd()
	}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(r.group.ID),
		kgo.ConsumeTopics(r.group.Topics...),
		kgo.ConsumeStartOffset(start),
		kgo.ConsumeResetOffset(start),
		// Cooperative: at a rebalance only the partitions that move are flushed
		// and handed over; the others go on. Nothing here needs equal numbers of
		// two topics on one member, which is what range would give.
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.BlockRebalanceOnPoll(),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(r.config.SessionTimeout),
		kgo.HeartbeatInterval(r.config.SessionTimeout / 4),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.AdjustFetchOffsetsFn(r.assigned),
		kgo.OnPartitionsRevoked(r.revoked),
		kgo.OnPartitionsLost(r.lost),
		kgo.WithDecompressor(r.unzip),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchMaxPartitionBytes(fetchMaxPartitionBytes),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.AlwaysRetryEOF(), // a connection cut early is no reason to end; Check finds missing SASL
	}
	if r.group.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(r.group.InstanceID))
	}
	return opts
}

func firstSet(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Poll waits for messages and returns them, one Batch per partition. When ctx
// ends first, its error is returned and nothing is lost: call again.
//
// Another error is final for some partition or for the group (it wraps
// ErrTopicRecreated, ErrTopicMissing, ErrTopicRefused, ErrCredentials... where
// it is one) and comes with the batches that were read beside it. Brokers that
// are away are waited for; Health tells.
//
// Poll must be called again within a minute, also when there is nothing to do:
// the group rebalances only inside it.
func (r *Consumer) Poll(ctx context.Context) ([]Batch, error) {
	for {
		<-r.gate
		r.client.AllowRebalance()
		fetches := r.client.PollRecords(ctx, 0)
		r.gate <- struct{}{} // a hook that is under way ends first

		if err := r.fatalError(); err != nil {
			return nil, err
		}
		batches, err := r.take(fetches)
		if len(batches) > 0 || err != nil {
			return batches, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// take turns what the client brought into batches and the first final error.
func (r *Consumer) take(fetches kgo.Fetches) (batches []Batch, final error) {
	now := time.Now()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			batches = append(batches, r.batch(p, now))
		}
		if p.Err == nil {
			return
		}
		if poison, ok := r.stepOver(p, now); ok {
			batches = append(batches, poison)
		} else if err := r.fetchError(p); err != nil && final == nil {
			final = err
		}
	})
	return batches, final
}

// batch makes messages of the client's records: one slice of messages and one
// of headers per batch, the bytes shared.
func (r *Consumer) batch(p kgo.FetchTopicPartition, now time.Time) Batch {
	headers := 0
	for _, rec := range p.Records {
		headers += len(rec.Headers)
	}
	b := Batch{Topic: p.Topic, Partition: p.Partition, FetchedAt: now, Messages: make([]message.Message, len(p.Records))}
	slab := make([]message.Header, 0, headers)
	for i, rec := range p.Records {
		at := len(slab)
		b.Bytes += len(rec.Key) + len(rec.Value)
		for _, h := range rec.Headers {
			slab = append(slab, message.Header(h))
			b.Bytes += len(h.Key) + len(h.Value)
		}
		b.Messages[i] = message.Message{
			Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Time: rec.Timestamp,
			Key: rec.Key, Value: rec.Value, Headers: slab[at:len(slab):len(slab)],
		}
	}
	r.next[kgoPartition{p.Topic, p.Partition}] = p.Records[len(p.Records)-1].Offset + 1
	r.messages.Add(uint64(len(b.Messages)))
	r.bytes.Add(uint64(b.Bytes))
	return b
}

// stepOver moves the partition behind a batch that cannot be decompressed.
func (r *Consumer) stepOver(p kgo.FetchTopicPartition, now time.Time) (Batch, bool) {
	var bad *kgo.ErrDecompressTooLarge
	if !errors.As(p.Err, &bad) {
		return Batch{}, false
	}
	r.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{
		p.Topic: {p.Partition: {Epoch: bad.Epoch, Offset: bad.NextOffset}},
	})
	r.next[kgoPartition{p.Topic, p.Partition}] = bad.NextOffset
	r.poison.Add(1)
	err := fmt.Errorf("read %s partition %d offsets %d to %d: the batch is damaged or decompresses to more than %d bytes",
		p.Topic, p.Partition, bad.Offset, bad.NextOffset-1, r.config.MaxDecompressed)
	r.config.Logger.Warn(err.Error())
	return Batch{Topic: p.Topic, Partition: p.Partition, FetchedAt: now,
		Poison: &Poison{First: bad.Offset, Last: bad.NextOffset - 1, Err: err}}, true
}

// fetchError sorts what the client reports beside records. nil: it deals with
// it itself, or the caller's context ended.
func (r *Consumer) fetchError(p kgo.FetchTopicPartition) error {
	var lost *kgo.ErrDataLoss
	var session *kgo.ErrGroupSession
	switch err := p.Err; {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil // Poll looks at its own context
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("poll Kafka: %w", ErrClosed)
	case errors.As(err, &lost):
		r.dataLoss.Add(1)
		r.config.Logger.Warn("kafka: " + lost.Error())
		return nil
	case errors.As(err, &session):
		if kgo.IsRetryableBrokerErr(session.Err) || kerr.IsRetriable(session.Err) || isNetwork(session.Err) || isMoved(session.Err) {
			return nil // the client joins again by itself
		}
		return explain("join consumer group "+r.group.ID, &r.config, session.Err)
	default:
		where := "read topic " + p.Topic
		if p.Partition >= 0 {
			where = fmt.Sprintf("%s partition %d", where, p.Partition)
		}
		return explain(where, &r.config, err)
	}
}

// isMoved recognises the answers to a member that the group has gone on without.
func isMoved(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID)
}

// Commit stores the next offsets to read, and waits for the answer. Commit only
// what is settled. ErrRebalanced says that a partition is no longer ours.
func (r *Consumer) Commit(ctx context.Context, next ...Position) error {
	if len(next) == 0 {
		return nil
	}
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range next {
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: p.Offset}
	}
	var err error
	r.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, rerr error) {
		err = commitError(resp, rerr)
	})
	if isMoved(err) {
		return fmt.Errorf("commit offsets of group %s: %w: %w", r.group.ID, ErrRebalanced, err)
	}
	return explain("commit offsets of group "+r.group.ID, &r.config, err)
}

func commitError(resp *kmsg.OffsetCommitResponse, err error) error {
	if err != nil || resp == nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("%s partition %d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// Pause stops fetching partitions, and drops what was fetched ahead of Poll;
// Resume goes on where Poll left off. A pause ends when its partition goes.
func (r *Consumer) Pause(parts ...Position) { r.client.PauseFetchPartitions(byTopic(parts)) }

// Resume undoes Pause.
func (r *Consumer) Resume(parts ...Position) { r.client.ResumeFetchPartitions(byTopic(parts)) }

func byTopic(parts []Position) map[string][]int32 {
	m := map[string][]int32{}
	for _, p := range parts {
		m[p.Topic] = append(m[p.Topic], p.Partition)
	}
	return m
}

// Fetched is what was read so far.
func (r *Consumer) Fetched() FetchStats {
	return FetchStats{Messages: r.messages.Load(), Bytes: r.bytes.Load(), Poison: r.poison.Load(), DataLoss: r.dataLoss.Load()}
}

// Health is nil while the brokers can be reached, as far as the last attempt
// told; else why not, in words.
func (r *Consumer) Health() error { return explain("reach Kafka", &r.config, r.link.last()) }

// Close leaves the group: OnRevoked is called for the partitions still ours,
// with ctx, then they are free for others at once (with an InstanceID they stay
// reserved for its next start). It may be called twice.
func (r *Consumer) Close(ctx context.Context) error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.closing.Store(&ctx)
	<-r.gate
	defer func() { r.gate <- struct{}{} }()
	r.client.AllowRebalance()
	err := r.client.LeaveGroupContext(ctx)
	r.client.Close()
	r.unzip.close()
	return explain("leave consumer group "+r.group.ID, &r.config, err)
}
