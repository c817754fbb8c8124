package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is all a run found, as it is written to NAME.json.
type report struct {
	Began    time.Time  `json:"began"`
	Ended    time.Time  `json:"ended"`
	Command  string     `json:"command"`
	Machine  machine    `json:"machine"`
	Place    string     `json:"place"`
	Length   string     `json:"length"` // of a trial's traffic
	Rounds   int        `json:"rounds"`
	Took     []took     `json:"took"`
	Outcomes []*outcome `json:"outcomes"`
	Goals    []verdict  `json:"goals"`
	Sizes    []size     `json:"sizes,omitempty"`
	Curves   []curve    `json:"curves,omitempty"`
	Left     []string   `json:"left_out,omitempty"` // what this machine cannot show, and why
}

type took struct {
	Part    string  `json:"part"`
	Seconds float64 `json:"seconds"`
}

// find is the outcome of a case; nil when it was not run.
func (r *report) find(group, name string) *outcome {
	for _, o := range r.Outcomes {
		if o.Group == group && o.Name == name {
			return o
		}
	}
	return nil
}

// groups are the tables, in order.
func (r *report) groups() []string {
	var g []string
	for _, o := range r.Outcomes {
		if !slices.Contains(g, o.Group) {
			g = append(g, o.Group)
		}
	}
	return g
}

