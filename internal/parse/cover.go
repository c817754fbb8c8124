package parse

import (
	"context"
	"fmt"
	"sync/atomic"

	"xcapa/internal/indexer"
	"xcapa/internal/message"
)

// coverMessages is how many input messages are settled as one at most: as many
// as a block has rows.
const coverMessages = 1024

// cover joins a run of input messages with the output messages made of it: when
// the last of these is acknowledged, the run is settled.
type cover struct {
	work     *Work
	part     *indexer.Part
	span     indexer.Span
	messages int          // in the run so far
	pending  atomic.Int64 // outputs not acknowledged, plus one while the run is open
	failed   atomic.Bool  // one of them never will be
}

// release is called for every acknowledged output, and once at the run's end.
func (c *cover) release() {
	if c.pending.Add(-1) != 0 {
		return
	}
	if !c.failed.Load() {
		c.span.Settle()
	}
	if c.work.open.Add(-1) == 0 {
		select {
		case c.work.quiet <- struct{}{}:
		default:
		}
	}
}

// settled is told by the outputs of what became of a message.
func settled(m *message.Message, err error) {
	c := m.Tag.(*cover)
	if err != nil {
		c.failed.Store(true)
		if c.part.Owned() {
			c.part.Fail(fmt.Errorf("write to topic %s: %w", m.Topic, err))
		}
	}
	c.release()
}

// produce is the sink of the work's outputs: it waits.
func (w *Work) produce(m *message.Message) {
	m.Tag = w.cover
	w.cover.pending.Add(1)
	_ = w.parser.config.Produce(w.ctx, m) // told to settled as well
}

// begin opens a run up to next, or moves the open one's end there; false: the
// partition goes to someone else.
func (w *Work) begin(part *indexer.Part, messages int, next int64) bool {
	if w.cover != nil {
		if !w.cover.span.Extend(next) {
			return false
		}
		w.cover.messages += messages
		return true
	}
	span, ok := part.Begin(next)
	if !ok {
		return false
	}
	w.cover = &cover{work: w, part: part, span: span, messages: messages}
	w.cover.pending.Store(1)
	w.open.Add(1)
	return true
}

// HandOn implements indexer.Work: it ends the open run and its block.
func (w *Work) HandOn() {
	if w.cover == nil {
		return
	}
	w.out.Flush()
	c := w.cover
	w.cover = nil
	c.release()
}

// Flush implements indexer.Work.
func (w *Work) Flush(ctx context.Context) error {
	w.HandOn()
	for w.open.Load() > 0 {
		select {
		case <-w.quiet:
		case <-ctx.Done():
			return fmt.Errorf("wait for the brokers: %w", ctx.Err())
		}
	}
	return nil
}
