package query

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// spanTest is true where a number or time lies in one of the spans.
type spanTest struct {
	field *Field
	spans []span
	table []uint8 // by value, of fields up to 16 bits with several spans
}

func newSpanTest(f *Field, spans []span) *spanTest {
	t := &spanTest{field: f, spans: spans}
	if f.bits != 0 && f.bits <= 16 && len(spans) > 1 {
		t.table = make([]uint8, 1<<f.bits)
		for _, s := range spans {
			for k := s.lo; k <= s.hi; k++ {
				t.table[keyBits(k, f.signedBits())&(1<<f.bits-1)] = 1
			}
		}
	}
	return t
}

// signedBits reports whether the column's numbers are signed: times are.
func (f *Field) signedBits() bool { return f.signed || f.kind == kindTime || f.kind == kindMillis }

func (n *spanTest) narrow(t Table, mask []uint8) error {
	a, err := n.field.column(t)
	if err != nil {
		return err
	}
	switch width(a) {
	case 1:
		narrowSpans(n, raw[uint8](a), mask)
	case 2:
		narrowSpans(n, raw[uint16](a), mask)
	case 4:
		narrowSpans(n, raw[uint32](a), mask)
	case 8:
		narrowSpans(n, raw[uint64](a), mask)
	default:
		return typeError(n.field, a)
	}
	narrowNulls(a, mask)
	return nil
}

// narrowSpans compares by one subtraction: v-lo <= hi-lo holds for lo <= v <=
// hi and, because it wraps, for nothing else, whatever the sign.
func narrowSpans[T uint8 | uint16 | uint32 | uint64](n *spanTest, values []T, mask []uint8) {
	mask = mask[:len(values)]
	signed := n.field.signedBits()
	switch {
	case len(n.spans) == 0:
		clear(mask)
	case len(n.spans) == 1:
		lo := T(keyBits(n.spans[0].lo, signed))
		length := T(keyBits(n.spans[0].hi, signed)) - lo
		for i, v := range values {
			mask[i] &= bit(v-lo <= length)
		}
	case n.table != nil:
		for i, v := range values {
			mask[i] &= n.table[v]
		}
	default:
		for i, v := range values {
			if mask[i] == 0 {
				continue
			}
			in := uint8(0)
			for _, s := range n.spans {
				lo := T(keyBits(s.lo, signed))
				in |= bit(v-lo <= T(keyBits(s.hi, signed))-lo)
			}
			mask[i] = in
		}
	}
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func (n *spanTest) verdict(b Bounds) Verdict {
	if len(n.spans) == 0 {
		return None
	}
	if n.field.stored == "" {
		return Some
	}
	lowest, highest, ok := b.Integers(n.field.stored)
	nulls, rows, counted := b.Nulls(n.field.stored)
	if counted && nulls == rows {
		return None
	}
	if !ok {
		return Some
	}
	lo, hi := uint64(lowest), uint64(highest)
	if n.field.signedBits() {
		lo, hi = signedKey(lowest), signedKey(highest)
	}
	v := None
	for _, s := range n.spans {
		switch {
		case s.lo <= lo && hi <= s.hi:
			v = All
		case s.lo <= hi && lo <= s.hi:
			v = max(v, Some)
		}
	}
	if v == All && !(counted && nulls == 0) {
		v = Some
	}
	return v
}

// textTest is true where a text matches (or with not, does not).
type textTest struct {
	field   *Field
	matches func(s string) bool
	not     bool
	exact   []string    // the texts that match, where they are few; for the bounds
	ranges  []textRange // the texts that match are in these, if ranged
	ranged  bool
}

func (n *textTest) narrow(t Table, mask []uint8) error {
	a, err := n.field.column(t)
	if err != nil {
		return err
	}
	if textOf(a) == nil {
		return typeError(n.field, a)
	}
	narrowBy(a, mask, n.values)
	return nil
}

func (n *textTest) values(a arrow.Array, mask []uint8) {
	text := textOf(a)
	for i := range mask {
		if mask[i] != 0 && (a.IsNull(i) || n.matches(text(i)) == n.not) {
			mask[i] = 0
		}
	}
}

func (n *textTest) verdict(b Bounds) Verdict {
	if n.field.stored == "" {
		return Some
	}
	if nulls, rows, ok := b.Nulls(n.field.stored); ok && nulls == rows {
		return None
	}
	lowest, highest, ok := b.Texts(n.field.stored)
	if !ok || n.not {
		return Some
	}
	for _, s := range n.exact {
		if lowest <= s && s <= highest {
			return Some
		}
	}
	for _, r := range n.ranges {
		if r.lo <= highest && (r.end == "" || lowest < r.end) {
			return Some
		}
	}
	if n.exact == nil && !n.ranged {
		return Some
	}
	return None
}

// bitTest is true where all (or with want false, not all) of some bits are set.
type bitTest struct {
	field *Field
	bits  uint64
	want  bool
}

func (n *bitTest) narrow(t Table, mask []uint8) error {
	a, err := n.field.column(t)
	if err != nil {
		return err
	}
	switch width(a) {
	case 1:
		narrowBits(n, raw[uint8](a), mask)
	case 2:
		narrowBits(n, raw[uint16](a), mask)
	case 4:
		narrowBits(n, raw[uint32](a), mask)
	case 8:
		narrowBits(n, raw[uint64](a), mask)
	default:
		return typeError(n.field, a)
	}
	narrowNulls(a, mask)
	return nil
}

func narrowBits[T uint8 | uint16 | uint32 | uint64](n *bitTest, values []T, mask []uint8) {
	mask = mask[:len(values)]
	bits := T(n.bits)
	for i, v := range values {
		mask[i] &= bit((v&bits == bits) == n.want)
	}
}

func (n *bitTest) verdict(b Bounds) Verdict {
	if nulls, rows, ok := b.Nulls(n.field.stored); n.field.stored != "" && ok && nulls == rows {
		return None
	}
	return Some
}

// nullTest is true where a field is (or with null false, is not) absent.
type nullTest struct {
	field *Field
	null  bool
}

func (n *nullTest) narrow(t Table, mask []uint8) error {
	a, err := n.field.column(t)
	if err != nil {
		return err
	}
	if !n.null {
		narrowNulls(a, mask)
		return nil
	}
	if a.NullN() == 0 {
		clear(mask)
		return nil
	}
	for i := range mask {
		mask[i] &= bit(a.IsNull(i))
	}
	return nil
}

func (n *nullTest) verdict(b Bounds) Verdict {
	if n.field.stored == "" {
		return Some
	}
	nulls, rows, ok := b.Nulls(n.field.stored)
	switch {
	case !ok || nulls != 0 && nulls != rows:
		return Some
	case (nulls != 0) == n.null:
		return All
	}
	return None
}

func typeError(f *Field, a arrow.Array) error {
	return fmt.Errorf("column %s has the type %s, which this version does not read", f.Name, a.DataType())
}
