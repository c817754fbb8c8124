package testnet

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// RunDelay is how long this process' threads have been ready to run and were
// not let, added up since each began: the second number of
// /proc/PID/task/TID/schedstat, in ns. A test of timing or loss that fails can
// compare it before and after, and run once more if the machine was busy.
//
// Threads that ended take their share with them.
func RunDelay() (time.Duration, error) {
	files, err := filepath.Glob("/proc/self/task/*/schedstat")
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		return 0, fmt.Errorf("read run-queue delay: no schedstat in /proc/self/task")
	}
	var total time.Duration
	for _, file := range files {
		b, err := os.ReadFile(file)
		if os.IsNotExist(err) { // the thread has just ended
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read run-queue delay: %w", err)
		}
		var ran, delay, slices int64
		if _, err := fmt.Sscan(string(b), &ran, &delay, &slices); err != nil {
			return 0, fmt.Errorf("read run-queue delay from %s: %w", file, err)
		}
		total += time.Duration(delay)
	}
	return total, nil
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
