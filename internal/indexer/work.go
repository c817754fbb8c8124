package indexer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
)

// maxDeadFrame is how much of an unreadable message goes into the error record,
// which must stay below Kafka's 1 MB in base64.
const maxDeadFrame = 512 << 10

// lane is one goroutine with its Work and the jobs that wait for it.
type lane struct {
	queue *queue
	work  Work
	stop  context.CancelFunc // ends what Work waits for
	done  chan struct{}      // closed when the goroutine has ended
}

// startLane starts a goroutine for w.
func (s *Stage) startLane(w Work) *lane {
	ctx, stop := context.WithCancel(s.life)
	l := &lane{queue: newQueue(&s.load), work: w, stop: stop, done: make(chan struct{})}
	s.lanesDone.Go(func() {
		defer close(l.done)
		s.run(ctx, l)
	})
	return l
}

// end stops a lane: what it waits for is cancelled, what waits for it is not
// done.
func (l *lane) end() {
	l.stop()
	l.queue.close()
}

// run does the jobs of a lane until its queue is closed. After a failure only
// flushes are answered: everything else stays uncommitted.
func (s *Stage) run(ctx context.Context, l *lane) {
	for {
		j, ok := l.queue.next(l.work.Deadline())
		if !ok {
			return
		}
		switch {
		case j.flush != nil:
			j.flush.answer(l.work.Flush(ctx))
			s.interrupt()
		case s.failure() != nil || ctx.Err() != nil:
		case j.assigned != nil:
			s.tellAssigned(l, j.assigned)
		case j.batch == nil:
			l.work.HandOn()
		case j.batch.Poison != nil:
			l.work.HandOn() // what is open ends before it
			s.doPoison(ctx, j)
		default:
			s.doBatch(ctx, l, j)
		}
		if j.batch != nil {
			l.queue.finished(j.batch)
			j.batch.Release()
		}
	}
}

func (s *Stage) tellAssigned(l *lane, at []Position) {
	for _, p := range at {
		if w := s.offsets.get(partitionOf(p)); w == nil || w.isStopped() {
			continue // gone again while this waited in the queue
		}
		if err := l.work.Assigned(p.Topic, p.Partition, p.Offset); err != nil {
			s.fail(fmt.Errorf("take over %s partition %d: %w", p.Topic, p.Partition, err))
			return
		}
	}
}

func (s *Stage) doBatch(ctx context.Context, l *lane, j job) {
	part := &Part{stage: s, window: j.window, run: newBatchRun(j.batch, s.config.OnBatch)}
	j.window.watch(part.run)
	if err := l.work.Do(ctx, j.batch, part); err != nil && ctx.Err() == nil && part.Owned() {
		s.fail(err)
	}
}

// doPoison puts a stretch that the client could not read on record.
func (s *Stage) doPoison(ctx context.Context, j job) {
	p := j.batch.Poison
	number, ok := j.window.begin(p.Last + 1)
	if !ok {
		return
	}
	f := &codec.Failure{
		TimestampNanos: time.Now().UnixNano(), Stage: s.config.Name, Code: "bad_batch", Offset: -1, Row: -1,
		Message: fmt.Sprintf("the batch of offsets %d to %d cannot be read: %v", p.First, p.Last, p.Err),
		Topic:   j.batch.Topic, Partition: j.batch.Partition, Position: p.First,
	}
	if s.deadLetter(ctx, f, uint64(max(p.Last-p.First+1, 1))) {
		j.window.settle(number)
	}
}

// Unreadable is stage's error record of a message that cannot be read.
func Unreadable(stage string, m *message.Message, err error) *codec.Failure {
	f := &codec.Failure{
		TimestampNanos: time.Now().UnixNano(), Stage: stage, Code: "unreadable", Offset: -1, Row: -1,
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

// deadLetter puts a failure that stands for n packets into the errors topic,
// trying until it is there; false: ctx ended before.
func (s *Stage) deadLetter(ctx context.Context, f *codec.Failure, n uint64) bool {
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
