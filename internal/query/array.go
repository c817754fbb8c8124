package query

import (
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

// codes are the places in the dictionary.
func codes(a *array.Dictionary) []uint32 { return raw[uint32](a.Indices()) }

// narrowNulls clears the mask where a is null.
func narrowNulls(a arrow.Array, mask []uint8) {
	bitmap := a.NullBitmapBytes()
	if a.NullN() == 0 || len(bitmap) == 0 {
		if a.NullN() == a.Len() {
			clear(mask)
		}
		return
	}
	offset := a.Data().Offset()
	for i := range mask {
		at := offset + i
		mask[i] &= bitmap[at>>3] >> (at & 7) & 1
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
