package indexer

import (
	"context"
	"errors"
	"time"
)

// endTimeout is how long the end of a transaction may take: it has to be before
// the broker gives it up.
const endTimeout = 50 * time.Second

// rewound is the error of a Commit that has come to nothing: reading goes on at
// these offsets, of all partitions that are ours.
type rewound interface{ Rewound() []Position }

// commitTransaction settles everything that was polled and ends the transaction.
// One that cannot be committed leaves nothing behind: the consumer reads on at
// what was committed, and so do we.
func (s *Stage) commitTransaction(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if !s.moved && !s.settleAll(ctx) {
		return // later; at the end Close aborts
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	due := s.offsets.due()
	err := s.consumer.Commit(ctx, due...)
	var back rewound
	switch {
	case err == nil:
		s.offsets.committed(due)
	case errors.As(err, &back):
		s.config.Logger.Info("the transaction was aborted: what it held is read again", "reason", err)
		s.rewind(back.Rewound())
	default:
		s.fail(err)
	}
	s.moved = false
	if s.config.OnTransaction != nil && (err != nil || len(due) > 0) {
		s.config.OnTransaction(err == nil)
	}
}

// settleAll waits until the lanes have done all they have got; false: they have
// not, or the stage has failed.
func (s *Stage) settleAll(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, s.config.FlushTimeout)
	defer cancel()
	f := s.flushBehind()
	select {
	case <-f.done:
	case <-ctx.Done():
		return false
	}
	return f.err == nil && s.failure() == nil && s.offsets.unsettled() == 0
}

// rewind begins every partition again at its place, in lanes of their own: what
// the old ones still have is of the aborted transaction. Partitions that are not
// in at have gone.
func (s *Stage) rewind(at []Position) {
	s.Lost(s.offsets.parts())
	if err := s.Assigned(context.Background(), at); err != nil {
		s.fail(err)
	}
	if s.paused {
		s.consumer.Resume(s.offsets.parts()...)
		s.paused = false
	}
}
