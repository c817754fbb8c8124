package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// plotCurves writes every curve of bench-full as a plot and a table.
func (r *report) plotCurves(m *strings.Builder, dir, name string) {
	for _, c := range r.Curves {
		file := name + "-" + slug(c.Title) + ".svg"
		if err := os.WriteFile(filepath.Join(dir, file), []byte(lineChart(c)), 0o644); err != nil {
			continue
		}
		fmt.Fprintf(m, "## %s\n\n![%s](%s)\n\n| %s |", c.Title, c.Title, file, c.X)
		for _, s := range c.Series {
			fmt.Fprintf(m, " %s |", s.Name)
		}
		m.WriteString("\n|---|" + strings.Repeat("---|", len(c.Series)) + "\n")
		if len(c.Series) > 0 {
			for i, p := range c.Series[0].Points {
				fmt.Fprintf(m, "| %s |", tick(p[0]))
				for _, s := range c.Series {
					if i < len(s.Points) {
						fmt.Fprintf(m, " %s |", tick(s.Points[i][1]))
					}
				}
				m.WriteString("\n")
			}
		}
		m.WriteString("\n")
	}
}

// curves are bench-full's: how things change with rate, ring, flows, length and
// time. One trial a point: the shape is what they are for.
func (h *harness) curves() {
	for _, c := range []func() []curve{h.latencyOverRate, h.overRate, h.stalls, h.overFlows, h.overSize, h.memory} {
		h.report.Curves = append(h.report.Curves, c()...)
	}
}

// point is one trial of a curve; a failure leaves it out.
func (h *harness) point(what string, r receiver, t traffic, limit float64) (sample, bool) {
	s, err := guarded(benchCase{limit: limit, run: func() (sample, error) { return h.measure(r, t, h.length) }})
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: curve, %s: %v\n", what, err)
		return s, false
	}
	fmt.Fprintf(os.Stderr, "  curve %-60s %9s/s, %.1f ns CPU, lost %.2f %%\n", what, si(s.Rate()), s.CPU, 100*s.LostShare())
	return s, true
}

// overRate: delivered, lost and CPU against the offered rate.
func (h *harness) overRate() []curve {
	delivered := curve{Title: "Delivered against offered", X: "offered, packets/s", Y: "delivered, packets/s", LogX: true, LogY: true}
	lost := curve{Title: "Lost against offered", X: "offered, packets/s", Y: "lost, %", LogX: true}
	cpu := curve{Title: "CPU against offered rate", X: "offered, packets/s", Y: "CPU of the process, ns a packet", LogX: true, LogY: true}
	for _, n := range []named{
		{"xcapa, ring", ours(), ""}, {"xcapa, whole path", toKafka("arrow", "snappy"), ""},
		{"xcapa, json path", toKafka("json", "none"), ""}, {"asavie/xdp", peer("asavie"), ""}, {"gopacket/afpacket", peer("afpacket"), ""},
	} {
		d, l, c := series{Name: n.name}, series{Name: n.name}, series{Name: n.name}
		for _, rate := range []float64{100e3, 250e3, 500e3, 1e6, 2e6, 3e6, 4e6, 6e6, 8e6, 10e6, 12e6} {
			s, ok := h.point(fmt.Sprintf("%s at %s/s", n.name, si(rate)), n.r, small.flows(4096).at(rate), blocking)
			if !ok {
				continue
			}
			offered := float64(s.Offered) / s.Seconds
			d.Points = append(d.Points, [2]float64{offered, s.Rate()})
			l.Points = append(l.Points, [2]float64{offered, 100 * s.LostShare()})
			c.Points = append(c.Points, [2]float64{offered, s.CPU})
			if rate >= 2e6 && offered < 0.6*rate { // the generator's core is full
				break
			}
		}
		delivered.Series, lost.Series, cpu.Series = append(delivered.Series, d), append(lost.Series, l), append(cpu.Series, c)
	}
	return []curve{delivered, lost, cpu}
}

// latencyOverRate: from the kernel's stamp to a consumer in another process,
// through a broker that stores. A block waits for its linger at low rates.
func (h *harness) latencyOverRate() []curve {
	c := curve{Title: "Latency wire to consumer against rate", X: "packets/s", Y: "ms", LogX: true, LogY: true,
		Series: []series{{Name: "p50"}, {Name: "p99"}, {Name: "p99.9"}}}
	for _, rate := range []float64{1e3, 10e3, 100e3, 300e3, 600e3, 1e6} {
		q, err := h.latency(rate)
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: latency at %s/s: %v\n", si(rate), err)
			continue
		}
		for i := range c.Series {
			c.Series[i].Points = append(c.Series[i].Points, [2]float64{rate, q[i]})
		}
	}
	return []curve{c}
}

