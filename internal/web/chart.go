package web

import (
	"fmt"
	"strings"
	"time"

	"xcapa/internal/status"
)

// The drawing area of a chart; it is stretched to the width there is.
const (
	chartWidth  = 600
	chartHeight = 100
)

// chart is one series as a line, and its figures in words.
type chart struct {
	Title, Unit          string
	Latest, Mean, Most   string // Mean is over the whole run
	Line, Area           string // SVG paths
	From                 string // how long ago the left edge is
	Empty                bool
	ID, Description, Box string
}

// charts are the four series of the Spark page: input rate, scheduling delay,
// processing time, total delay. A stage that reads nothing from Kafka has only
// the first.
func charts(st *status.Status, points []status.Point) []chart {
	rate := func(v float64) string { return fmt.Sprintf("%s/s", short(v)) }
	list := []chart{draw("Input rate", rate, meanRate(st), points, func(p *status.Point) (float64, bool) { return p.Rate, true })}
	if !st.Consumes() {
		return list
	}
	seconds := func(v float64) string { return delay(status.Duration(v * float64(time.Second))) }
	n := float64(max(st.Totals.Batches, 1))
	sched, proc := st.Totals.Scheduling.Seconds()/n, st.Totals.Processing.Seconds()/n
	return append(list,
		draw("Scheduling delay", seconds, sched, points, func(p *status.Point) (float64, bool) { return p.Scheduling.Seconds(), p.Batches > 0 }),
		draw("Processing time", seconds, proc, points, func(p *status.Point) (float64, bool) { return p.Processing.Seconds(), p.Batches > 0 }),
		draw("Total delay", seconds, sched+proc, points, func(p *status.Point) (float64, bool) { return p.Total().Seconds(), p.Batches > 0 }))
}

// meanRate is packets a second since the start.
func meanRate(st *status.Status) float64 {
	if st.Ledger == nil {
		return 0
	}
	if s := st.Ledger.Time.Sub(st.Started).Seconds(); s > 0 {
		return float64(st.Input()) / s
	}
	return 0
}

// draw makes the paths of one series. value says false where there is none at
// that point: the line goes on to the next one there is.
func draw(title string, words func(float64) string, mean float64, points []status.Point, value func(*status.Point) (float64, bool)) chart {
	c := chart{Title: title, Mean: words(mean), Latest: "–", Most: "–", Empty: true, Box: fmt.Sprintf("0 0 %d %d", chartWidth, chartHeight)}
	var most float64
	for i := range points {
		if v, ok := value(&points[i]); ok {
			most = max(most, v)
			c.Latest, c.Empty = words(v), false
		}
	}
	if c.Empty {
		c.Description = title + ": no values yet"
		return c
	}
	c.Most = words(most)
	first, last := points[0].Time, points[len(points)-1].Time
	c.From = span(last.Sub(first))
	c.Line, c.Area = paths(points, value, first, max(last.Sub(first), time.Second), max(most, 1e-9))
	c.Description = fmt.Sprintf("%s over the last %s: latest %s, highest %s, average since the start %s", title, c.From, c.Latest, c.Most, c.Mean)
	return c
}

// paths are the line through the points and the area below it.
func paths(points []status.Point, value func(*status.Point) (float64, bool), from time.Time, width time.Duration, most float64) (line, area string) {
	var l, a strings.Builder
	open := false
	var lastX float64
	for i := range points {
		v, ok := value(&points[i])
		if !ok {
			continue // a second without a batch
		}
		x := chartWidth * points[i].Time.Sub(from).Seconds() / width.Seconds()
		y := chartHeight - v/most*(chartHeight-4) - 1
		if !open {
			fmt.Fprintf(&l, "M%.1f %.1f", x, y)
			fmt.Fprintf(&a, "M%.1f %dL%.1f %.1f", x, chartHeight, x, y)
			open = true
		}
		fmt.Fprintf(&l, "L%.1f %.1f", x, y)
		fmt.Fprintf(&a, "L%.1f %.1f", x, y)
		lastX = x
	}
	fmt.Fprintf(&a, "L%.1f %dZ", lastX, chartHeight)
	return l.String(), a.String()
}

// short writes a number for people with three digits and k, M or G.
func short(v float64) string {
	for _, u := range []struct {
		size   float64
		suffix string
	}{{1e9, " G"}, {1e6, " M"}, {1e4, " k"}} {
		if v >= u.size {
			size := u.size
			if u.suffix == " k" {
				size = 1e3
			}
			return fmt.Sprintf("%.3g%s", v/size, u.suffix)
		}
	}
	if v >= 100 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
