package query

import (
	"fmt"
	"math/bits"
	"slices"
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
	groups  *Groups
	hash    *hashTable
	n       int      // chosen rows of the table
	rows    []uint32 // which ones; nil: all
	chosen  []uint32 // memory of rows
	keys    []key
	stages  [][]uint64 // by key: its combinations with the keys before it by number; none: they are places as they are
	words   []uint64   // by chosen row: a key that is no code, or a combination
	group   []uint32   // by chosen row: memory of its place
	values  []uint64   // by chosen row: what an aggregate takes
	there   []uint8    // by chosen row: 1 where there is a value
	taken   []uint32   // by chosen row: its code
	word    []uint64   // a key of the hash table
	numbers numbers

	// Each combination of keys that a table has is a place, counted for itself
	// and made a group at the end of the table.
	counts []uint64 // by place: rows
	places []state  // by aggregate, then by place
	found  []uint32 // groups of the places that have rows, in their order
}

// key is one key of the chosen rows. Its memory is used again.
type key struct {
	codes []uint32 // by chosen row: place in words, or its length: null
	words []uint64 // by code
	taken []uint32 // memory of codes
}

func (w *worker) add(t Table, mask []uint8) error {
	spec := w.groups.spec
	if spec.keys() == 0 && !slices.ContainsFunc(spec.Aggregates, func(a Aggregate) bool { return a.Field != nil }) {
		return w.addCount(t.Rows(), mask)
	}
	if w.choose(t.Rows(), mask); w.n == 0 {
		return nil
	}
	// Every column is read before anything is counted.
	columns := make([]arrow.Array, len(spec.Aggregates))
	for i, a := range spec.Aggregates {
		if a.Field == nil {
			continue
		}
		var err error
		if columns[i], err = a.Field.column(t); err != nil {
			return err
		}
		if width(columns[i]) == 0 {
			return typeError(a.Field, columns[i])
		}
	}
	if err := w.readKeys(t); err != nil {
		return err
	}
	return w.addPlaces(columns)
}

// addCount counts rows of the one group there is.
func (w *worker) addCount(rows int, mask []uint8) error {
	if mask != nil {
		rows = count(mask)
	}
	if rows == 0 {
		return nil
	}
	g, err := w.hash.find([]uint64{0})
	if err == nil {
		w.hash.counts[g] += uint64(rows)
	}
	return err
}

// choose lists the rows that the mask has.
func (w *worker) choose(rows int, mask []uint8) {
	w.n, w.rows = rows, nil
	if mask == nil {
		return
	}
	out, n := grow(w.chosen, rows), 0
	for i, m := range mask {
		out[n] = uint32(i)
		n += int(m)
	}
	w.chosen = out
	w.n, w.rows = n, out[:n]
}

// pickRows takes the chosen rows' values: into memory, unless all are chosen.
func pickRows[T any](memory *[]T, values []T, rows []uint32) []T {
	if rows == nil {
		return values
	}
	out := grow(*memory, len(rows))
	*memory = out
	for i, row := range rows {
		out[i] = values[row]
	}
	return out
}

