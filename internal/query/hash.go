package query

import "math/bits"

// hashTable numbers the keys it meets: open addressing, keys of a fixed number
// of words side by side.
type hashTable struct {
	words  int      // of a key: the keys, and one bit each that says null
	max    int      // groups allowed
	slots  []uint32 // group+1, 0: free; a power of two, at most half full
	keys   []uint64
	counts []uint64 // rows of each group
	states []state  // by aggregate
	spec   *Grouping
}

func newHashTable(spec *Grouping) *hashTable {
	return &hashTable{words: spec.keys() + 1, max: spec.MaxGroups, slots: make([]uint32, 64), states: make([]state, len(spec.Aggregates)), spec: spec}
}

func (h *hashTable) groups() int { return len(h.counts) }

// find returns the group of a key, a new one if need be.
func (h *hashTable) find(key []uint64) (uint32, error) {
	hash := hashOf(key)
	mask := uint64(len(h.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		g := h.slots[at]
		if g == 0 {
			return h.insert(key, at)
		}
		if h.same(g-1, key) {
			return g - 1, nil
		}
	}
}

func (h *hashTable) same(g uint32, key []uint64) bool {
	have := h.keys[int(g)*h.words:][:len(key)]
	for i, k := range key {
		if have[i] != k {
			return false
		}
	}
	return true
}

func (h *hashTable) insert(key []uint64, at uint64) (uint32, error) {
	n := h.groups()
	if n >= h.max {
		return 0, &TooManyGroupsError{h.max}
	}
	h.keys = append(h.keys, key...)
	h.counts = append(h.counts, 0)
	for i := range h.states {
		s := &h.states[i]
		if op := h.spec.Aggregates[i].Operation; op != Count {
			s.counts, s.values = append(s.counts, 0), append(s.values, 0)
			if op == Sum || op == Average {
				s.high = append(s.high, 0)
			}
		}
	}
	h.slots[at] = uint32(n + 1)
	if 2*(n+1) > len(h.slots) {
		h.double()
	}
	return uint32(n), nil
}

// double makes room and puts every group in its new place.
func (h *hashTable) double() {
	h.slots = make([]uint32, 2*len(h.slots))
	mask := uint64(len(h.slots) - 1)
	for g := range h.groups() {
		at := hashOf(h.keys[g*h.words:][:h.words]) & mask
		for h.slots[at] != 0 {
			at = (at + 1) & mask
		}
		h.slots[at] = uint32(g + 1)
	}
}

// hashOf mixes the words by multiplication, both halves of the product.
func hashOf(key []uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, k := range key {
		hi, lo := bits.Mul64(h^k, 0xd6e8feb86659fd93)
		h = hi ^ lo
	}
	return h ^ h>>32
}

// merge adds the groups of other.
func (h *hashTable) merge(other *hashTable) error {
	for from := range other.groups() {
		g, err := h.find(other.keys[from*h.words:][:h.words])
		if err != nil {
			return err
		}
		h.counts[g] += other.counts[from]
		for i := range h.states {
			h.states[i].merge(int(g), &other.states[i], from, h.spec.Aggregates[i].Operation)
		}
	}
	return nil
}

func (s *state) merge(g int, other *state, from int, op Operation) {
	if op == Count || other.counts[from] == 0 {
		return
	}
	v := other.values[from]
	switch {
	case op == Sum || op == Average:
		sum, carry := bits.Add64(s.values[g], v, 0)
		s.values[g] = sum
		s.high[g] += other.high[from] + carry
	case s.counts[g] == 0 || (op == Min) == (v < s.values[g]):
		s.values[g] = v
	}
	s.counts[g] += other.counts[from]
}

// numbers numbers different words in the order in which they are met.
type numbers struct {
	slots []uint32 // number+1, 0: free; a power of two, at most half full
	words []uint64 // by number
}

// number makes out the numbers of words and returns the words by number, valid
// until the next call.
func (n *numbers) number(out []uint32, words []uint64) []uint64 {
	if n.slots == nil {
		n.slots = make([]uint32, 1<<10)
	}
	clear(n.slots)
	n.words = n.words[:0]
	for i, w := range words[:len(out)] {
		if i > 0 && w == words[i-1] { // as often
			out[i] = out[i-1]
			continue
		}
		at := n.slot(w)
		if n.slots[at] == 0 {
			n.words = append(n.words, w)
			n.slots[at] = uint32(len(n.words))
			out[i] = uint32(len(n.words) - 1)
			if 2*len(n.words) > len(n.slots) {
				n.double()
			}
			continue
		}
		out[i] = n.slots[at] - 1
	}
	return n.words
}

// slot is where the word's number stands or belongs.
func (n *numbers) slot(word uint64) uint64 {
	mask := uint64(len(n.slots) - 1)
	at := word * 0x9e3779b97f4a7c15 >> 32 & mask // mixed by the golden ratio
	for n.slots[at] != 0 && n.words[n.slots[at]-1] != word {
		at = (at + 1) & mask
	}
	return at
}

// double makes room and puts every word in its new slot.
func (n *numbers) double() {
	n.slots = make([]uint32, 2*len(n.slots))
	for i, w := range n.words {
		n.slots[n.slot(w)] = uint32(i + 1)
	}
}