// write makes NAME.json, NAME.md and the plots.
func (r *report) write(dir, name string) error {
	r.Goals = judge(r)
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	var m strings.Builder
	r.markdown(&m, dir, name)
	path := filepath.Join(dir, name+".md")
	if err := os.WriteFile(path, []byte(m.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "bench: wrote %s\n", path)
	for _, v := range r.Goals {
		fmt.Fprintf(os.Stderr, "  %-7s %-64s %s\n", v.word(), v.Goal, v.Got)
	}
	return nil
}

func (r *report) markdown(m *strings.Builder, dir, name string) {
	fmt.Fprintf(m, "# What xcapa does on this machine\n\n")
	fmt.Fprintf(m, "Measured %s to %s by `%s`. Absolute figures belong to this machine; ratios inside one run carry over. README.md says how to read them.\n\n",
		r.Began.Format("2006-01-02 15:04"), r.Ended.Format("15:04 MST"), r.Command)
	c := r.Machine
	fmt.Fprintf(m, "| | |\n|---|---|\n| machine | %s, cores %v, %s |\n| kernel | %s |\n| versions | xcapa `%s`, %s |\n", c.CPU, c.Cores, c.Memory, c.Kernel, c.Version, c.Go)
	var tools []string
	for _, n := range sortedKeys(c.Tools) {
		tools = append(tools, c.Tools[n])
	}
	fmt.Fprintf(m, "| programs | %s |\n| load at the start | %s |\n| placement | %s |\n| trials | %s of traffic, %d rounds, interleaved; a fresh veth pair and fresh processes each |\n\n",
		strings.Join(tools, "; "), c.Load, r.Place, r.Length, r.Rounds)

	fmt.Fprintf(m, "## Goals\n\n| | goal | found | remarks |\n|---|---|---|---|\n")
	for _, v := range r.Goals {
		fmt.Fprintf(m, "| %s | %s | %s | %s |\n", v.word(), v.Goal, v.Got, v.Remark)
	}
	m.WriteString("\n")
	r.profile(m)
	for _, g := range r.groups() {
		r.table(m, dir, name, g)
	}
	if len(r.Sizes) > 0 {
		fmt.Fprintf(m, "## %s%s\n\n| encoding | none | snappy | zstd |\n|---|---|---|---|\n", strings.ToUpper(groupSizes[:1]), groupSizes[1:])
		for i := 0; i+2 < len(r.Sizes); i += 3 {
			fmt.Fprintf(m, "| %s | %.1f | %.1f | %.1f |\n", r.Sizes[i].Encoding, r.Sizes[i].Bytes, r.Sizes[i+1].Bytes, r.Sizes[i+2].Bytes)
		}
		m.WriteString("\n")
	}
	r.plotCurves(m, dir, name)
	if len(r.Left) > 0 {
		fmt.Fprintf(m, "## Left out\n\n- %s\n\n", strings.Join(r.Left, "\n- "))
	}
	fmt.Fprintf(m, "## Time\n\n")
	for _, t := range r.Took {
		fmt.Fprintf(m, "%s %.0f s. ", t.Part, t.Seconds)
	}
	m.WriteString("\n")
}

// table is one group: medians with their range.
func (r *report) table(m *strings.Builder, dir, name, group string) {
	var rows []*outcome
	unit := ""
	var bars []bar
	wire, other, kernel, each := false, false, false, false
	for _, o := range r.Outcomes {
		if o.Group != group {
			continue
		}
		rows = append(rows, o)
		unit = o.Unit
		for _, s := range o.Samples {
			wire, other = wire || s.Offered > 0, other || s.Other > 0
			kernel, each = kernel || s.Kernel > 0, each || s.CPU > 0
		}
		if v := o.spread(rate); !math.IsNaN(v.Median) {
			bars = append(bars, bar{o.Name, v})
		}
	}
	fmt.Fprintf(m, "## %s%s\n\n", strings.ToUpper(group[:1]), group[1:])
	head, rule := []string{"", unit + "/s (range)"}, "|---|---|"
	add := func(on bool, h string) {
		if on {
			head, rule = append(head, h), rule+"---|"
		}
	}
	add(each, "CPU, ns each (range)")
	add(other, "broker or sink, ns each")
	add(wire, "offered/s")
	add(wire, "Gbit/s")
	add(wire, "lost")
	add(wire, "generator's core, ns a frame")
	add(kernel, "of it softirq")
	add(each, "waited for a core")
	add(true, "remarks")
	fmt.Fprintf(m, "| %s |\n%s\n", strings.Join(head, " | "), rule)
	for _, o := range rows {
		if len(o.Samples) == 0 {
			fmt.Fprintf(m, "| %s | not measured: %s |\n", o.Name, o.Missing)
			continue
		}
		v := o.spread(rate)
		cells := []string{o.Name, fmt.Sprintf("**%s** (%s–%s)", si(v.Median), si(v.Low), si(v.High))}
		cell := func(on bool, format string, args ...any) {
			if on {
				cells = append(cells, fmt.Sprintf(format, args...))
			}
		}
		med := func(f func(sample) float64) float64 { return o.spread(f).Median }
		cpu := o.spread(cpuOf)
		cell(each, "%.1f (%.1f–%.1f)", cpu.Median, cpu.Low, cpu.High)
		cell(other, "%.1f", med(func(s sample) float64 { return s.Other }))
		cell(wire, "%s", si(med(func(s sample) float64 { return float64(s.Offered) / s.Seconds })))
		cell(wire, "%.2f", med(func(s sample) float64 { return s.Rate() * s.Bytes * 8 / 1e9 }))
		cell(wire, "%s", o.losses())
		cell(wire, "%.0f", med(func(s sample) float64 { return s.Core }))
		cell(kernel, "%.0f", med(func(s sample) float64 { return s.Kernel }))
		cell(each, "%.1f %%", 100*med(delayOf))
		note := o.Note
		if n := o.repeated(); n > 0 {
			note = strings.TrimPrefix(fmt.Sprintf("%s; %d of %d trials repeated", note, n, len(o.Samples)), "; ")
		}
		fmt.Fprintf(m, "| %s |\n", strings.Join(append(cells, note), " | "))
	}
	m.WriteString("\n")
	if len(bars) > 1 {
		file := name + "-" + slug(group) + ".svg"
		if err := os.WriteFile(filepath.Join(dir, file), []byte(barChart(group, unit+"/s", bars)), 0o644); err == nil {
			fmt.Fprintf(m, "![%s](%s)\n\n", group, file)
		}
	}
}

func (o *outcome) repeated() (n int) {
	for _, s := range o.Samples {
		if s.Repeated {
			n++
		}
	}
	return n
}

// losses is the median loss, and in which rooms a twentieth of it or more was,
// with their shares.
func (o *outcome) losses() string {
	share := o.spread(lostOf).Median
	if share < 0.00005 {
		return "0"
	}
	sums, all := map[string]uint64{}, uint64(0)
	for _, s := range o.Samples {
		for where, n := range s.Lost {
			sums[where] += n
			all += n
		}
	}
	reasons := sortedKeys(sums)
	slices.SortStableFunc(reasons, func(a, b string) int { return cmp.Compare(sums[b], sums[a]) })
	var words []string
	for _, r := range reasons {
		if part := 100 * sums[r] / all; part >= 5 {
			words = append(words, fmt.Sprintf("%s %d %%", r, part))
		}
	}
	switch len(words) {
	case 0:
		return fmt.Sprintf("%.2f %%", 100*share)
	case 1:
		words[0] = reasons[0]
	}
	return fmt.Sprintf("%.2f %% (%s)", 100*share, strings.Join(words, ", "))
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func slug(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
}