// readKeys reads every key of the chosen rows.
func (w *worker) readKeys(t Table) error {
	spec := w.groups.spec
	for len(w.keys) < spec.keys() {
		w.keys = append(w.keys, key{})
	}
	at := 0
	if spec.Bucket > 0 {
		a, err := t.Column(record.NameNanos)
		if err != nil {
			return err
		}
		w.bucketKey(&w.keys[0], raw[uint64](a), int64(spec.Bucket))
		at++
	}
	for i, f := range spec.By {
		a, err := f.column(t)
		if err != nil {
			return err
		}
		k := &w.keys[at+i]
		if d, ok := a.(*array.Dictionary); ok {
			err = w.codedKey(k, d, f, &w.groups.names[i])
		} else {
			err = w.wordKey(k, a, f, &w.groups.names[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// bucketKey rounds times down to steps. Rows mostly are in order of time, so
// that one division serves many.
func (w *worker) bucketKey(k *key, times []uint64, step int64) {
	k.taken, k.words = grow(k.taken, w.n), k.words[:0]
	k.codes = k.taken
	from, code := uint64(0), ^uint32(0)
	for i := range k.codes {
		row := i
		if w.rows != nil {
			row = int(w.rows[i])
		}
		if t := times[row]; code == ^uint32(0) || t-from >= uint64(step) {
			r := int64(t) % step
			if r < 0 {
				r += step
			}
			from = t - uint64(r)
			k.words = append(k.words, from)
			code = uint32(len(k.words) - 1)
		}
		k.codes[i] = code
	}
}

// codedKey makes a word of every entry of a dictionary.
func (w *worker) codedKey(k *key, d *array.Dictionary, f *Field, names *names) error {
	k.codes = pickRows(&k.taken, codes(d), w.rows)
	entries := d.Dictionary()
	k.words = grow(k.words, entries.Len())
	return w.number(k, entries, f, names)
}

// number makes words of texts: each text's number. Only the entries that chosen
// rows have are numbered.
func (w *worker) number(k *key, entries arrow.Array, f *Field, names *names) error {
	entry := textOf(entries)
	if entry == nil {
		return typeError(f, entries)
	}
	used := make([]bool, entries.Len()+1)
	for _, c := range k.codes {
		used[c] = true
	}
	which, texts := make([]int, 0, len(used)), make([]string, 0, len(used))
	for c, u := range used[:entries.Len()] {
		if u {
			which, texts = append(which, c), append(texts, entry(c))
		}
	}
	numbers := make([]uint64, len(texts))
	if err := names.number(texts, numbers, w.groups.spec.MaxGroups); err != nil {
		return err
	}
	for i, c := range which {
		k.words[c] = numbers[i]
	}
	return nil
}

// wordKey makes a word of every chosen row, and codes of the words.
func (w *worker) wordKey(k *key, a arrow.Array, f *Field, names *names) error {
	w.words, w.there = grow(w.words, w.n), grow(w.there, w.n)
	presence(w.there, a, w.rows)
	if width(a) == 0 {
		text := textOf(a)
		if text == nil {
			return typeError(f, a)
		}
		texts := make([]string, w.n)
		for i := range texts {
			row := i
			if w.rows != nil {
				row = int(w.rows[i])
			}
			if w.there[i] != 0 {
				texts[i] = text(row)
			}
		}
		if err := names.number(texts, w.words, w.groups.spec.MaxGroups); err != nil {
			return err
		}
	} else {
		f.keyWords(w.words, a, w.rows)
	}
	k.taken = grow(k.taken, w.n)
	k.codes = k.taken
	k.words = append(k.words[:0], w.numbers.number(k.codes, w.words)...)
	if a.NullN() > 0 {
		for i, there := range w.there {
			if there == 0 {
				k.codes[i] = uint32(len(k.words))
			}
		}
	}
	return nil
}

// keyWords makes words of numbers or times, of the rows of a (nil: all).
func (f *Field) keyWords(out []uint64, a arrow.Array, rows []uint32) {
	f.extend(out, a, rows)
	if f.kind == kindMillis {
		for i, v := range out {
			out[i] = uint64(floorMillis(int64(v)))
		}
	}
}

// extend makes 64 bits of numbers, signed ones extended, of the rows of a (nil:
// all); those of nulls can be anything.
func (f *Field) extend(out []uint64, a arrow.Array, rows []uint32) {
	switch width(a) {
	case 1:
		widen(out, raw[uint8](a), rows)
	case 2:
		widen(out, raw[uint16](a), rows)
	case 4:
		widen(out, raw[uint32](a), rows)
	case 8:
		widen(out, raw[uint64](a), rows)
	}
	if narrow := 64 - 8*width(a); narrow > 0 && f.signed {
		for i, v := range out {
			out[i] = uint64(int64(v<<narrow) >> narrow)
		}
	}
}

func widen[T uint8 | uint16 | uint32 | uint64](out []uint64, values []T, rows []uint32) {
	if rows == nil {
		for i, v := range values[:len(out)] {
			out[i] = uint64(v)
		}
		return
	}
	for i, row := range rows {
		out[i] = uint64(values[row])
	}
}

// addPlaces counts by place and makes groups of the places.
func (w *worker) addPlaces(columns []arrow.Array) error {
	spec := w.groups.spec
	places, n := w.findPlaces()
	w.counts = grow(w.counts, n)
	clear(w.counts)
	for _, p := range places {
		w.counts[p]++
	}
	// Too many groups are an error before anything is taken.
	w.found = w.found[:0]
	w.word = grow(w.word, w.hash.words)
	for p, rows := range w.counts {
		if rows == 0 {
			continue
		}
		w.keyOfPlace(p)
		g, err := w.hash.find(w.word)
		if err != nil {
			return err
		}
		w.found = append(w.found, g)
	}
	for len(w.places) < len(spec.Aggregates) {
		w.places = append(w.places, state{})
	}
	for i, a := range spec.Aggregates {
		if a.Operation == Count {
			continue
		}
		s := &w.places[i]
		s.counts, s.values, s.high = grow(s.counts, n), grow(s.values, n), grow(s.high, n)
		clear(s.counts)
		clear(s.values)
		clear(s.high)
		there := w.read(a.Field, columns[i])
		if narrow := !a.Field.signedBits() && a.Field.bits <= 32; there == nil && narrow && (a.Operation == Sum || a.Operation == Average) {
			copy(s.counts, w.counts) // and the sum of a table has 64 bits
			for i, v := range w.values[:len(places)] {
				s.values[places[i]] += v
			}
			continue
		}
		w.aggregate(s, a, places, there)
	}
	at := 0
	for p, rows := range w.counts {
		if rows == 0 {
			continue
		}
		g := w.found[at]
		at++
		w.hash.counts[g] += rows
		for i, a := range spec.Aggregates {
			w.hash.states[i].merge(int(g), &w.places[i], p, a.Operation)
		}
	}
	return nil
}

// findPlaces says for each chosen row which place its keys are, and how many
// places there are. Where all combinations of two keys would be too many, those
// that rows have are numbered.
func (w *worker) findPlaces() (places []uint32, n int) {
	w.group = grow(w.group, w.n)
	if len(w.keys) == 0 {
		clear(w.group)
		return w.group, 1
	}
	for len(w.stages) < len(w.keys) {
		w.stages = append(w.stages, nil)
	}
	places, n = w.keys[0].codes, w.keys[0].size()
	for i := 1; i < len(w.keys); i++ {
		k := &w.keys[i]
		size, out, codes := k.size(), w.group[:len(places)], k.codes[:len(places)]
		w.stages[i] = w.stages[i][:0]
		if n*size <= max(2*w.n, 1024) {
			for i, p := range places {
				out[i] = p*uint32(size) + codes[i]
			}
			places, n = out, n*size
			continue
		}
		w.words = grow(w.words, w.n)
		for i, p := range places {
			w.words[i] = uint64(p)*uint64(size) + uint64(codes[i])
		}
		w.stages[i] = append(w.stages[i], w.numbers.number(out, w.words)...)
		places, n = out, len(w.stages[i])
	}
	return places, n
}

// size is how many codes there are, with that of null.
func (k *key) size() int { return len(k.words) + 1 }

// keyOfPlace makes word the key of a place.
func (w *worker) keyOfPlace(place int) {
	p, null := uint64(place), len(w.word)-1
	w.word[null] = 0
	for i := len(w.keys) - 1; i >= 0; i-- {
		k := &w.keys[i]
		if len(w.stages[i]) > 0 {
			p = w.stages[i][p]
		}
		size := uint64(k.size())
		c := p % size
		p /= size
		if c == size-1 {
			w.word[i] = 0
			w.word[null] |= 1 << i
		} else {
			w.word[i] = k.words[c]
		}
	}
}

// aggregate updates one number of each place with the values read.
func (w *worker) aggregate(s *state, a Aggregate, places []uint32, there []uint8) {
	signed := a.Field.signedBits()
	for i, v := range w.values {
		if there != nil && there[i] == 0 {
			continue
		}
		g := places[i]
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
}

// state holds one aggregate of all groups: the number of values and their sum,
// smallest or largest as a key of spans.
type state struct {
	counts []uint64
	values []uint64
	high   []uint64 // Sum and Average: the sum's upper half
}

// read makes values the numbers of a column and returns which of them are
// there, nil for all.
func (w *worker) read(f *Field, column arrow.Array) (there []uint8) {
	w.values = grow(w.values, w.n)
	nulls := column.NullN() > 0
	if nulls {
		w.there = grow(w.there, w.n)
		there = w.there
	}
	f.extend(w.values, column, w.rows)
	if nulls {
		presence(there, column, w.rows)
	}
	return there
}
