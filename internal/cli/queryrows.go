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
		part, err := q.lines(g, mask, n, out, m.limit)
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

// part is the chosen rows of one row group as lines, in order of time.
type part struct {
	text  []byte
	ends  []int   // where each line ends in text
	times []int64 // packet time of each, ns since 1970
	next  int
}

// lines makes lines of the chosen rows: of the first limit+1 of them, if limit
// is above 0, for no more can be shown.
func (q *question) lines(g *store.Group, mask []uint8, n int, out answer, limit int) (*part, error) {
	if limit > 0 {
		n = min(n, limit+1)
	}
	times, err := query.Times(g)
	if err != nil {
		return nil, err
	}
	vectors := make([]*query.Vector, len(q.fields))
	for i, f := range q.fields {
		if vectors[i], err = f.Vector(g); err != nil {
			return nil, err
		}
	}
	p := &part{ends: make([]int, 0, n), times: make([]int64, 0, n)}
	cells := make([]query.Cell, len(vectors))
	var buf []byte
	for row := 0; len(p.times) < n; row++ {
		if mask != nil && mask[row] == 0 {
			continue
		}
		buf = buf[:0]
		for i, v := range vectors {
			from := len(buf)
			buf, cells[i].Null = v.Append(buf, row, &q.style)
			cells[i].Text = buf[from:len(buf):len(buf)]
		}
		p.text = out.line(p.text, cells)
		p.ends = append(p.ends, len(p.text))
		p.times = append(p.times, times[row])
	}
	return p, nil
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
	for len(m.parts) > 0 && m.parts[0].times[m.parts[0].next] < frontier {
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
	from := 0
	if p.next > 0 {
		from = p.ends[p.next-1]
	}
	if err := m.out.write(p.text[from:p.ends[p.next]]); err != nil {
		return err
	}
	m.written++
	if p.next++; p.next == len(p.times) {
		heap.Pop(&m.parts)
	} else {
		heap.Fix(&m.parts, 0)
	}
	return nil
}

// partHeap has the part with the earliest next line first.
type partHeap []*part

func (h partHeap) Len() int           { return len(h) }
func (h partHeap) Less(i, j int) bool { return h[i].times[h[i].next] < h[j].times[h[j].next] }
func (h partHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *partHeap) Push(x any)        { *h = append(*h, x.(*part)) }
func (h *partHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	*h = old[:len(old)-1]
	return p
}
