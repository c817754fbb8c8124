package transmit

import (
	"context"
	"time"

	"xcapa/internal/capture"
)

// Timing is how late frames left, measured when the kernel had taken them.
type Timing struct {
	Frames    uint64
	Mean, Max time.Duration
}

// lateness adds up how late frames left. Frames wait for a flush together, so
// that the sum and the earliest of their due times say it all.
type lateness struct {
	sum   float64 // ns
	max   time.Duration
	count uint64

	waiting  int
	dueSum   float64 // ns
	earliest time.Duration
}

// queue notes a frame that was due.
func (l *lateness) queue(due time.Duration) {
	if l.waiting == 0 {
		l.earliest = due
	}
	l.earliest = min(l.earliest, due)
	l.dueSum += float64(due)
	l.waiting++
}

// left says that everything queued left at now.
func (l *lateness) left(now time.Duration) {
	if l.waiting == 0 {
		return
	}
	l.sum += float64(now)*float64(l.waiting) - l.dueSum
	l.max = max(l.max, now-l.earliest)
	l.count += uint64(l.waiting)
	l.waiting, l.dueSum = 0, 0
}

func (l *lateness) timing() Timing {
	t := Timing{Frames: l.count, Max: l.max}
	if l.count > 0 {
		t.Mean = time.Duration(l.sum / float64(l.count))
	}
	return t
}

// How a frame's time is waited for: with a timer until it is near, asleep until
// it is very near, and then awake. A sleep ends when the kernel gets round to
// it, some ten microseconds late.
const (
	timerUntil = 3 * time.Millisecond
	sleepUntil = 60 * time.Microsecond
)

// clock waits for moments. It is used by one goroutine, locked to its thread.
type clock struct {
	start time.Time
	timer *time.Timer
}

func newClock() *clock {
	capture.ExactNaps()
	return &clock{start: time.Now()}
}

func (c *clock) now() time.Duration { return time.Since(c.start) }

// wait returns at due, or with an error when ctx ends before.
func (c *clock) wait(ctx context.Context, due time.Duration) error {
	for {
		left := due - c.now()
		switch {
		case left <= 0:
			return nil
		case left > timerUntil:
			if err := c.sleep(ctx, left-timerUntil/2); err != nil {
				return err
			}
		case left > sleepUntil:
			capture.Nap(left - sleepUntil)
		}
	}
}

// sleep waits for d or the end of ctx.
func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	if c.timer == nil {
		c.timer = time.NewTimer(d)
	} else {
		c.timer.Reset(d)
	}
	select {
	case <-ctx.Done():
		c.timer.Stop()
		return ctx.Err()
	case <-c.timer.C:
		return nil
	}
}
