package status

import (
	"sync"
	"time"
)

// HistoryPoints is how many samples of a stage are kept: at one a second, a
// quarter of an hour.
const HistoryPoints = 900

// Point is one sample of a stage. Times are means over the batches that ended
// between this sample and the one before; with Batches 0 there are none.
type Point struct {
	Time       time.Time `json:"time"`
	Rate       float64   `json:"packets_per_second"`
	Batches    uint64    `json:"batches"`
	Scheduling Duration  `json:"scheduling_delay"`
	Processing Duration  `json:"processing_time"`
}

// Total is scheduling delay and processing time together.
func (p *Point) Total() Duration { return p.Scheduling + p.Processing }

// History keeps the series of all stages. Its methods may be called from any
// goroutine.
type History struct {
	mu     sync.Mutex
	stages map[string]*series
}

type series struct {
	last   Status
	points []Point // oldest first
}

// Add takes a sample of each stage.
func (h *History) Add(now []Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stages == nil {
		h.stages = map[string]*series{}
	}
	for i := range now {
		s := &now[i]
		if s.Ledger == nil {
			continue
		}
		if h.stages[s.Stage] == nil {
			h.stages[s.Stage] = &series{last: *s}
			continue
		}
		h.stages[s.Stage].add(s)
	}
}

// add appends what happened between the last sample and this one.
func (r *series) add(s *Status) {
	elapsed := s.Ledger.Time.Sub(r.last.Ledger.Time).Seconds()
	switch {
	case s.PID != r.last.PID, s.Input() < r.last.Input(): // started again: its counters too
		r.last = *s
		return
	case elapsed <= 0: // the stage has not reported since
		return
	}
	p := Point{Time: s.Ledger.Time, Rate: float64(s.Input()-r.last.Input()) / elapsed, Batches: s.Totals.Batches - r.last.Totals.Batches}
	if n := Duration(p.Batches); n > 0 {
		p.Scheduling = (s.Totals.Scheduling - r.last.Totals.Scheduling) / n
		p.Processing = (s.Totals.Processing - r.last.Totals.Processing) / n
	}
	r.last = *s
	if len(r.points) == HistoryPoints {
		copy(r.points, r.points[1:])
		r.points = r.points[:HistoryPoints-1]
	}
	r.points = append(r.points, p)
}

// Points are the samples of one stage, oldest first.
func (h *History) Points(stage string) []Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.stages[stage]; r != nil {
		return append([]Point(nil), r.points...)
	}
	return nil
}
