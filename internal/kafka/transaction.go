package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transactionTimeout is how long the broker keeps a transaction open for us;
// librdkafka's and Java's default.
const transactionTimeout = 60 * time.Second

// transactionMessages is the most messages one Poll may bring in a transaction:
// what was polled must be produced before it ends.
const transactionMessages = 4_000

// ErrAborted is a Commit's answer when the transaction was aborted because the
// group moved partitions. Nothing is wrong: it wraps itself in a RewoundError,
// and everything since the last commit is delivered again.
var ErrAborted = errors.New("the transaction was aborted: the consumer group is rebalancing")

// RewoundError says that reading goes on at At, the committed offsets of every
// partition that is ours.
type RewoundError struct {
	At  []Position
	Err error
}

func (e *RewoundError) Error() string { return e.Err.Error() }
func (e *RewoundError) Unwrap() error { return e.Err }

// Rewound lists where reading goes on.
func (e *RewoundError) Rewound() []Position { return e.At }

// NewTransactional makes a consumer and a producer that share one client, so
// that Kafka takes what was produced and the offsets of what was read as one: a
// reader of committed messages sees everything once. A transaction begins with
// the first message that Poll brings; Commit ends it, and then everything that
// was polled must have been produced, whatever offsets it names.
//
// id names this process among all that write: one that starts with the same id
// aborts what its predecessor has left open, and shuts it out if it still lives.
//
// Close the consumer before the producer.
func NewTransactional(ctx context.Context, c Config, g Group, id string) (*Consumer, *Producer, error) {
	if id == "" {
		return nil, nil, errors.New("configure Kafka transactions: give a transactional id")
	}
	r, err := prepareConsumer(c, g)
	if err != nil {
		return nil, nil, err
	}
	create := func(opts ...kgo.Opt) (*kgo.Client, error) {
		if r.session, err = kgo.NewGroupTransactSession(opts...); err != nil {
			return nil, err
		}
		return r.session.Client(), nil
	}
	opts := append(r.options(), producerOptions(&r.config)...)
	opts = append(opts, kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout))
	if err := r.connect(create, opts...); err != nil {
		return nil, nil, fmt.Errorf("configure Kafka transactions: %w", err)
	}
	p := prepareProducer(r.config)
	p.client, p.shared = r.client, true
	p.helper.Go(p.renewTopics)
	r.endPredecessor(ctx)
	return r, p, nil
}

// endPredecessor aborts the transaction that a killed process of the same id has
// left open: until then the group's offsets, and what others wrote behind it,
// cannot be read. Without a broker it happens with the first message.
func (r *Consumer) endPredecessor(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if _, _, err := r.client.ProducerID(ctx); err != nil {
		r.config.Logger.Warn("kafka: what an earlier process of this transactional id has left open could not be ended yet", "error", err)
	}
}

// begin opens a transaction unless one is open.
func (r *Consumer) begin() error {
	if r.session == nil || r.open {
		return nil
	}
	if err := r.session.Begin(); err != nil {
		return explain("begin a transaction", &r.config, err)
	}
	r.open = true
	return nil
}

// end ends the open transaction: with the offsets of all that was polled, or
// with nothing.
func (r *Consumer) end(ctx context.Context, how kgo.TransactionEndTry) error {
	if !r.open {
		return nil
	}
	// The session and its hooks share a lock: a hook that waits for the gate
	// would keep End waiting for ever.
	<-r.gate
	committed, err := r.session.End(ctx, how)
	r.gate <- struct{}{}
	r.open = false
	switch {
	case err != nil:
		return explain("end a transaction", &r.config, err)
	case committed || how == kgo.TryAbort:
		return nil
	}
	return &RewoundError{At: r.rewind(), Err: ErrAborted}
}

// rewind takes over the places where the client reads on after an abort.
func (r *Consumer) rewind() []Position {
	committed := r.client.CommittedOffsets()
	var at []Position
	for p := range r.next {
		if o, ok := committed[p.topic][p.partition]; ok {
			r.next[p] = o.Offset
			at = append(at, Position{Topic: p.topic, Partition: p.partition, Offset: o.Offset})
		}
	}
	sortPositions(at)
	return at
}
