package transmit

import (
	"time"

	"xcapa/internal/capture"
)

// Pace says when frames are due. The zero value keeps the distances between
// their times; of the fields, at most one rate is set.
type Pace struct {
	TopSpeed   bool
	PerSecond  float64 // frames a second
	Megabits   float64 // a second, of frames without preamble and check sequence
	Multiplier float64 // times the original pace; 0: 1

	// MaxGap bounds a pause of the original pace; 0: as long as it was.
	MaxGap time.Duration
}

// Original reports whether the distances between the frames' times are kept.
func (p Pace) Original() bool { return !p.TopSpeed && p.PerSecond == 0 && p.Megabits == 0 }

// schedule says for one frame after the other when it is due, counted from the
// first one.
type schedule struct {
	pace   Pace
	factor float64 // of the original distances

	frames int64
	bits   float64

	// Original pace: the file's time that stands for base, and how far the
	// frames have come, both ns. base 0: the next frame is the first of its
	// file.
	base, elapsed, before int64
}

// clockSet is a step back in time that cannot be one frame overtaking another.
const clockSet = int64(time.Second)

func newSchedule(p Pace) *schedule {
	s := &schedule{pace: p, factor: 1}
	if p.Multiplier > 0 {
		s.factor = 1 / p.Multiplier
	}
	return s
}

// restart says that the next frame is the first of a file: it is due right
// behind the last one of the file before.
func (s *schedule) restart() {
	s.base, s.before = 0, s.before+s.elapsed
	s.elapsed = 0
}

// next is when f is due, since the first frame; a frame without a time is due
// with the one before it.
func (s *schedule) next(f *capture.Frame) time.Duration {
	due := time.Duration(0)
	switch {
	case s.pace.PerSecond > 0:
		due = time.Duration(float64(s.frames) / s.pace.PerSecond * 1e9)
	case s.pace.Megabits > 0:
		due = time.Duration(s.bits / s.pace.Megabits * 1e3)
	default:
		s.follow(f.TimestampNanos)
		due = time.Duration(float64(s.before+s.elapsed) * s.factor)
	}
	s.frames++
	s.bits += float64(len(f.Data) * 8)
	return due
}

// follow moves elapsed on to the frame captured at nanos. One that is earlier
// than those before it is due at once; where the clock was set back, or a gap is
// longer than wanted, base moves.
func (s *schedule) follow(nanos int64) {
	switch at := nanos - s.base; {
	case nanos == 0: // no time
	case s.base == 0:
		s.base = nanos
	case at < s.elapsed-clockSet:
		s.base = nanos - s.elapsed
	case s.pace.MaxGap > 0 && at > s.elapsed+s.maxGap():
		s.elapsed += s.maxGap()
		s.base = nanos - s.elapsed
	default:
		s.elapsed = max(s.elapsed, at)
	}
}

// maxGap is MaxGap in the file's time.
func (s *schedule) maxGap() int64 { return int64(float64(s.pace.MaxGap) / s.factor) }
