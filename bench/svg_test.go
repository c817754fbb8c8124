package main

import (
	"encoding/xml"
	"strings"
	"testing"
)

// Plots are well-formed XML with a point for each value, also of one point.
func TestPlots(t *testing.T) {
	c := curve{Title: "a < b", X: "x", Y: "y", LogX: true, LogY: true, Series: []series{
		{Name: "one", Points: [][2]float64{{10, 1}, {1000, 0}, {1e6, 300}}}, {Name: "two", Points: [][2]float64{{10, 5}}}, {Name: "none"}}}
	for _, svg := range []string{lineChart(c), lineChart(curve{}), barChart("a & b", "packets/s", []bar{{"xcapa", spread{2, 1, 3}}, {"peer", spread{}}})} {
		if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%v in %s", err, svg)
		}
	}
	if n := strings.Count(lineChart(c), "<circle"); n != 4 {
		t.Errorf("%d points, want 4", n)
	}
}
