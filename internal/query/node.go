package query

import (
	"encoding/binary"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
)

// Table is rows to look at, such as a row group. A column is read when it is
// asked for; asking again costs nothing. Text may come as a dictionary, whose
// indices have 32 bits; that of a null is the dictionary's length.
type Table interface {
	Rows() int
	Column(name string) (arrow.Array, error)
}

// Bounds tells what the columns of a table can hold; ok false: it is not known.
type Bounds interface {
	// Integers is the range of an integer or time column, unsigned ones as
	// their bits.
	Integers(column string) (lowest, highest int64, ok bool)
	// Texts is the range of a text column in order of bytes.
	Texts(column string) (lowest, highest string, ok bool)
	// Nulls is how many of how many values are null.
	Nulls(column string) (nulls, rows int64, ok bool)
}

// Verdict is what bounds alone say of a condition.
type Verdict int8

const (
	None Verdict = iota // no row can match
	Some                // the rows have to be looked at
	All                 // every row matches
)

// node is a condition without negations.
type node interface {
	// narrow clears mask where the condition is not true, and leaves it as it
	// is elsewhere. One byte a row, 0 or 1.
	narrow(t Table, mask []uint8) error
	verdict(b Bounds) Verdict
}

// Match says which rows of t are meant: it sets mask, one byte a row, and
// returns how many there are.
func (e *Expr) Match(t Table, mask []uint8) (int, error) {
	fill(mask)
	if e != nil {
		if err := e.root.narrow(t, mask); err != nil {
			return 0, err
		}
	}
	return count(mask), nil
}

// Verdict says what bounds alone tell.
func (e *Expr) Verdict(b Bounds) Verdict {
	if e == nil {
		return All
	}
	return e.root.verdict(b)
}

// And is true where both are; nil stands for no condition.
func And(a, b *Expr) *Expr {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	return &Expr{and{a.root, b.root}}
}

// Between is true for packets from one time on and before another, ns since
// 1970.
func Between(from, to int64) *Expr {
	f := fields["@timestamp"]
	if to <= from {
		return &Expr{newSpanTest(f, nil)}
	}
	return &Expr{newSpanTest(f, []span{{signedKey(from), signedKey(to - 1)}})}
}

func count(mask []uint8) (n int) {
	for len(mask) >= 8 {
		v := uint64(0)
		part := mask[:min(len(mask), 255*8)&^7] // no byte of v overflows
		mask = mask[len(part):]
		for ; len(part) >= 8; part = part[8:] {
			v += binary.LittleEndian.Uint64(part)
		}
		v = v&0x00ff00ff00ff00ff + v>>8&0x00ff00ff00ff00ff
		n += int(v * 0x0001000100010001 >> 48)
	}
	for _, m := range mask {
		n += int(m)
	}
	return n
}

// some reports whether a row is left.
func some(mask []uint8) bool {
	for ; len(mask) >= 8; mask = mask[8:] {
		if binary.LittleEndian.Uint64(mask) != 0 {
			return true
		}
	}
	for _, m := range mask {
		if m != 0 {
			return true
		}
	}
	return false
}

type and []node

func (n and) narrow(t Table, mask []uint8) error {
	for i, part := range n {
		if i > 0 && !some(mask) {
			return nil // the columns of the others need not be read
		}
		if err := part.narrow(t, mask); err != nil {
			return err
		}
	}
	return nil
}

func (n and) verdict(b Bounds) Verdict {
	v := All
	for _, part := range n {
		v = min(v, part.verdict(b))
	}
	return v
}

type or []node

var masks = sync.Pool{New: func() any { return new([]uint8) }}

// borrowMask is a mask of n rows with any content.
func borrowMask(n int) *[]uint8 {
	m := masks.Get().(*[]uint8)
	if cap(*m) < n {
		*m = make([]uint8, n)
	}
	*m = (*m)[:n]
	return m
}

// narrow asks each part only about the rows no part before it was true for.
func (n or) narrow(t Table, mask []uint8) error {
	left, part := borrowMask(len(mask)), borrowMask(len(mask))
	defer masks.Put(left)
	defer masks.Put(part)
	copy(*left, mask)
	for i, p := range n {
		if i > 0 && !some(*left) {
			break
		}
		copy(*part, *left)
		if err := p.narrow(t, *part); err != nil {
			return err
		}
		for i, m := range *part {
			(*left)[i] &^= m
		}
	}
	for i, l := range *left {
		mask[i] &^= l
	}
	return nil
}

func (n or) verdict(b Bounds) Verdict {
	v := None
	for _, part := range n {
		v = max(v, part.verdict(b))
	}
	return v
}
