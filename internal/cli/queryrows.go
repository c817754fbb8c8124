package cli

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"

	"xcapa/internal/query"
	"xcapa/internal/store"
)

// rows answers with packets, in order of time.
func (q *question) rows(ctx context.Context, s *streams, d *store.Dataset) (*store.Report, error) {
	out, err := newAnswer(s.out, q.options.output, query.Columns(q.fields))
	if err != nil {
		return &store.Report{}, err
	}
	m := &merger{out: out, limit: q.cut(q.options.limit)}
	masks := make([][]uint8, q.workers)
	report, err := d.Groups(ctx, q.store, q.workers, func(worker int, g *store.Group) error {
		mask, n, err := q.chosen(g, masks[worker])
		if mask != nil {
			masks[worker] = mask
		}
		if err != nil || n == 0 {
			return err
		}
		part, err := q.part(g, mask, n, m.limit)
		if err != nil {
			return err
		}
		return m.add(part, g)
	})
	if err == nil {
		err = m.flush()
	}
	if errors.Is(err, errEnough) {
		err = nil
		if q.options.limit < 0 {
			fmt.Fprintf(s.err, "xcapa: the first %d packets, there are more; --limit 0 shows all\n", m.limit)
		}
	}
	if err != nil {
		return report, err
	}
	return report, out.end()
}

// part is the chosen rows of one row group, in order of time, and the lines of
// the next few of them.
type part struct {
	question *question
	vectors  []*query.Vector
	times    []int64 // packet time by row of the row group, ns since 1970
	rows     []int32 // chosen rows
	next     int     // of rows: the one to be written next

	first int // of rows: the first one in text
	text  []byte
	ends  []int // where each line ends in text
	cells []query.Cell
	buf   []byte
}

// partLines is how many lines are made at a time: those of a whole row group
// would take 200 MB.
const partLines = 1024

// part takes the chosen rows: the first limit+1 of them, if limit is above 0,
// for no more can be shown.
func (q *question) part(g *store.Group, mask []uint8, n, limit int) (*part, error) {
	if limit > 0 {
		n = min(n, limit+1)
	}
	times, err := query.Times(g)
	if err != nil {
		return nil, err
	}
	p := &part{question: q, times: times, rows: make([]int32, 0, n), vectors: make([]*query.Vector, len(q.fields)), cells: make([]query.Cell, len(q.fields))}
	for i, f := range q.fields {
		if p.vectors[i], err = f.Vector(g); err != nil {
			return nil, err
		}
	}
	for row := int32(0); len(p.rows) < n; row++ {
		if mask == nil || mask[row] != 0 {
			p.rows = append(p.rows, row)
		}
	}
	return p, nil
}

// time is the packet time of the next row.
func (p *part) time() int64 { return p.times[p.rows[p.next]] }

// line is the next row's; it is valid until the next call.
func (p *part) line(out answer) []byte {
	if p.next == p.first+len(p.ends) {
		p.format(out)
	}
	i, from := p.next-p.first, 0
	if i > 0 {
		from = p.ends[i-1]
	}
	return p.text[from:p.ends[i]]
}

// format makes the lines of the next rows.
func (p *part) format(out answer) {
	p.first, p.text, p.ends = p.next, p.text[:0], p.ends[:0]
	for _, row := range p.rows[p.next:min(p.next+partLines, len(p.rows))] {
		p.buf = p.buf[:0]
		for i, v := range p.vectors {
			from := len(p.buf)
			p.buf, p.cells[i].Null = v.Append(p.buf, int(row), &p.question.style)
			p.cells[i].Text = p.buf[from:len(p.buf):len(p.buf)]
		}
		p.text = out.line(p.text, p.cells)
		p.ends = append(p.ends, len(p.text))
	}
}

// merger writes the lines of many row groups in order of time, as soon as no
// earlier one can come.
type merger struct {
	mu      sync.Mutex
	out     answer
	limit   int // lines at most, 0: all
	written int
	parts   partHeap
}

// add takes a part and writes what can be written.
func (m *merger) add(p *part, g *store.Group) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	heap.Push(&m.parts, p)
	frontier := g.Frontier()
	for len(m.parts) > 0 && m.parts[0].time() < frontier {
		if err := m.write(); err != nil {
			return err
		}
	}
	return nil
}

// flush writes what is left.
func (m *merger) flush() error {
	for len(m.parts) > 0 {
		if err := m.write(); err != nil {
			return err
		}
	}
	return nil
}

// write writes the earliest line.
func (m *merger) write() error {
	if m.limit > 0 && m.written == m.limit {
		return errEnough
	}
	p := m.parts[0]
	if err := m.out.write(p.line(m.out)); err != nil {
		return err
	}
	m.written++
	if p.next++; p.next == len(p.rows) {
		heap.Pop(&m.parts)
	} else {
		heap.Fix(&m.parts, 0)
	}
	return nil
}

// partHeap has the part with the earliest next line first.
type partHeap []*part

func (h partHeap) Len() int           { return len(h) }
func (h partHeap) Less(i, j int) bool { return h[i].time() < h[j].time() }
func (h partHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *partHeap) Push(x any)        { *h = append(*h, x.(*part)) }
func (h *partHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	*h = old[:len(old)-1]
	return p
}
