package query

import (
	"encoding/binary"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// width is the bytes of a number or time in a, 0 for anything else.
func width(a arrow.Array) int {
	switch a.DataType().ID() {
	case arrow.UINT8, arrow.INT8, arrow.UINT16, arrow.INT16, arrow.UINT32, arrow.INT32, arrow.UINT64, arrow.INT64, arrow.TIMESTAMP:
		return a.DataType().(arrow.FixedWidthDataType).Bytes()
	}
	return 0
}

// raw is the values of a as unsigned numbers of their width; those of nulls can
// be anything.
func raw[T uint8 | uint16 | uint32 | uint64](a arrow.Array) []T {
	d := a.Data()
	if d.Len() == 0 || d.Buffers()[1] == nil {
		return make([]T, d.Len()) // all null
	}
	b := d.Buffers()[1].Bytes()
	n := len(b) / int(unsafe.Sizeof(T(0)))
	// Arrow aligns its buffers to 64 bytes.
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)[d.Offset() : d.Offset()+d.Len()]
}

// codes are the places in the dictionary; that of a null is its length.
func codes(a *array.Dictionary) []uint32 { return raw[uint32](a.Indices()) }

// narrowBy clears the mask where values does not hold: it is asked about each
// entry of a dictionary, else about each row. Of a null it is asked in vain.
func narrowBy(a arrow.Array, mask []uint8, values func(a arrow.Array, mask []uint8)) {
	d, ok := a.(*array.Dictionary)
	if !ok {
		values(a, mask)
		narrowNulls(a, mask)
		return
	}
	in := make([]uint8, d.Dictionary().Len()+1)
	fill(in[:len(in)-1])
	values(d.Dictionary(), in[:len(in)-1])
	if !some(in) {
		clear(mask)
		return
	}
	for i, c := range codes(d)[:len(mask)] {
		mask[i] &= in[c]
	}
}

// narrowNulls clears the mask where a is null.
func narrowNulls(a arrow.Array, mask []uint8) {
	bitmap := a.NullBitmapBytes()
	if a.NullN() == 0 || len(bitmap) == 0 {
		if a.NullN() == a.Len() {
			clear(mask)
		}
		return
	}
	offset, i := a.Data().Offset(), 0
	if offset%8 == 0 {
		for ; i+8 <= len(mask); i += 8 {
			b := bytesOfBits(bitmap[(offset+i)/8])
			binary.LittleEndian.PutUint64(mask[i:], binary.LittleEndian.Uint64(mask[i:])&b)
		}
	}
	for ; i < len(mask); i++ {
		at := offset + i
		mask[i] &= bitmap[at>>3] >> (at & 7) & 1
	}
}

// bytesOfBits makes a byte of each bit, 0 or 1.
func bytesOfBits(b byte) uint64 {
	v := uint64(b) * 0x0101010101010101 & 0x8040201008040201 // each byte keeps a bit of its own
	return (v + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101
}

// presence makes the mask 1 where a has a value, of the rows of a (nil: all).
func presence(mask []uint8, a arrow.Array, rows []uint32) {
	if rows == nil {
		fill(mask)
		narrowNulls(a, mask)
		return
	}
	for i, row := range rows {
		mask[i] = bit(a.IsValid(int(row)))
	}
}

// fill makes all of the mask 1.
func fill(mask []uint8) {
	for len(mask) >= 8 {
		binary.LittleEndian.PutUint64(mask, 0x0101010101010101)
		mask = mask[8:]
	}
	for i := range mask {
		mask[i] = 1
	}
}

// textOf gives a text or byte array's values by row, nil for another array.
func textOf(a arrow.Array) func(i int) string {
	switch a := a.(type) {
	case *array.String:
		return a.Value
	case *array.Binary:
		return a.ValueString
	case *array.Dictionary:
		entry := textOf(a.Dictionary())
		if entry == nil {
			return nil
		}
		return func(i int) string { return entry(a.GetValueIndex(i)) }
	}
	return nil
}
