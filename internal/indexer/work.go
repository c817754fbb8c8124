package indexer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
)

// maxDeadFrame is how much of an unreadable message goes into the error record,
// which must stay below Kafka's 1 MB in base64.
const maxDeadFrame = 512 << 10

const (
	// maxRows bounds the memory that one message can make us take: a row weighs
	// some 500 bytes, whatever little the message says of it. Our own blocks have
	// 1,024, and what fits into Kafka's 1 MB is far below.
	maxRows = 1 << 17
	// keepRows is how much room for rows is kept from one message to the next.
	keepRows = 1 << 13
)

var errTooManyRows = fmt.Errorf("the message holds more than %d rows: send smaller blocks", maxRows)

// work does the jobs until the queue is closed. It is the only caller of the
// destination's Assigned, Write and Flush. After a failure only flushes are
// answered: everything else stays uncommitted.
func (s *Stage) work(ctx context.Context) {
	var rows []codec.Row
	for {
		j, ok := s.queue.next()
		if !ok {
			return
		}
		switch {
		case j.flush != nil:
			j.flush.err = s.dest.Flush(ctx)
			close(j.flush.done)
			s.interrupt()
		case s.failure() != nil || ctx.Err() != nil:
		case j.batch == nil:
			s.tellAssigned(j.assigned)
		case j.batch.Poison != nil:
			s.workPoison(ctx, j)
		default:
			rows = s.workBatch(ctx, j, rows)
		}
		if j.batch != nil {
			s.queue.finished(j.batch)
		}
	}
}

func (s *Stage) tellAssigned(at []Position) {
	for _, p := range at {
		if w := s.offsets.get(partitionOf(p)); w == nil || w.isStopped() {
			continue // gone again while this waited in the queue
		}
		if err := s.dest.Assigned(p.Topic, p.Partition, p.Offset); err != nil {
			s.fail(fmt.Errorf("take over %s partition %d: %w", p.Topic, p.Partition, err))
			return
		}
	}
}

// workBatch reads and writes the messages of a batch; rows is the room for
// those of one message.
func (s *Stage) workBatch(ctx context.Context, j job, rows []codec.Row) []codec.Row {
	run := newBatchRun(j.batch, s.config.OnBatch)
	for i := range j.batch.Messages {
		m := &j.batch.Messages[i]
		number, ok := j.window.begin(m.Offset + 1)
		if !ok {
			return rows // the partition goes to someone else, with this message
		}
		settled := func() {
			j.window.settle(number)
			run.settled()
		}
		var err error
		if rows, err = s.read(m, rows); err != nil {
			if !s.poison(ctx, unreadable(m, err), 1) {
				return rows
			}
			settled()
			continue
		}
		run.packets.Add(int64(len(rows)))
		s.books.read(rows)
		if err := s.dest.Write(ctx, m, rows, settled); err != nil {
			s.books.notTaken(s.dest.Room().In)
			if ctx.Err() == nil && !j.window.isStopped() {
				s.fail(fmt.Errorf("write the rows of %s partition %d offset %d: %w", m.Topic, m.Partition, m.Offset, err))
			}
			return rows
		}
		if s.failure() != nil {
			return rows
		}
	}
	return rows
}

// read returns the rows of a message, in the room of rows.
func (s *Stage) read(m *message.Message, rows []codec.Row) ([]codec.Row, error) {
	if cap(rows) > keepRows {
		rows = nil
	}
	rows = rows[:0]
	err := s.config.Reader.Read(m, func(row *codec.Row) error {
		if len(rows) == maxRows {
			return errTooManyRows
		}
		rows = append(rows, *row)
		return nil
	})
	return rows, err
}

// workPoison puts a stretch that the client could not read on record.
func (s *Stage) workPoison(ctx context.Context, j job) {
	p := j.batch.Poison
	number, ok := j.window.begin(p.Last + 1)
	if !ok {
		return
	}
	f := &codec.Failure{
		TimestampNanos: time.Now().UnixNano(), Stage: "index", Code: "bad_batch", Offset: -1, Row: -1,
		Message: fmt.Sprintf("the batch of offsets %d to %d cannot be read: %v", p.First, p.Last, p.Err),
		Topic:   j.batch.Topic, Partition: j.batch.Partition, Position: p.First,
	}
	if s.poison(ctx, f, uint64(max(p.Last-p.First+1, 1))) {
		j.window.settle(number)
	}
}

// unreadable is the error record of a message that cannot be read.
func unreadable(m *message.Message, err error) *codec.Failure {
	f := &codec.Failure{
		TimestampNanos: time.Now().UnixNano(), Stage: "index", Code: "unreadable", Offset: -1, Row: -1,
		Message: err.Error(), Frame: m.Value,
		Topic: m.Topic, Partition: m.Partition, Position: m.Offset,
	}
	var u *codec.UnreadableError
	switch {
	case errors.Is(err, errTooManyRows):
		f.Code = "too_many_rows"
	case errors.As(err, &u):
		f.Code, f.Message = u.Code, u.Err.Error()
	}
	if len(f.Frame) > maxDeadFrame {
		f.Message = fmt.Sprintf("%s (the first %d of %d bytes are here)", f.Message, maxDeadFrame, len(m.Value))
		f.Frame = f.Frame[:maxDeadFrame]
	}
	return f
}

// poison puts a failure that stands for n packets into the errors topic, trying
// until it is there; false: ctx ended before.
func (s *Stage) poison(ctx context.Context, f *codec.Failure, n uint64) bool {
	s.books.unreadable(n)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 30*time.Second) {
		err := s.config.DeadLetter(ctx, f)
		if err == nil {
			s.books.recorded(n)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		s.config.Logger.Warn("an unreadable message could not be put into the errors topic: tried again", "error", err, "in", wait)
		t := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
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

// batchRun counts the messages of a batch down.
type batchRun struct {
	stats   BatchStats
	packets atomic.Int64
	left    atomic.Int64
	done    func(BatchStats)
}

func newBatchRun(b *Batch, done func(BatchStats)) *batchRun {
	r := &batchRun{done: done, stats: BatchStats{
		Topic: b.Topic, Partition: b.Partition, Messages: len(b.Messages), FetchedAt: b.FetchedAt}}
	r.left.Store(int64(len(b.Messages)))
	if t := b.Messages[0].Time; !t.IsZero() {
		r.stats.SchedulingDelay = b.FetchedAt.Sub(t)
	}
	return r
}

func (r *batchRun) settled() {
	if r.left.Add(-1) > 0 || r.done == nil {
		return
	}
	r.stats.Packets = r.packets.Load()
	r.stats.ProcessingTime = time.Since(r.stats.FetchedAt)
	r.done(r.stats)
}
