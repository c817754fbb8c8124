package elastic

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the wait before sending again: it doubles from first to longest,
// each time drawn from its upper half, so that writers do not march in step.
type backoff struct{ first, longest, next time.Duration }

func newBackoff(c *Config) backoff {
	return backoff{first: c.BackoffInit, longest: c.BackoffMax, next: c.BackoffInit}
}

// reset starts over: something got through.
func (b *backoff) reset() { b.next = b.first }

// long makes the next wait the longest: asking more often helps nobody.
func (b *backoff) long() { b.next = b.longest }

// sleep waits; false when ctx ended before.
func (b *backoff) sleep(ctx context.Context) bool {
	d := b.next/2 + rand.N(b.next/2+1)
	b.next = min(2*b.next, b.longest)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
