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
