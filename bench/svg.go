package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// bar is one row of a bar chart.
type bar struct {
	name string
	v    spread
}

const (
	chartWidth = 760
	labelWidth = 250
	rowHeight  = 24
	style      = `<style>text{font:12px sans-serif;fill:#444}.t{font-weight:bold}.o{fill:#2b6cb0}.p{fill:#a0aec0}.r{stroke:#333;stroke-width:1}.g{stroke:#ddd;stroke-width:1}</style>`
)

// barChart draws medians as bars and ranges as whiskers; ours in colour.
func barChart(title, unit string, bars []bar) string {
	most := 0.0
	for _, b := range bars {
		most = max(most, b.v.High)
	}
	if most == 0 {
		most = 1
	}
	scale := (chartWidth - labelWidth - 90) / most
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img" aria-label="%s">%s<rect width="100%%" height="100%%" fill="#fff"/>`,
		chartWidth, 40+rowHeight*len(bars), html.EscapeString(title), style)
	fmt.Fprintf(&s, `<text class="t" x="10" y="20">%s, %s</text>`, html.EscapeString(title), html.EscapeString(unit))
	for i, b := range bars {
		y := 34 + float64(i*rowHeight)
		class := "p"
		if strings.HasPrefix(b.name, "xcapa") {
			class = "o"
		}
		fmt.Fprintf(&s, `<text x="%d" y="%.0f" text-anchor="end">%s</text>`, labelWidth-8, y+14, html.EscapeString(b.name))
		fmt.Fprintf(&s, `<rect class="%s" x="%d" y="%.0f" width="%.1f" height="%d"/>`, class, labelWidth, y+2, b.v.Median*scale, rowHeight-8)
		fmt.Fprintf(&s, `<line class="r" x1="%.1f" x2="%.1f" y1="%.0f" y2="%.0f"/>`, labelWidth+b.v.Low*scale, labelWidth+b.v.High*scale, y+10, y+10)
		fmt.Fprintf(&s, `<text x="%.1f" y="%.0f">%s</text>`, labelWidth+b.v.High*scale+6, y+14, si(b.v.Median))
	}
	return s.String() + "</svg>\n"
}

// curve is some series over one axis.
type curve struct {
	Title  string   `json:"title"`
	Note   string   `json:"note,omitempty"` // what a reader must know
	X      string   `json:"x"`
	Y      string   `json:"y"`
	LogX   bool     `json:"log_x,omitempty"`
	LogY   bool     `json:"log_y,omitempty"`
	Series []series `json:"series"`
}

type series struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
	Dashed bool         `json:"dashed,omitempty"` // a model: in the colour of the series before it, without points
}

var lineColours = []string{"#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#97266d", "#4a5568"}

// lineChart draws a curve.
func lineChart(c curve) string {
	const width, height, left, top, right, bottom = chartWidth, 340, 70, 36, 170, 44
	x, y := newAxis(c, 0, c.LogX), newAxis(c, 1, c.LogY)
	px := func(v float64) float64 { return left + x.at(v)*(width-left-right) }
	py := func(v float64) float64 { return height - bottom - y.at(v)*(height-top-bottom) }
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img" aria-label="%s">%s<rect width="100%%" height="100%%" fill="#fff"/>`,
		width, height, html.EscapeString(c.Title), style)
	fmt.Fprintf(&s, `<text class="t" x="10" y="20">%s</text>`, html.EscapeString(c.Title))
	for _, v := range x.ticks() {
		fmt.Fprintf(&s, `<line class="g" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`, px(v), px(v), top, height-bottom, px(v), height-bottom+16, tick(v))
	}
	for _, v := range y.ticks() {
		fmt.Fprintf(&s, `<line class="g" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, width-right, py(v), py(v), left-6, py(v)+4, tick(v))
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+width-right)/2, height-8, html.EscapeString(c.X))
	fmt.Fprintf(&s, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`, (top+height-bottom)/2, html.EscapeString(c.Y))
	solid := -1
	for i, line := range c.Series {
		dashes := ` stroke-dasharray="5 4"`
		if !line.Dashed {
			dashes = ""
			solid++
		}
		colour := lineColours[max(solid, 0)%len(lineColours)]
		var points []string
		for _, p := range line.Points {
			points = append(points, fmt.Sprintf("%.1f,%.1f", px(p[0]), py(p[1])))
			if line.Dashed {
				continue
			}
			fmt.Fprintf(&s, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, px(p[0]), py(p[1]), colour)
		}
		fmt.Fprintf(&s, `<polyline fill="none" stroke="%s" stroke-width="2"%s points="%s"/>`, colour, dashes, strings.Join(points, " "))
		fmt.Fprintf(&s, `<text x="%d" y="%d" style="fill:%s">%s</text>`, width-right+10, top+14+i*18, colour, html.EscapeString(line.Name))
	}
	return s.String() + "</svg>\n"
}

// axis maps values to 0..1.
type axis struct {
	low, high float64
	log       bool
}

func newAxis(c curve, which int, log bool) axis {
	a := axis{math.Inf(1), math.Inf(-1), log}
	for _, s := range c.Series {
		for _, p := range s.Points {
			if log && p[which] <= 0 {
				continue
			}
			a.low, a.high = min(a.low, p[which]), max(a.high, p[which])
		}
	}
	if !log {
		a.low = min(a.low, 0)
	}
	if !(a.high > a.low) {
		a.high = a.low + 1
	}
	return a
}

func (a axis) at(v float64) float64 {
	if a.log {
		v = max(v, a.low)
		return math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	return (v - a.low) / (a.high - a.low)
}

func (a axis) ticks() []float64 {
	var t []float64
	if a.log {
		for v := math.Pow(10, math.Ceil(math.Log10(a.low))); v <= a.high*1.001; v *= 10 {
			t = append(t, v)
		}
		return t
	}
	step := math.Pow(10, math.Floor(math.Log10((a.high-a.low)/2)))
	for (a.high-a.low)/step > 8 {
		step *= 2
	}
	for v := math.Ceil(a.low/step) * step; v <= a.high*1.001; v += step {
		t = append(t, v)
	}
	return t
}

func tick(v float64) string {
	switch {
	case math.Abs(v) >= 1e6:
		return fmt.Sprintf("%.4gM", v/1e6)
	case math.Abs(v) >= 1e3:
		return fmt.Sprintf("%.4gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
