// Package measure is what a benchmark must control and know to be believed:
// which core a process runs on, how much of it it used, and how long it was kept
// waiting.
//
// In: process ids and commands of package bench and of `xcapa bench`. Out: CPU
// time, a placement.
//
// Non-obvious:
//   - Generator and receiver need a core each: the receiving interface's softirq
//     runs on the generator's, and a receiver beside it starves.
//   - The allowed cores are read from the affinity mask; runtime.NumCPU counts
//     them but does not name them.
//   - A Go child on one core sets GOMAXPROCS to 1 by itself, and a worker locked
//     to its thread then keeps everything else from running: say 3.
package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is what a process has used, and how long its threads were ready to run and
// were not let, since they began.
type CPU struct{ Ran, Delayed time.Duration }

// Minus is what was used since d.
func (c CPU) Minus(d CPU) CPU { return CPU{c.Ran - d.Ran, c.Delayed - d.Delayed} }

// Used adds up /proc/PID/task/*/schedstat (ns). Threads that ended take their
// share with them.
func Used(pid int) (CPU, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return CPU{}, fmt.Errorf("read CPU time of process %d: no schedstat in /proc/%d/task (CONFIG_SCHED_INFO)", pid, pid)
	}
	var c CPU
	for _, file := range files {
		b, err := os.ReadFile(file)
		if os.IsNotExist(err) || len(b) == 0 { // the thread has just ended
			continue
		}
		if err != nil {
			return CPU{}, fmt.Errorf("read CPU time: %w", err)
		}
		var ran, delayed int64
		if _, err := fmt.Sscan(string(b), &ran, &delayed); err != nil {
			return CPU{}, fmt.Errorf("read CPU time from %s: %w", file, err)
		}
		c.Ran += time.Duration(ran)
		c.Delayed += time.Duration(delayed)
	}
	return c, nil
}

// AllowedCores are the cores this process may run on, in order.
func AllowedCores() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var cores []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores
}

// Placement says which core does what.
type Placement struct {
	Kernel int // the generator, and with it the receiving interface's softirq
	App    int // what is measured
	Other  int // broker, sink: the kernel's, where there are two cores only
}

// Place chooses from cores. Fewer than two are an error.
func Place(cores []int) (Placement, error) {
	if len(cores) < 2 {
		return Placement{}, fmt.Errorf("%d core(s) allowed: generator and receiver need one each, on one core the receiver starves and the figures say nothing", len(cores))
	}
	p := Placement{Kernel: cores[0], App: cores[1], Other: cores[0]}
	if len(cores) > 2 {
		p.Other = cores[2]
	}
	return p, nil
}

func (p Placement) String() string {
	return fmt.Sprintf("core %d: generator, and with it the receiving interface's softirq; core %d: what is measured; core %d: broker, sink", p.Kernel, p.App, p.Other)
}

// On runs f on a thread that may run on one core alone; a child made there
// inherits that.
func On(core int, f func() error) error { return OnCores([]int{core}, f) }

// OnCores is On for several cores.
func OnCores(cores []int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read the cores allowed: %w", err)
	}
	for _, c := range cores {
		only.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("run on cores %v: %w", cores, err)
	}
	defer unix.SchedSetaffinity(0, &before)
	return f()
}

// GoOnOneCore is the environment entry for a Go child that On starts.
const GoOnOneCore = "GOMAXPROCS=3"
