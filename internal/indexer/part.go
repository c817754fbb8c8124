package indexer

import (
	"context"
	"sync/atomic"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/packet"
)

// Work is what a lane does with messages: the rows of an index, the records of a
// parsed topic. One goroutine makes all calls, in the order things were polled.
type Work interface {
	// Assigned tells that a partition is ours and from which offset it is read,
	// before its first batch.
	Assigned(topic string, partition int32, offset int64) error
	// Do takes the messages of a batch, in order. It begins each message, or a
	// run of them, at part before it does anything for it, and stops without an
	// error where that is refused. It may wait (back-pressure) until ctx ends. It
	// keeps nothing of the messages: the batch is released when it returns.
	Do(ctx context.Context, b *Batch, part *Part) error
	// Deadline is when HandOn has to be called though nothing more has come; the
	// zero time: nothing is open.
	Deadline() time.Time
	// HandOn gives away what is open, and is begun.
	HandOn()
	// Flush hands on and returns when everything begun is settled.
	Flush(ctx context.Context) error
}

// Part is one batch's partition as its Work sees it: where messages are begun,
// settled and counted.
type Part struct {
	stage  *Stage
	window *window
	run    *batchRun // nil: nobody wants to know
}

// Span is a message, or a run of messages, that has been begun and is settled as
// one. Offsets before the first unsettled span are committed.
type Span struct {
	window *window
	number int64
}

// Begin begins the messages before offset next that are not in an earlier span.
// false: the partition goes to someone else, with these messages.
func (p *Part) Begin(next int64) (Span, bool) {
	n, ok := p.window.begin(next)
	return Span{p.window, n}, ok
}

// Extend moves the end of s, the latest span begun and not settled yet, to next.
func (s Span) Extend(next int64) bool { return s.window.extend(s.number, next) }

// Settle says that everything of s is done for good. From any goroutine, once.
func (s Span) Settle() { s.window.settle(s.number) }

// Owned is whether more may be begun; when it is not, no error matters.
func (p *Part) Owned() bool { return !p.window.isStopped() }

// Fail ends the stage: something of this batch will never be settled. From any
// goroutine.
func (p *Part) Fail(err error) { p.stage.fail(err) }

// Tally counts messages read and the packets in them, by status.
type Tally struct {
	Messages, Packets uint64
	ByStatus          [packet.NumStatus]uint64 // of Packets
}

// Count adds packets that are handed on, to the books and to the batch.
func (p *Part) Count(t *Tally) {
	if p.run != nil {
		p.run.packets.Add(int64(t.Packets))
	}
	p.stage.books.read(t)
}

// DeadLetter puts a failure that stands for n packets into the errors topic,
// trying until it is there; false: ctx ended before.
func (p *Part) DeadLetter(ctx context.Context, f *codec.Failure, n uint64) bool {
	return p.stage.deadLetter(ctx, f, n)
}

// BatchStats is one fetch-to-settled cycle of one partition.
type BatchStats struct {
	Topic           string
	Partition       int32
	Messages        int
	Packets         int64
	FetchedAt       time.Time
	SchedulingDelay time.Duration // fetch time less the first message's Kafka timestamp
	ProcessingTime  time.Duration // fetch to last acknowledgement
}

// batchRun is a batch on its way: done hears of it when it is settled.
type batchRun struct {
	stats   BatchStats
	next    int64 // offset behind the batch
	packets atomic.Int64
	done    func(BatchStats)
}

// newBatchRun is nil where nobody wants to know.
func newBatchRun(b *Batch, done func(BatchStats)) *batchRun {
	if done == nil {
		return nil
	}
	n := b.Len()
	r := &batchRun{done: done, next: b.Records.Offset(n-1) + 1, stats: BatchStats{
		Topic: b.Topic, Partition: b.Partition, Messages: n, FetchedAt: b.FetchedAt}}
	var first message.Message
	if b.Records.Read(0, &first); !first.Time.IsZero() {
		r.stats.SchedulingDelay = b.FetchedAt.Sub(first.Time)
	}
	return r
}

func (r *batchRun) settled() {
	r.stats.Packets = r.packets.Load()
	r.stats.ProcessingTime = time.Since(r.stats.FetchedAt)
	r.done(r.stats)
}

// NewTestPart is a Part of no stage, at offset at: for tests and benchmarks of a
// Work.
func NewTestPart(at int64) *Part {
	return &Part{stage: &Stage{}, window: &window{position: at, stored: at}}
}
