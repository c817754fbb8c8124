package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// Consumer reads topics as a member of a group. One goroutine calls Poll,
// Commit, Pause and Resume; Stats and Lag may be called from any.
type Consumer struct {
	fetcher
	group   Group
	session *kgo.GroupTransactSession // nil: no transactions
	open    bool                      // a transaction is

	// gate is full while the owner is outside Poll and Close, and while a hook
	// runs. Blocking rebalances on polls is not enough: the client holds back
	// only what follows a poll that brought something, and not AdjustFetchOffsets.
	gate    chan struct{}
	fatal   atomic.Pointer[error]
	closing atomic.Pointer[context.Context] // Close's, once it runs
	closed  bool
}

// NewConsumer joins the group in the background; the first Poll brings
// partitions and messages. It dials nobody: Check and EnsureTopics ask at
// start. The error is about c and g. ctx bounds the life of the connections;
// Close all the same.
func NewConsumer(_ context.Context, c Config, g Group) (*Consumer, error) {
	r, err := prepareConsumer(c, g)
	if err != nil {
		return nil, err
	}
	if err := r.connect(kgo.NewClient, r.options()...); err != nil {
		return nil, fmt.Errorf("configure Kafka consumer: %w", err)
	}
	return r, nil
}

// prepareConsumer makes a consumer without its client.
func prepareConsumer(c Config, g Group) (*Consumer, error) {
	c.Start = Start(firstSet(string(g.Start), string(c.Start)))
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configure Kafka consumer: %w", err)
	}
	g.ID = firstSet(g.ID, c.GroupID)
	g.InstanceID = firstSet(g.InstanceID, c.GroupInstanceID)
	if g.ID == "" || len(g.Topics) == 0 {
		return nil, errors.New("configure Kafka consumer: give a group and at least one topic")
	}
	r := &Consumer{group: g, gate: make(chan struct{}, 1)}
	r.gate <- struct{}{}
	r.config = c.withDefaults()
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
	most := 0 // no limit
	if r.session != nil {
		most = transactionMessages
	}
	for {
		<-r.gate
		r.client.AllowRebalance()
		fetches := r.client.PollRecords(ctx, most)
		r.gate <- struct{}{} // a hook that is under way ends first

		if err := r.fatalError(); err != nil {
			return nil, err
		}
		batches, err := r.take(fetches)
		if len(batches) > 0 {
			err = errors.Join(err, r.begin())
		}
		if len(batches) > 0 || err != nil {
			return batches, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// isMoved recognises the answers to a member that the group has gone on without.
func isMoved(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID)
}

// Commit stores the next offsets to read, and waits for the answer. Commit only
// what is settled. ErrRebalanced says that a partition is no longer ours.
func (r *Consumer) Commit(ctx context.Context, next ...Position) error {
	if r.session != nil {
		return r.end(ctx, kgo.TryCommit)
	}
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

// Close leaves the group: OnRevoked is called for the partitions still ours,
// with ctx, then they are free for others at once (with an InstanceID they stay
// reserved for its next start). It may be called twice.
func (r *Consumer) Close(ctx context.Context) error {
	if r.closed {
		return nil
	}
	r.closed = true
	aborted := r.end(ctx, kgo.TryAbort)
	r.closing.Store(&ctx)
	<-r.gate
	defer func() { r.gate <- struct{}{} }()
	r.client.AllowRebalance()
	err := r.client.LeaveGroupContext(ctx)
	r.disconnect()
	return errors.Join(aborted, explain("leave consumer group "+r.group.ID, &r.config, err))
}
