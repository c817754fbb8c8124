package testnet

import (
	"os"
	"time"

	"xcapa/internal/measure"
)

// RunDelay is how long this process' threads have been ready to run and were
// not let, added up since each began: the second number of
// /proc/PID/task/TID/schedstat, in ns. A test of timing or loss that fails can
// compare it before and after, and run once more if the machine was busy.
//
// Threads that ended take their share with them.
func RunDelay() (time.Duration, error) {
	c, err := measure.Used(os.Getpid())
	return c.Delayed, err
}

// WasBusy runs fn and reports whether this process waited for a CPU for more
// than limit while it ran.
func WasBusy(limit time.Duration, fn func()) (bool, time.Duration) {
	before, err := RunDelay()
	fn()
	after, err2 := RunDelay()
	if err != nil || err2 != nil {
		return false, 0
	}
	delay := max(after-before, 0)
	return delay > limit, delay
}
