package pcap

import (
	"math"
	"math/bits"
)

// resolution is a pcapng if_tsresol value (pcapng 4.2): bit 7 clear: 10^-n
// seconds a tick; set: 2^-n. The default is 6, microseconds.
type resolution uint8

const defaultResolution resolution = 6

const nanosPerSecond = 1_000_000_000

// ticksToNanos turns ticks since the epoch into nanoseconds, plus offset
// seconds (if_tsoffset). What does not fit an int64 becomes the nearest value
// that does.
func ticksToNanos(ticks uint64, res resolution, offset int64) int64 {
	return addSaturated(saturate(scale(ticks, res)), secondsToNanos(offset))
}

// scale is ticks in nanoseconds, rounded down, as a 128-bit number (hi, lo).
func scale(ticks uint64, res resolution) (hi, lo uint64) {
	n := uint(res & 0x7f)
	if res&0x80 == 0 {
		return scaleDecimal(ticks, n)
	}
	hi, lo = bits.Mul64(ticks, 1e9)
	if n >= 64 {
		return 0, hi >> (n - 64)
	}
	return hi >> n, hi<<(64-n) | lo>>n
}

func scaleDecimal(ticks uint64, n uint) (hi, lo uint64) {
	if n <= 9 {
		return bits.Mul64(ticks, pow10(9-n))
	}
	if n-9 > 19 {
		return 0, 0 // 10^20 is more ticks a nanosecond than 64 bits can count
	}
	return 0, ticks / pow10(n-9)
}

// pow10 is 10^n for n up to 19.
func pow10(n uint) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

func saturate(hi, lo uint64) int64 {
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

func secondsToNanos(s int64) int64 {
	switch {
	case s > math.MaxInt64/nanosPerSecond:
		return math.MaxInt64
	case s < math.MinInt64/nanosPerSecond:
		return math.MinInt64
	}
	return s * nanosPerSecond
}

func addSaturated(a, b int64) int64 {
	s := a + b
	switch {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	}
	return s
}
