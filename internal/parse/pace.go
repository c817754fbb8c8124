package parse

import (
	"context"
	"time"
)

// pace holds a partition to so many messages a second. What a pause has left
// over is not made up for later.
type pace struct {
	rate int       // 0: no limit
	next time.Time // when the next message may go
}

// stepsPerSecond is how often a limited partition stops: small steps keep the
// output steady.
const stepsPerSecond = 20

// step is how many messages may go at once.
func (p *pace) step() int {
	if p.rate <= 0 {
		return coverMessages
	}
	return max(1, p.rate/stepsPerSecond)
}

// wait waits until n messages may go; false: ctx ended before.
func (p *pace) wait(ctx context.Context, n int) bool {
	if p.rate <= 0 {
		return true
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	pause := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	if pause <= 0 {
		return true
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
