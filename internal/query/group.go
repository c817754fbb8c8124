package query

import (
	"fmt"
	"math/bits"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"xcapa/internal/record"
)

// Operation is what an Aggregate does with its field's values; nulls are left
// out.
type Operation uint8

const (
	Count Operation = iota // of rows; no field
	Sum
	Min
	Max
	Average
)

var operationNames = [...]string{"count", "sum", "min", "max", "avg"}

// Aggregate is one number asked for of each group.
type Aggregate struct {
	Operation Operation
	Field     *Field // nil for Count
}

// Name is the column's name in the answer, such as sum_frame_length.
func (a Aggregate) Name() string {
	if a.Field == nil {
		return operationNames[a.Operation]
	}
	return operationNames[a.Operation] + "_" + a.Field.Name
}

// Check says what is wrong with a.
func (a Aggregate) Check() error {
	switch {
	case a.Operation == Count:
	case (a.Operation == Sum || a.Operation == Average) && !a.Field.Summable():
		return fmt.Errorf("%s of %s: it is no number", operationNames[a.Operation], a.Field.Name)
	case !a.Field.Ordered():
		return fmt.Errorf("%s of %s: it is neither a number nor a time", operationNames[a.Operation], a.Field.Name)
	}
	return nil
}

// Grouping is a question about groups.
type Grouping struct {
	By         []*Field
	Bucket     time.Duration // above 0: by time, in steps of this, as the first key
	Aggregates []Aggregate
	MaxGroups  int // more is an error
}

// GroupBytes is about what a group costs in memory, for each of the workers
// and once more for their sum.
func (g *Grouping) GroupBytes() int {
	return 8*(g.keys()+1) + 4*2 + 8*(1+2*len(g.Aggregates))
}

// keys is how many words a key has.
func (g *Grouping) keys() int {
	if g.Bucket > 0 {
		return len(g.By) + 1
	}
	return len(g.By)
}

// TooManyGroupsError is a question whose answer does not fit the memory allowed.
type TooManyGroupsError struct{ Max int }

func (e *TooManyGroupsError) Error() string {
	return fmt.Sprintf("more than %d groups: ask for fewer packets (--where, --last) or fewer fields (--by), or allow more with --max-groups", e.Max)
}

// Groups answers a Grouping from tables that several workers look at.
type Groups struct {
	spec    *Grouping
	names   []names   // by field of By: the texts met so far
	workers []*worker // one each
}

// NewGroups begins an answer.
func NewGroups(spec *Grouping, workers int) *Groups {
	g := &Groups{spec: spec, names: make([]names, len(spec.By)), workers: make([]*worker, workers)}
	for i := range g.names {
		g.names[i].codes = map[string]uint64{}
	}
	for i := range g.workers {
		g.workers[i] = &worker{groups: g, hash: newHashTable(spec), rows: make([]uint32, 0, 1<<17)}
	}
	return g
}

// Add takes the rows of t whose mask is set (nil: all) into the worker's
// groups. After an error nothing of t was taken.
func (g *Groups) Add(worker int, t Table, mask []uint8) error {
	return g.workers[worker].add(t, mask)
}

// names gives the texts of a field numbers, the same ones to all workers.
type names struct {
	mu    sync.Mutex
	codes map[string]uint64
	texts []string
}

// number returns the numbers of texts. They may be views of a table's memory.
func (n *names) number(texts []string, out []uint64, limit int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, s := range texts {
		c, known := n.codes[s]
		if !known {
			if len(n.texts) >= limit {
				return &TooManyGroupsError{limit}
			}
			s = string([]byte(s))
			c = uint64(len(n.texts))
			n.texts = append(n.texts, s)
			n.codes[s] = c
		}
		out[i] = c
	}
	return nil
}

// worker is one goroutine's part of the groups, and its scratch memory.
type worker struct {
	groups *Groups
	hash   *hashTable
	rows   []uint32   // chosen rows of the table
	keys   [][]uint64 // by key, then by chosen row
	nulls  []uint64   // by chosen row: one bit a key
	group  []uint32   // by chosen row
}

