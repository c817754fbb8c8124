package doctor

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockState is what adjtimex(2) says of the system's clock.
type clockState struct {
	synchronised bool
	maxError     time.Duration // the kernel's bound of what it is off
	taiOffset    int           // s by which TAI is ahead of UTC; 0: nobody said
}

func readClock() (clockState, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return clockState{}, err
	}
	return clockState{
		synchronised: state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		maxError:     time.Duration(t.Maxerror) * time.Microsecond,
		taiOffset:    int(t.Tai),
	}, nil
}

func clock(read func() (clockState, error)) Finding {
	c, err := read()
	if err != nil {
		return skipped("ask for the state of the clock: %v", err)
	}
	if !c.synchronised {
		return Finding{State: Warn, Found: "nobody synchronises the system's clock (adjtimex says unsynchronised)",
			Mend: "timedatectl set-ntp true", Or: "run chronyd, ntpd, or ptp4l with phc2sys"}
	}
	return okay("synchronised, off by at most %v", c.maxError.Round(time.Microsecond))
}