func (h *harness) latency(rate float64) (q [3]float64, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return q, err
	}
	defer w.close()
	if err := w.startBroker("--limit", "2GiB"); err != nil {
		return q, err
	}
	if err := w.startReceiver(toKafka("arrow", "snappy")); err != nil {
		return q, err
	}
	reader, err := startOn(w.pair.Ends[1].Start, h.place.App, h.self, "peer", "latency", "-brokers", w.addr)
	if err != nil {
		return q, err
	}
	defer reader.kill()
	if _, err := reader.result(20 * time.Second); err != nil {
		return q, err
	}
	if _, _, err := w.generate(small.flows(4096).at(rate), 2*time.Second); err != nil {
		return q, err
	}
	time.Sleep(500 * time.Millisecond)
	reader.terminate()
	line, err := reader.line(20 * time.Second)
	if err != nil {
		return q, err
	}
	var r struct{ P50, P99, P999 float64 }
	err = json.Unmarshal([]byte(line), &r)
	return [3]float64{r.P50, r.P99, r.P999}, err
}

// stalls: the process is stopped for a while at 1 M frames/s; what the ring did
// not hold is lost. The model is length times rate, less the ring.
func (h *harness) stalls() []curve {
	const rate = 1e6
	c := curve{Title: "Lost in a stall at 1 M frames a second", X: "stall, ms", Y: "frames lost"}
	for _, ring := range []int{1024, 4096, 16384, 65536} {
		line := series{Name: fmt.Sprintf("--rings %d", ring)}
		for _, stall := range []time.Duration{1, 2, 5, 10, 20, 50} {
			lost, err := h.stall(ring, stall*time.Millisecond, rate)
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench: stall of %d ms: %v\n", stall, err)
				continue
			}
			line.Points = append(line.Points, [2]float64{float64(stall), lost})
		}
		c.Series = append(c.Series, line)
	}
	return []curve{c}
}

func (h *harness) stall(ring int, length time.Duration, rate float64) (lost float64, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return 0, err
	}
	defer w.close()
	r := ours("--rings", fmt.Sprint(ring), "--frames", fmt.Sprint(2*ring))
	if err := w.startReceiver(r); err != nil {
		return 0, err
	}
	go func() {
		time.Sleep(400 * time.Millisecond)
		_ = w.rx.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(length)
		_ = w.rx.cmd.Process.Signal(syscall.SIGCONT)
	}()
	frames, _, err := w.generate(small.at(rate), 800*time.Millisecond)
	if err != nil {
		return 0, err
	}
	var s sample
	_, _, err = w.settle(r, &s)
	return float64(frames) - float64(s.Delivered), err
}

// overFlows and overSize: the whole path at saturation.
func (h *harness) overFlows() []curve {
	c := curve{Title: "Whole path against flows", X: "flows", Y: "acknowledged, packets/s", LogX: true, Series: []series{{Name: "arrow, snappy"}}}
	for _, n := range []int{1, 64, 4096, 65536, 1 << 20} {
		if s, ok := h.point(fmt.Sprintf("%d flows", n), toKafka("arrow", "snappy"), small.flows(n), blocking); ok {
			c.Series[0].Points = append(c.Series[0].Points, [2]float64{float64(n), s.Rate()})
		}
	}
	return []curve{c}
}

func (h *harness) overSize() []curve {
	c := curve{Title: "Against the length of frames", X: "bytes", Y: "packets/s",
		Series: []series{{Name: "ring"}, {Name: "whole path, arrow"}, {Name: "whole path, raw"}}}
	for i, r := range []receiver{ours(), toKafka("arrow", "snappy"), toKafka("raw", "none")} {
		for _, n := range []int{60, 128, 256, 512, 1024, 1514} {
			t := traffic{name: fmt.Sprint(n), flags: []string{"--sizes", fmt.Sprint(n)}, bytes: float64(n)}
			if s, ok := h.point(fmt.Sprintf("%s, %d bytes", c.Series[i].Name, n), r, t.flows(4096), blocking); ok {
				c.Series[i].Points = append(c.Series[i].Points, [2]float64{float64(n), s.Rate()})
			}
		}
	}
	return []curve{c}
}

// memory: what the capture holds over two minutes of the whole path at 1 M/s.
func (h *harness) memory() []curve {
	c := curve{Title: "Memory against time, whole path at 1 M packets a second", X: "s", Y: "resident, MiB", Series: []series{{Name: "xcapa capture"}}}
	w, err := openWire(h, 1)
	if err != nil {
		return nil
	}
	defer w.close()
	r := toKafka("arrow", "snappy")
	if err := w.startBroker("--discard"); err != nil {
		return nil
	}
	if err := w.startReceiver(r); err != nil {
		return nil
	}
	const length = 2 * time.Minute
	done := make(chan error, 1)
	go func() {
		_, _, err := w.generate(small.flows(4096).at(1e6), length)
		done <- err
	}()
	begin := time.Now()
	for {
		select {
		case <-done:
			return []curve{c}
		case <-time.After(2 * time.Second):
			mib := 0.0
			fmt.Sscan(firstField(fmt.Sprintf("/proc/%d/status", w.rx.cmd.Process.Pid), "VmRSS"), &mib)
			c.Series[0].Points = append(c.Series[0].Points, [2]float64{time.Since(begin).Seconds(), mib / 1024})
		}
	}
}
