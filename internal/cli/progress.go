package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// progress is a bar on a terminal for a command that knows how far it has come.
type progress struct {
	out   io.Writer
	done  func() (part float64, known bool) // 0 to 1
	words func() string                     // what stands behind the bar
	start time.Time
	width int // of the line shown, to wipe it
}

const (
	progressEvery = 200 * time.Millisecond
	progressCells = 24
)

// run shows the bar until ctx ends, then takes it away.
func (p *progress) run(ctx context.Context) {
	p.start = time.Now()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.show("")
			fmt.Fprint(p.out, "\r")
			return
		case <-tick.C:
			p.show(p.line(time.Since(p.start)))
		}
	}
}

// line is the bar after so much time.
func (p *progress) line(elapsed time.Duration) string {
	part, known := p.done()
	if !known {
		return fmt.Sprintf("%s  %s", p.words(), clockTime(elapsed))
	}
	full := int(part * progressCells)
	bar := strings.Repeat("#", full) + strings.Repeat("-", progressCells-full)
	left := "--:--"
	if part > 0 {
		left = clockTime(time.Duration(float64(elapsed) * (1 - part) / part))
	}
	return fmt.Sprintf("[%s] %3.0f%%  %s  ETA %s", bar, part*100, p.words(), left)
}

// show writes a line over the one before.
func (p *progress) show(line string) {
	fmt.Fprintf(p.out, "\r%-*s", p.width, line)
	p.width = len(line)
}

// clockTime is d as minutes and seconds, or hours, minutes and seconds.
func clockTime(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}
