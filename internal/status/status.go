package status

import (
	"time"

	"xcapa/internal/ledger"
)

// Status is one stage at one instant.
type Status struct {
	Stage    string         `json:"stage"`   // name among the stages of a run: capture, index, ...
	Command  string         `json:"command"` // the command it runs
	Version  string         `json:"version"`
	PID      int            `json:"pid"`
	Started  time.Time      `json:"started"`
	Time     time.Time      `json:"time"`
	Trouble  string         `json:"trouble,omitempty"` // why a destination cannot be used now
	Ledger   *ledger.Ledger `json:"ledger"`            // nil: not ready yet
	Totals   Totals         `json:"totals"`
	Batches  []Batch        `json:"batches"`        // oldest first
	Interval Duration       `json:"batch_interval"` // what one row of Batches spans; 0: one cycle
	Lag      []Lag          `json:"lag"`
	LagError string         `json:"lag_error,omitempty"`
	Problems []Problem      `json:"problems"` // latest last
	// ProblemCount counts all of them, also those no longer listed.
	ProblemCount uint64   `json:"problem_count"`
	Options      []Option `json:"options"`
	Process      Process  `json:"process"`
	EndedWith    string   `json:"ended_with,omitempty"` // the process is gone: how it ended
}

// Input is the number of packets that the stage has taken in: the sum over the
// rooms through which packets enter it.
func (s *Status) Input() uint64 {
	if s.Ledger == nil {
		return 0
	}
	var n uint64
	for i := range s.Ledger.Rooms {
		switch s.Ledger.Rooms[i].Room {
		case "xdp", "socket", "file", "fetch":
			n += s.Ledger.Rooms[i].In
		}
	}
	return n
}

// Totals sum all batches since the start.
type Totals struct {
	Batches    uint64   `json:"batches"`
	Messages   uint64   `json:"messages"`
	Packets    uint64   `json:"packets"`
	Scheduling Duration `json:"scheduling_delay"`
	Processing Duration `json:"processing_time"`
}

// Batch is one fetch-to-commit cycle of one partition, or with an interval all
// cycles that began in it: sums, and the mean of the times over the cycles.
type Batch struct {
	Fetched    time.Time `json:"fetched"`             // of an interval: its begin
	Topic      string    `json:"topic"`               // of an interval: "" when there are several
	Partition  int32     `json:"partition"`           // of an interval: -1 when there are several
	Cycles     int       `json:"cycles"`              // 1 without an interval
	Messages   int       `json:"messages"`            // taken from Kafka
	Packets    int64     `json:"packets"`             // in them
	Scheduling Duration  `json:"scheduling_delay"`    // Kafka timestamp to fetch
	Processing Duration  `json:"processing_time"`     // fetch to last acknowledgement
	Longest    Duration  `json:"longest_total_delay"` // the slowest cycle's
}

// Total is scheduling delay and processing time together.
func (b *Batch) Total() Duration { return b.Scheduling + b.Processing }

// Lag is how far the consumer group is behind in one partition.
type Lag struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	End       int64  `json:"end"`       // next offset to be written
	Committed int64  `json:"committed"` // next offset to be read; -1: none
	Lag       int64  `json:"lag"`       // messages
}

// Problem is one kind of trouble and how often it came.
type Problem struct {
	Text  string    `json:"text"`   // the same for all of the kind
	Last  string    `json:"detail"` // of the latest one
	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	Time  time.Time `json:"last"`
}

// Option is a flag in effect.
type Option struct {
	Name   string `json:"name"`
	Value  string `json:"value"`  // secrets masked
	Origin string `json:"origin"` // default, command line, environment NAME, file PLACE
}

// Process is what the stage's process costs.
type Process struct {
	CPU        Duration `json:"cpu"`            // user and system, since the start
	Resident   uint64   `json:"resident_bytes"` // 0: not known
	Goroutines int      `json:"goroutines"`
}

// Source returns the stages that a page shows, in the order in which packets
// pass them. It is called from any goroutine.
type Source func() []Status

// Changed is whether somebody gave the flag.
func (o Option) Changed() bool { return o.Origin != "default" }

// Duration is a time span that is a number of seconds in JSON.
type Duration time.Duration

// Seconds is d as a number.
func (d Duration) Seconds() float64 { return time.Duration(d).Seconds() }

// staleAfter is how old the last report of a stage that lives may be.
const staleAfter = 10 * time.Second

// Alive is whether the stage's process runs and reports.
func (s *Status) Alive(now time.Time) bool {
	return s.EndedWith == "" && now.Sub(s.Time) < staleAfter
}

// Ready is whether it is alive, has everything open and can use its
// destinations.
func (s *Status) Ready(now time.Time) bool {
	return s.Alive(now) && s.Ledger != nil && s.Trouble == ""
}

// Consumes is whether the stage reads from Kafka: it has batches and lag.
func (s *Status) Consumes() bool {
	if s.Ledger == nil {
		return false
	}
	for i := range s.Ledger.Rooms {
		if s.Ledger.Rooms[i].Room == "fetch" {
			return true
		}
	}
	return false
}
