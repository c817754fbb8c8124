package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// memory: what the capture holds at 1 M/s, with a broker that answers and with
// one that stops for a while.
func (h *harness) memory() []curve {
	c := curve{Title: "Memory against time, whole path at 1 M packets a second", X: "s", Y: "resident, MiB",
		Note: "*Stopped*: the broker stands still from 15 s to 30 s; what waits for it is bounded by --buffer (64 MiB; the collector's slack comes on top), and the rest is dropped and counted."}
	for _, m := range []struct {
		name            string
		length          time.Duration
		stop, goOnAgain time.Duration
	}{{"broker answers", 90 * time.Second, 0, 0}, {"broker stopped", 45 * time.Second, 15 * time.Second, 30 * time.Second}} {
		line := series{Name: m.name}
		if err := h.memoryOver(&line, m.length, m.stop, m.goOnAgain); err != nil {
			fmt.Fprintf(os.Stderr, "bench: curve, memory, %s: %v\n", m.name, err)
		}
		if n := len(line.Points); n > 0 {
			fmt.Fprintf(os.Stderr, "  curve %-60s %.0f MiB at the end\n", "memory, "+m.name, line.Points[n-1][1])
		}
		c.Series = append(c.Series, line)
	}
	return []curve{c}
}

// memoryInterval is how often memoryOver looks.
const memoryInterval = 3 * time.Second

// memoryOver watches for length; stop and goOn are when the broker is
// stopped and let go on, 0: never.
func (h *harness) memoryOver(line *series, length, stop, goOn time.Duration) error {
	w, err := openWire(h, 1)
	if err != nil {
		return err
	}
	defer w.close()
	r := toKafka("arrow", "snappy")
	if err := w.startBroker("--discard"); err != nil {
		return err
	}
	if err := w.startReceiver(r); err != nil {
		return err
	}
	if stop > 0 {
		pid := w.server
		defer time.AfterFunc(stop, func() { _ = syscall.Kill(pid, syscall.SIGSTOP) }).Stop()
		defer time.AfterFunc(goOn, func() { _ = syscall.Kill(pid, syscall.SIGCONT) }).Stop()
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := w.generate(small.flows(4096).at(1e6), length)
		done <- err
	}()
	begin := time.Now()
	for {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			var s sample
			_, _, err = w.settle(r, &s) // the books balance, whatever stood still
			return err
		case <-time.After(memoryInterval):
			mib := 0.0
			fmt.Sscan(firstField(fmt.Sprintf("/proc/%d/status", w.rx.cmd.Process.Pid), "VmRSS"), &mib)
			line.Points = append(line.Points, [2]float64{time.Since(begin).Seconds(), mib / 1024})
		}
	}
}
