package afxdp

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock turns what the XDP program stamped into ns since the Unix epoch, UTC.
// It is used by one goroutine.
type clock struct {
	now int64 // UTC ns at the start of the batch; 0: not read in this batch

	// TAI is ahead of UTC by whole seconds, which change at a leap second
	// or when the time daemon learns of them.
	taiOffset  int64  // ns
	taiChecked uint64 // TAI ns of the frame at which taiOffset was read

	nicOffset  int64 // ns by which the NIC's clock is ahead of UTC: 0, or the TAI offset
	nicAgreed  int64 // UTC ns at which the NIC's clock was last seen to agree; 0: never
	nicChecked int64 // UTC ns at which taiOffset was last read for it

	readUTC       func() int64
	readTAIOffset func() int64
}

func newClock() clock {
	return clock{
		readUTC:       func() int64 { return time.Now().UnixNano() },
		readTAIOffset: systemTAIOffset,
		taiOffset:     systemTAIOffset(),
	}
}

// The NIC's clock is believed while one frame a second arrives within
// nicTolerance of the system's clock. A frame waits a moment in the ring, so
// those that come later than that prove nothing by themselves.
const (
	nicTolerance = int64(time.Millisecond)
	second       = int64(time.Second)
)

// system is the time of the batch: one read of the clock, by the first frame
// that needs it.
func (c *clock) system() int64 {
	if c.now == 0 {
		c.now = c.readUTC()
	}
	return c.now
}

// fromTAI converts a CLOCK_TAI stamp. The offset is read again a second later
// by the frames' own time, or when it goes backwards by as much: no clock is
// read for that.
func (c *clock) fromTAI(tai uint64) int64 {
	if since := int64(tai - c.taiChecked); !within(since, second-1) {
		c.taiOffset = c.readTAIOffset()
		c.taiChecked = tai
	}
	return int64(tai) - c.taiOffset
}

// fromNIC converts a stamp of the NIC's clock, which can run in UTC or in TAI.
// ok is false while that clock does not agree with the system's; the time
// returned is then the system's.
func (c *clock) fromNIC(stamp uint64) (nanos int64, ok bool) {
	now := c.system()
	for _, offset := range [...]int64{c.nicOffset, 0, c.taiOffset} {
		if within(now-(int64(stamp)-offset), nicTolerance) {
			c.nicOffset, c.nicAgreed = offset, now
			break
		}
	}
	if c.nicAgreed != 0 && within(now-c.nicAgreed, second) {
		return int64(stamp) - c.nicOffset, true
	}
	if !within(now-c.nicChecked, second) { // it may run in a TAI that has changed
		c.taiOffset, c.nicChecked = c.readTAIOffset(), now
	}
	return now, false
}

func within(d, limit int64) bool { return d >= -limit && d <= limit }

// systemTAIOffset is how far CLOCK_TAI is ahead of UTC: whole seconds, in ns.
func systemTAIOffset() int64 {
	var utc, tai unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &utc) != nil || unix.ClockGettime(unix.CLOCK_TAI, &tai) != nil {
		return 0
	}
	// The two reads lie some ns apart: round to the second.
	return (tai.Nano() - utc.Nano() + second/2) / second * second
}
