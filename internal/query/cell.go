package query

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"xcapa/internal/record"
)

// Cell is one value of an answer as text.
type Cell struct {
	Text []byte
	Null bool
}

// Column is one column of an answer.
type Column struct {
	Name   string
	Number bool // aligned to the right, and bare in JSON
}

// Style says how values look.
type Style struct {
	Location *time.Location // of @timestamp
	Hex      bool           // bytes in hex and not in base64
}

const timestampLayout = "2006-01-02T15:04:05.000000000Z07:00"

// column describes the field's column.
func (f *Field) columnOf() Column {
	return Column{f.Name, f.number64()}
}

// number64 reports whether values of the field are words: numbers or times.
func (f *Field) number64() bool {
	return f.Name != record.NameTimestamp && (f.kind == kindNumber || f.kind == kindTime || f.kind == kindMillis)
}

// appendWord appends a number or time, given as its bits, signed ones extended.
func (f *Field) appendWord(dst []byte, v uint64, s *Style) []byte {
	switch {
	case f.Name == record.NameTimestamp:
		return time.Unix(0, int64(v)).In(s.Location).AppendFormat(dst, timestampLayout)
	case f.signedBits():
		return strconv.AppendInt(dst, int64(v), 10)
	}
	return strconv.AppendUint(dst, v, 10)
}

// appendText appends a text or bytes.
func (f *Field) appendText(dst []byte, v string, s *Style) []byte {
	switch {
	case f.kind != kindBytes:
		return append(dst, v...)
	case s.Hex:
		return hex.AppendEncode(dst, []byte(v))
	}
	return base64.StdEncoding.AppendEncode(dst, []byte(v))
}

// Vector is a field's values in a table, to be shown.
type Vector struct {
	field *Field
	array arrow.Array
	word  func(i int) uint64
	text  func(i int) string
}

// Vector reads a field's column, or computes it.
func (f *Field) Vector(t Table) (*Vector, error) {
	a, err := f.column(t)
	if err != nil {
		return nil, err
	}
	v := &Vector{field: f, array: a, word: numberOf(a), text: textOf(a)}
	if v.word == nil && v.text == nil {
		return nil, typeError(f, a)
	}
	return v, nil
}

// Append appends row i to dst; null tells that the packet does not have the
// field.
func (v *Vector) Append(dst []byte, i int, s *Style) (out []byte, null bool) {
	switch {
	case v.array.IsNull(i):
		return dst, true
	case v.word == nil:
		return v.field.appendText(dst, v.text(i), s), false
	case v.field.kind == kindMillis:
		return v.field.appendWord(dst, uint64(floorMillis(int64(v.word(i)))), s), false
	}
	return v.field.appendWord(dst, v.word(i), s), false
}

// Columns describes the columns of fields.
func Columns(fields []*Field) []Column {
	out := make([]Column, len(fields))
	for i, f := range fields {
		out[i] = f.columnOf()
	}
	return out
}

// Times gives the packet times of a table, ns since 1970.
func Times(t Table) ([]int64, error) {
	a, err := t.Column(record.NameNanos)
	if err != nil {
		return nil, err
	}
	times, ok := a.(*array.Timestamp)
	if !ok {
		return nil, fmt.Errorf("column %s has the type %s, which this version does not read", record.NameNanos, a.DataType())
	}
	return arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(times.TimestampValues())), nil
}

// appendSum appends a number of 128 bits.
func appendSum(dst []byte, high, low uint64, signed bool) []byte {
	if high == 0 {
		return strconv.AppendUint(dst, low, 10)
	}
	v := new(big.Int).SetUint64(high)
	if signed {
		v.SetInt64(int64(high))
	}
	return v.Add(v.Lsh(v, 64), new(big.Int).SetUint64(low)).Append(dst, 10)
}

func sumFloat(high, low uint64, signed bool) float64 {
	h := float64(high)
	if signed {
		h = float64(int64(high))
	}
	return h*(1<<64) + float64(low)
}
