package transmit

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"xcapa/internal/capture"
)

const at0 = int64(1_700_000_000e9)

// dues are the due times of frames of 125 bytes (1,000 bits) captured at the
// offsets from at0; -1 stands for a frame without a time.
func dues(p Pace, offsets ...time.Duration) []time.Duration {
	s := newSchedule(p)
	var out []time.Duration
	for _, o := range offsets {
		f := capture.Frame{Data: make([]byte, 125)}
		if o >= 0 {
			f.TimestampNanos = at0 + int64(o)
		}
		out = append(out, s.next(&f))
	}
	return out
}

func TestSchedule(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name    string
		pace    Pace
		offsets []time.Duration
		want    []time.Duration
	}{
		{"original", Pace{}, []time.Duration{5 * ms, 6 * ms, 20 * ms, 20 * ms}, []time.Duration{0, ms, 15 * ms, 15 * ms}},
		{"twice_as_fast", Pace{Multiplier: 2}, []time.Duration{0, 10 * ms, 30 * ms}, []time.Duration{0, 5 * ms, 15 * ms}},
		{"half_as_fast", Pace{Multiplier: 0.5}, []time.Duration{0, 10 * ms}, []time.Duration{0, 20 * ms}},
		{"one_overtakes", Pace{}, []time.Duration{0, 10 * ms, 9 * ms, 12 * ms}, []time.Duration{0, 10 * ms, 10 * ms, 12 * ms}},
		{"no_time", Pace{}, []time.Duration{-1, 3 * ms, -1, 7 * ms}, []time.Duration{0, 0, 0, 4 * ms}},
		{"clock_set_back", Pace{}, []time.Duration{5000 * ms, 5010 * ms, 0, 3 * ms}, []time.Duration{0, 10 * ms, 10 * ms, 13 * ms}},
		{"max_gap", Pace{MaxGap: 100 * ms}, []time.Duration{0, 50 * ms, 10_000 * ms, 10_020 * ms}, []time.Duration{0, 50 * ms, 150 * ms, 170 * ms}},
		{"max_gap_is_of_the_wall", Pace{MaxGap: 100 * ms, Multiplier: 2}, []time.Duration{0, 10_000 * ms, 10_020 * ms}, []time.Duration{0, 100 * ms, 110 * ms}},
		{"per_second", Pace{PerSecond: 1000}, []time.Duration{0, 0, time.Hour}, []time.Duration{0, ms, 2 * ms}},
		{"megabits", Pace{Megabits: 0.5}, []time.Duration{0, 0, time.Hour}, []time.Duration{0, 2 * ms, 4 * ms}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := dues(tt.pace, tt.offsets...); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// A file that begins, here an hour later or earlier, begins at once.
func TestScheduleRestart(t *testing.T) {
	s := newSchedule(Pace{})
	var got []time.Duration
	for _, part := range [][]int64{{at0, at0 + 10}, {at0 + 3600e9, at0 + 3600e9 + 5}, {at0, at0 + 7}} {
		s.restart()
		for _, nanos := range part {
			got = append(got, s.next(&capture.Frame{TimestampNanos: nanos}))
		}
	}
	if want := []time.Duration{0, 10, 10, 15, 15, 22}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLateness(t *testing.T) {
	var l lateness
	if got := l.timing(); got != (Timing{}) {
		t.Errorf("nothing sent: got %+v", got)
	}
	l.left(5) // nothing waited
	l.queue(100)
	l.left(110) // 10 late
	l.queue(200)
	l.queue(150)
	l.queue(230)
	l.left(240) // 40, 90 and 10 late
	if got, want := l.timing(), (Timing{Frames: 4, Mean: 37, Max: 90}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A moment is never reached early, whichever way it is waited for, and the end
// of ctx ends the wait.
func TestClock(t *testing.T) {
	c := newClock()
	for _, d := range []time.Duration{-time.Second, 0, 10 * time.Microsecond, 500 * time.Microsecond, 8 * time.Millisecond} {
		due := c.now() + d
		if err := c.wait(context.Background(), due); err != nil || c.now() < due {
			t.Errorf("%v: got %v, %v before it was due", d, err, due-c.now())
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := c.wait(ctx, c.now()+time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestScheduleDoesNotAllocate(t *testing.T) {
	s := newSchedule(Pace{MaxGap: time.Second})
	f := capture.Frame{Data: make([]byte, 60), TimestampNanos: at0}
	var l lateness
	if n := testing.AllocsPerRun(1000, func() {
		f.TimestampNanos++
		l.queue(s.next(&f))
		l.left(time.Second)
	}); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
}
