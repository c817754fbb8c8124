package store

import (
	"slices"
	"strings"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// messageBytes is what a message costs beside its rows: its settled function.
const messageBytes = 64

// originBytes is what a distinct origin costs, about.
const originBytes = 256

// window holds the rows of the messages of one partition until they become a
// file. Its memory is used again.
type window struct {
	first, last int64 // offsets of the first and the last message
	settled     []func()
	bytes       int64         // memory accounted for
	timer       *time.Timer   // closes the window when its time is over
	done        chan struct{} // closed when it is settled or given up

	columns []column
	present []packet.FieldSet // by row
	times   []int64           // by row: packet time, ns
	origin  []uint32          // by row: index into origins
	origins []record.Origin
	index   map[record.Origin]uint32
}

func newWindow() *window {
	w := &window{columns: make([]column, len(specs)), index: map[record.Origin]uint32{}}
	for i := range specs {
		w.columns[i] = specs[i].build()
	}
	return w
}

// rows is how many rows the window holds.
func (w *window) rows() int { return len(w.times) }

// append adds a message and its rows, copying all that it keeps, and returns
// by how much the window's memory grew.
func (w *window) append(m *message.Message, rows []codec.Row, settled func()) (grew int64) {
	if len(w.settled) == 0 {
		w.first = m.Offset
	}
	w.last = m.Offset
	w.settled = append(w.settled, settled)
	held := messageBytes + len(rows)*rowWidth
	for _, c := range w.columns {
		held += c.append(rows)
	}
	before := len(w.origins)
	for i := range rows {
		w.present = append(w.present, rows[i].Present)
		w.times = append(w.times, rows[i].TimestampNanos)
		w.origin = append(w.origin, w.originOf(rows[i].Origin))
	}
	held += (len(w.origins) - before) * originBytes
	w.bytes += int64(held)
	return int64(held)
}

// originOf returns the number of o among the window's origins. The rows of a
// block share one; those of JSON documents mostly do.
func (w *window) originOf(o *record.Origin) uint32 {
	if o == nil {
		o = &record.Origin{}
	}
	if n := len(w.origins); n > 0 && w.origins[n-1] == *o {
		return uint32(n - 1)
	}
	if i, known := w.index[*o]; known {
		return i
	}
	c := *o
	c.Host, c.Run, c.Interface, c.Source = strings.Clone(c.Host), strings.Clone(c.Run), strings.Clone(c.Interface), strings.Clone(c.Source)
	i := uint32(len(w.origins))
	w.origins, w.index[c] = append(w.origins, c), i
	return i
}

// reset forgets everything but the memory.
func (w *window) reset() {
	for _, c := range w.columns {
		c.reset()
	}
	clear(w.settled)
	w.settled, w.present, w.times, w.origin = w.settled[:0], w.present[:0], w.times[:0], w.origin[:0]
	clear(w.origins)
	clear(w.index)
	w.origins = w.origins[:0]
	w.bytes, w.timer, w.done = 0, nil, nil
}

// placed is a row's place in the order of time.
type placed struct {
	time int64
	row  int32
}

// byTime returns the rows' numbers in order of packet time, rows of the same
// time in the order they came in.
func (w *window) byTime() []int32 {
	out := make([]int32, len(w.times))
	if slices.IsSorted(w.times) {
		for i := range out {
			out[i] = int32(i)
		}
		return out
	}
	order := make([]placed, len(w.times))
	for i, t := range w.times {
		order[i] = placed{t, int32(i)}
	}
	slices.SortFunc(order, func(a, b placed) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return int(a.row) - int(b.row)
	})
	for i := range order {
		out[i] = order[i].row
	}
	return out
}

// part is what of a window goes into one file: rows of one hour, in order.
type part struct {
	hour hour
	rows []int32
}

// maxHours is into how many files the rows of one window are split at most.
const maxHours = 48

// parts splits the window's rows by hour of packet time. More than maxHours of
// them become one part without an hour.
func (w *window) parts() []part {
	rows := w.byTime()
	var out []part
	for start := 0; start < len(rows); {
		if len(out) == maxHours {
			return []part{{anyHour, rows}}
		}
		h := hourOf(w.times[rows[start]])
		end := start
		for end < len(rows) && hourOf(w.times[rows[end]]) == h {
			end++
		}
		out = append(out, part{h, rows[start:end]})
		start = end
	}
	return out
}

// hosts are the distinct capture hosts of the window.
func (w *window) hosts() []string {
	var out []string
	for i := range w.origins {
		if h := w.origins[i].Host; h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}
