package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// stalls: the process is stopped for a while at 1 M frames/s; what the ring did
// not hold is lost. The model is length times rate, less the ring.
func (h *harness) stalls() []curve {
	const rate = 1e6
	c := curve{Title: "Lost in a stall at 1 M frames a second", X: "stall, ms", Y: "frames lost",
		Note: "The capture is stopped (SIGSTOP). Dashed: the model, rate × stall − ring, with the rate and the stall that there were: 1 ms asked for is more by the time signals and scheduler take. Each point is the median of three."}
	for _, ring := range []int{1024, 4096, 16384, 65536} {
		line := series{Name: fmt.Sprintf("--rings %d", ring)}
		model := series{Name: "model", Dashed: true}
		for _, stall := range []time.Duration{1, 5, 10, 20, 50} {
			s, err := h.medianStall(ring, stall*time.Millisecond, rate)
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench: stall of %d ms: %v\n", stall, err)
				continue
			}
			ms := s.length.Seconds() * 1e3
			expected := max(0, s.rate*s.length.Seconds()-float64(ring))
			fmt.Fprintf(os.Stderr, "  curve %-60s lost %.0f, model %.0f\n", fmt.Sprintf("stall of %.1f ms at %s/s, %s", ms, si(s.rate), line.Name), s.lost, expected)
			line.Points = append(line.Points, [2]float64{ms, s.lost})
			model.Points = append(model.Points, [2]float64{ms, expected})
		}
		c.Series = append(c.Series, line, model)
	}
	return []curve{c}
}

// stalled is what a stall did.
type stalled struct {
	lost   float64       // frames
	rate   float64       // a second
	length time.Duration // from one signal to the other
}

// medianStall is the trial of three with the median loss: a scheduler that lets
// the process wait for a millisecond loses a small ring's frames, too.
func (h *harness) medianStall(ring int, length time.Duration, rate float64) (stalled, error) {
	var all []stalled
	for range 3 {
		s, err := h.stall(ring, length, rate)
		if err != nil {
			return s, err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b stalled) int { return cmp.Compare(a.lost, b.lost) })
	return all[1], nil
}

func (h *harness) stall(ring int, length time.Duration, rate float64) (s stalled, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return s, err
	}
	defer w.close()
	r := ours("--rings", fmt.Sprint(ring), "--frames", fmt.Sprint(2*ring))
	if err := w.startReceiver(r); err != nil {
		return s, err
	}
	stopped := make(chan time.Duration, 1)
	go func() {
		time.Sleep(400 * time.Millisecond)
		_ = w.rx.cmd.Process.Signal(syscall.SIGSTOP)
		begin := time.Now()
		time.Sleep(length)
		_ = w.rx.cmd.Process.Signal(syscall.SIGCONT)
		stopped <- time.Since(begin)
	}()
	frames, seconds, err := w.generate(small.at(rate), 800*time.Millisecond)
	s.length = <-stopped
	if err != nil {
		return s, err
	}
	var got sample
	_, _, err = w.settle(r, &got)
	s.lost, s.rate = float64(frames)-float64(got.Delivered), float64(frames)/seconds
	return s, err
}
