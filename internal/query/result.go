package query

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"xcapa/internal/record"
)

// Result is the groups of an answer, in order: by bucket if there is one, then
// the largest first aggregate first, then by key.
type Result struct {
	spec  *Grouping
	names []names
	hash  *hashTable
	order []uint32
	Found int // groups before Top
}

// Result adds up what the workers counted. top above 0 keeps that many groups
// (with buckets: of each).
func (g *Groups) Result(top int) (*Result, error) {
	sum := g.workers[0].hash
	for _, w := range g.workers[1:] {
		if err := sum.merge(w.hash); err != nil {
			return nil, err
		}
		w.hash = nil
	}
	if sum.words == 1 && sum.groups() == 0 { // no keys: one row, also of nothing
		if _, err := sum.find([]uint64{0}); err != nil {
			return nil, err
		}
	}
	r := &Result{spec: g.spec, names: g.names, hash: sum, Found: sum.groups()}
	r.order = make([]uint32, sum.groups())
	for i := range r.order {
		r.order[i] = uint32(i)
	}
	slices.SortFunc(r.order, r.compare)
	if top > 0 {
		r.keepTop(top)
	}
	return r, nil
}

// keepTop cuts to the first groups, of each bucket if there are buckets.
func (r *Result) keepTop(top int) {
	if r.spec.Bucket <= 0 {
		r.order = r.order[:min(top, len(r.order))]
		return
	}
	kept, in := r.order[:0], 0
	last := uint64(0)
	for i, g := range r.order {
		bucket := r.hash.keys[int(g)*r.hash.words]
		if i == 0 || bucket != last {
			last, in = bucket, 0
		}
		if in++; in <= top {
			kept = append(kept, g)
		}
	}
	r.order = kept
}

// compare orders groups.
func (r *Result) compare(a, b uint32) int {
	h := r.hash
	ka, kb := h.keys[int(a)*h.words:][:h.words], h.keys[int(b)*h.words:][:h.words]
	at := 0
	if r.spec.Bucket > 0 {
		if c := cmp.Compare(int64(ka[0]), int64(kb[0])); c != 0 {
			return c
		}
		at = 1
	}
	if c := r.compareValue(b, a); c != 0 {
		return c
	}
	for i, f := range r.spec.By {
		na, nb := ka[h.words-1]>>(at+i)&1, kb[h.words-1]>>(at+i)&1
		if c := cmp.Compare(na, nb); c != 0 { // nulls last
			return c
		}
		if na == 1 {
			continue
		}
		if c := r.compareKey(f, i, ka[at+i], kb[at+i]); c != 0 {
			return c
		}
	}
	return 0
}

func (r *Result) compareKey(f *Field, i int, a, b uint64) int {
	switch {
	case !f.words():
		return strings.Compare(r.names[i].texts[a], r.names[i].texts[b])
	case f.signedBits():
		return cmp.Compare(int64(a), int64(b))
	}
	return cmp.Compare(a, b)
}

// words reports whether the field's values are numbers or times and not text.
func (f *Field) words() bool {
	return f.kind == kindNumber || f.kind == kindTime || f.kind == kindMillis
}

// compareValue compares the first aggregate; a group without one comes last.
func (r *Result) compareValue(a, b uint32) int {
	first := r.spec.Aggregates[0]
	s := &r.hash.states[0]
	if first.Operation == Count {
		return cmp.Compare(r.hash.counts[a], r.hash.counts[b])
	}
	if s.counts[a] == 0 || s.counts[b] == 0 {
		return cmp.Compare(min(s.counts[a], 1), min(s.counts[b], 1))
	}
	signed := first.Field.signedBits()
	switch first.Operation {
	case Sum:
		if signed {
			return cmp.Or(cmp.Compare(int64(s.high[a]), int64(s.high[b])), cmp.Compare(s.values[a], s.values[b]))
		}
		return cmp.Or(cmp.Compare(s.high[a], s.high[b]), cmp.Compare(s.values[a], s.values[b]))
	case Average:
		return cmp.Compare(sumFloat(s.high[a], s.values[a], signed)/float64(s.counts[a]),
			sumFloat(s.high[b], s.values[b], signed)/float64(s.counts[b]))
	}
	return cmp.Compare(s.values[a], s.values[b])
}

// Columns describes the columns of Row.
func (r *Result) Columns() (out []Column) {
	if r.spec.Bucket > 0 {
		out = append(out, Column{Name: record.NameTimestamp})
	}
	out = append(out, Columns(r.spec.By)...)
	for _, a := range r.spec.Aggregates {
		number := a.Field == nil || a.Field.number64()
		out = append(out, Column{a.Name(), number})
	}
	return out
}

// Len is the number of rows.
func (r *Result) Len() int { return len(r.order) }

// Row appends the cells of row i to cells, their text to a buffer that is used
// again by the next call: it returns both.
func (r *Result) Row(i int, cells []Cell, buf []byte, s *Style) ([]Cell, []byte) {
	g := r.order[i]
	h := r.hash
	key := h.keys[int(g)*h.words:][:h.words]
	nulls := key[h.words-1]
	add := func(null bool, value func() []byte) {
		if null {
			cells = append(cells, Cell{Null: true})
			return
		}
		from := len(buf)
		buf = value()
		cells = append(cells, Cell{Text: buf[from:len(buf):len(buf)]})
	}
	at := 0
	if r.spec.Bucket > 0 {
		add(false, func() []byte { return fields[record.NameTimestamp].appendWord(buf, key[0], s) })
		at = 1
	}
	for i, f := range r.spec.By {
		add(nulls>>(at+i)&1 != 0, func() []byte {
			if f.words() {
				return f.appendWord(buf, key[at+i], s)
			}
			return f.appendText(buf, r.names[i].texts[key[at+i]], s)
		})
	}
	for i, a := range r.spec.Aggregates {
		st := &h.states[i]
		add(a.Operation != Count && st.counts[g] == 0, func() []byte { return a.appendValue(buf, h, st, g, s) })
	}
	return cells, buf
}

func (a Aggregate) appendValue(dst []byte, h *hashTable, st *state, g uint32, s *Style) []byte {
	switch a.Operation {
	case Count:
		return strconv.AppendUint(dst, h.counts[g], 10)
	case Sum:
		return appendSum(dst, st.high[g], st.values[g], a.Field.signedBits())
	case Average:
		mean := sumFloat(st.high[g], st.values[g], a.Field.signedBits()) / float64(st.counts[g])
		return strconv.AppendFloat(dst, mean, 'f', 3, 64)
	}
	v := keyBits(st.values[g], a.Field.signedBits())
	if a.Field.kind == kindMillis {
		v = uint64(floorMillis(int64(v)))
	}
	return a.Field.appendWord(dst, v, s)
}
