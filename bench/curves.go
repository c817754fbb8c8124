package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// plotCurves writes every curve of bench-full as a plot and a table.
func (r *report) plotCurves(m *strings.Builder, dir, name string) {
	for _, c := range r.Curves {
		file := name + "-" + slug(c.Title) + ".svg"
		if err := os.WriteFile(filepath.Join(dir, file), []byte(lineChart(c)), 0o644); err != nil {
			continue
		}
		fmt.Fprintf(m, "## %s\n\n", c.Title)
		if c.Note != "" {
			fmt.Fprintf(m, "%s\n\n", c.Note)
		}
		fmt.Fprintf(m, "![%s](%s)\n\n| %s |", c.Title, file, c.X)
		for _, s := range c.Series {
			fmt.Fprintf(m, " %s |", s.Name)
		}
		m.WriteString("\n|---|" + strings.Repeat("---|", len(c.Series)) + "\n")
		c.table(m)
	}
}

// table writes a row for every x; a series that ended earlier leaves its cell
// empty. Where the x differ a little from series to series (rates that were
// asked for and reached), the first one's stands.
func (c curve) table(m *strings.Builder) {
	rows := 0
	for _, s := range c.Series {
		rows = max(rows, len(s.Points))
	}
	for i := range rows {
		x := ""
		cells := ""
		for _, s := range c.Series {
			if i >= len(s.Points) {
				cells += "  |"
				continue
			}
			if x == "" {
				x = tick(s.Points[i][0])
			}
			cells += " " + tick(s.Points[i][1]) + " |"
		}
		fmt.Fprintf(m, "| %s |%s\n", x, cells)
	}
	m.WriteString("\n")
}

// curves are bench-full's: how things change with rate, ring, flows, length and
// time. One trial a point: the shape is what they are for.
func (h *harness) curves() {
	for _, c := range []func() []curve{h.latencyOverRate, h.overRate, h.stalls, h.overQueues, h.overFlows, h.overSize, h.memory} {
		h.report.Curves = append(h.report.Curves, c()...)
	}
}

// point is one trial of a curve.
func (h *harness) point(what string, r receiver, t traffic) (sample, bool) {
	return h.curvePoint(what, r.limit(), func() (sample, error) { return h.measure(r, t, h.length) })
}

// curvePoint runs one point of a curve; a failure leaves it out.
func (h *harness) curvePoint(what string, limit float64, f func() (sample, error)) (sample, bool) {
	s, err := guarded(benchCase{limit: limit, run: f})
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
			s, ok := h.point(fmt.Sprintf("%s at %s/s", n.name, si(rate)), n.r, small.flows(4096).at(rate))
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

// leaveOut says in the report what was not measured and why.
func (h *harness) leaveOut(format string, args ...any) {
	h.report.Left = append(h.report.Left, fmt.Sprintf(format, args...))
}

// overFlows and overSize: the whole path at saturation.
func (h *harness) overFlows() []curve {
	c := curve{Title: "Whole path against flows", X: "flows", Y: "acknowledged, packets/s", LogX: true, Series: []series{{Name: "arrow, snappy"}}}
	for _, n := range []int{1, 64, 4096, 65536, 1 << 20} {
		if s, ok := h.point(fmt.Sprintf("%d flows", n), toKafka("arrow", "snappy"), small.flows(n)); ok {
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
			if s, ok := h.point(fmt.Sprintf("%s, %d bytes", c.Series[i].Name, n), r, t.flows(4096)); ok {
				c.Series[i].Points = append(c.Series[i].Points, [2]float64{float64(n), s.Rate()})
			}
		}
	}
	return []curve{c}
}