func (w *worker) add(t Table, mask []uint8) error {
	w.choose(t.Rows(), mask)
	if len(w.rows) == 0 {
		return nil
	}
	// Every column is read before anything is counted.
	columns := make([]arrow.Array, len(w.groups.spec.Aggregates))
	for i, a := range w.groups.spec.Aggregates {
		if a.Field == nil {
			continue
		}
		var err error
		if columns[i], err = a.Field.column(t); err != nil {
			return err
		}
	}
	if err := w.readKeys(t); err != nil {
		return err
	}
	if err := w.findGroups(); err != nil {
		return err
	}
	for i, a := range w.groups.spec.Aggregates {
		if err := w.aggregate(i, a, columns[i]); err != nil {
			return err
		}
	}
	return nil
}

// choose lists the rows that the mask has.
func (w *worker) choose(rows int, mask []uint8) {
	w.rows = w.rows[:0]
	if cap(w.rows) < rows {
		w.rows = make([]uint32, 0, rows)
	}
	if mask == nil {
		for i := range rows {
			w.rows = append(w.rows, uint32(i))
		}
		return
	}
	out, n := w.rows[:rows], 0
	for i, m := range mask {
		out[n] = uint32(i)
		n += int(m)
	}
	w.rows = out[:n]
}

// readKeys makes a word of every key of every chosen row.
func (w *worker) readKeys(t Table) error {
	spec := w.groups.spec
	n := len(w.rows)
	w.nulls = grow(w.nulls, n)
	clear(w.nulls)
	for len(w.keys) < spec.keys() {
		w.keys = append(w.keys, nil)
	}
	at := 0
	if spec.Bucket > 0 {
		a, err := t.Column(record.NameNanos)
		if err != nil {
			return err
		}
		w.keys[at] = grow(w.keys[at], n)
		buckets(w.keys[at], raw[uint64](a), w.rows, int64(spec.Bucket))
		at++
	}
	for i, f := range spec.By {
		a, err := f.column(t)
		if err != nil {
			return err
		}
		w.keys[at] = grow(w.keys[at], n)
		if err := w.readKey(a, f, &w.groups.names[i], at); err != nil {
			return err
		}
		at++
	}
	return nil
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// buckets rounds times down to steps.
func buckets(out, times []uint64, rows []uint32, step int64) {
	for i, row := range rows {
		t := int64(times[row])
		r := t % step
		if r < 0 {
			r += step
		}
		out[i] = uint64(t - r)
	}
}

// readKey makes words of one key's column.
func (w *worker) readKey(a arrow.Array, f *Field, names *names, at int) error {
	out := w.keys[at]
	if a.NullN() > 0 {
		for i, row := range w.rows {
			w.nulls[i] |= uint64(bit(a.IsNull(int(row)))) << at
		}
	}
	switch width(a) {
	case 1:
		widen(out, raw[uint8](a), w.rows)
	case 2:
		widen(out, raw[uint16](a), w.rows)
		if f.signed {
			for i, v := range out {
				out[i] = uint64(int64(int16(v)))
			}
		}
	case 4:
		widen(out, raw[uint32](a), w.rows)
	case 8:
		widen(out, raw[uint64](a), w.rows)
		if f.kind == kindMillis {
			for i, v := range out {
				out[i] = uint64(floorMillis(int64(v)))
			}
		}
	default:
		return w.readTextKey(a, f, names, at)
	}
	if a.NullN() > 0 {
		w.zeroNulls(at)
	}
	return nil
}

// zeroNulls makes all nulls of a key the same word.
func (w *worker) zeroNulls(at int) {
	for i, n := range w.nulls {
		if n>>at&1 != 0 {
			w.keys[at][i] = 0
		}
	}
}

func widen[T uint8 | uint16 | uint32 | uint64](out []uint64, values []T, rows []uint32) {
	for i, row := range rows {
		out[i] = uint64(values[row])
	}
}

// readTextKey makes words of a text column: each text's number. Of a
// dictionary only the entries that chosen rows have are numbered.
func (w *worker) readTextKey(a arrow.Array, f *Field, names *names, at int) error {
	out := w.keys[at]
	d, ok := a.(*array.Dictionary)
	if !ok {
		text := textOf(a)
		if text == nil {
			return typeError(f, a)
		}
		texts := make([]string, len(w.rows))
		for i, row := range w.rows {
			if w.nulls[i]>>at&1 == 0 {
				texts[i] = text(int(row))
			}
		}
		if err := names.number(texts, out, w.groups.spec.MaxGroups); err != nil {
			return err
		}
		w.zeroNulls(at)
		return nil
	}
	places := codes(d)
	entry := textOf(d.Dictionary())
	size := d.Dictionary().Len()
	used := make([]uint64, size)
	for i, row := range w.rows {
		if c := places[row]; w.nulls[i]>>at&1 == 0 && int(c) < size {
			used[c] = 1
		}
	}
	var which []int
	var texts []string
	for c, u := range used {
		if u != 0 {
			which, texts = append(which, c), append(texts, entry(c))
		}
	}
	numbers := make([]uint64, len(texts))
	if err := names.number(texts, numbers, w.groups.spec.MaxGroups); err != nil {
		return err
	}
	for i, c := range which {
		used[c] = numbers[i]
	}
	for i, row := range w.rows {
		out[i] = 0
		if c := places[row]; int(c) < size && w.nulls[i]>>at&1 == 0 {
			out[i] = used[c]
		}
	}
	return nil
}

// findGroups says for each chosen row which group it is in, and counts it.
func (w *worker) findGroups() error {
	w.group = grow(w.group, len(w.rows))
	h := w.hash
	if h.words == 1 { // no keys: one group
		g, err := h.find([]uint64{0})
		if err != nil {
			return err
		}
		h.counts[g] += uint64(len(w.rows))
		for i := range w.group {
			w.group[i] = g
		}
		return nil
	}
	// A first round finds all groups, so that too many of them is an error
	// before anything was counted.
	key := make([]uint64, h.words)
	for i := range w.rows {
		for k := range h.words - 1 {
			key[k] = w.keys[k][i]
		}
		key[h.words-1] = w.nulls[i]
		g, err := h.find(key)
		if err != nil {
			return err
		}
		w.group[i] = g
	}
	for _, g := range w.group {
		h.counts[g]++
	}
	return nil
}

// aggregate updates one number of each group.
func (w *worker) aggregate(i int, a Aggregate, column arrow.Array) error {
	if a.Operation == Count {
		return nil // counted with the groups
	}
	s := &w.hash.states[i]
	switch width(column) {
	case 1:
		return update(w, s, a, column, raw[uint8](column))
	case 2:
		return update(w, s, a, column, raw[uint16](column))
	case 4:
		return update(w, s, a, column, raw[uint32](column))
	case 8:
		return update(w, s, a, column, raw[uint64](column))
	}
	return typeError(a.Field, column)
}

// state holds one aggregate of all groups: the number of values and their sum,
// smallest or largest as a key of spans.
type state struct {
	counts []uint64
	values []uint64
	high   []uint64 // Sum and Average: the sum's upper half
}

func update[T uint8 | uint16 | uint32 | uint64](w *worker, s *state, a Aggregate, column arrow.Array, values []T) error {
	nulls := column.NullN() > 0
	signed, narrow := a.Field.signedBits(), 64-column.DataType().(arrow.FixedWidthDataType).BitWidth()
	for i, row := range w.rows {
		if nulls && column.IsNull(int(row)) {
			continue
		}
		g, v := w.group[i], uint64(values[row])
		if signed {
			v = uint64(int64(v<<narrow) >> narrow)
		}
		s.counts[g]++
		switch a.Operation {
		case Sum, Average:
			sum, carry := bits.Add64(s.values[g], v, 0)
			s.values[g] = sum
			s.high[g] += carry
			if signed {
				s.high[g] += uint64(int64(v) >> 63) // sign extended
			}
		default:
			if signed {
				v ^= signBit
			}
			if first := s.counts[g] == 1; first || (a.Operation == Min) == (v < s.values[g]) {
				s.values[g] = v
			}
		}
	}
	return nil
}
