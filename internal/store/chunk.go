package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// errLayout says that a column chunk is laid out in a way that only the
// library reads: a dictionary given up halfway, another program's pages.
var errLayout = errors.New("a layout of a column chunk that only the library reads")

// maxDecodeRows bounds the memory that a damaged footer can ask for.
const maxDecodeRows = 16 * rowGroupRows

// chunkDecoder makes arrays of column chunks: pages of version 1, one dictionary
// or none, plain or delta coded numbers. Its buffers are used again; one
// goroutine uses it at a time.
type chunkDecoder struct {
	spec   *columnSpec
	rows   int
	at     int      // rows decoded
	bitmap []uint64 // which of the rows are there; nil: all
	nulls  int

	blocks *blocks // where memory of arrays comes from

	dict    arrow.Array
	codes   []uint32 // by row, with a dictionary
	values  *memory.Buffer
	level   []uint64 // one page's part of bitmap
	dense   []uint32 // one page's codes, nulls left out, and one more
	numbers []uint64 // one page's numbers, likewise
}

var chunkDecoders = sync.Pool{New: func() any { return new(chunkDecoder) }}

// decodes reports whether chunks of the column can be tried.
func (s *columnSpec) decodes() bool { return s.bits > 0 || s.text && s.dict }

// decodeChunk reads a column of a row group of so many rows. A dictionary's
// null has the dictionary's length as its index.
func decodeChunk(rg *file.RowGroupReader, column int, spec *columnSpec, rows int, memory *blocks) (arrow.Array, error) {
	if rows > maxDecodeRows {
		return nil, errLayout
	}
	pages, err := rg.GetColumnPageReader(column)
	if err != nil {
		return nil, err
	}
	defer pages.Close()
	d := chunkDecoders.Get().(*chunkDecoder)
	defer chunkDecoders.Put(d)
	d.blocks = memory
	d.begin(spec, rows, rg.MetaData().Schema.Column(column).MaxDefinitionLevel() > 0)
	defer d.end()
	for pages.Next() {
		if err := d.page(pages.Page()); err != nil {
			return nil, err
		}
	}
	if err := pages.Err(); err != nil {
		return nil, err
	}
	if d.at != rows {
		return nil, fmt.Errorf("column %s has %d of %d values", spec.info.Name, d.at, rows)
	}
	return d.array(), nil
}

func (d *chunkDecoder) begin(spec *columnSpec, rows int, optional bool) {
	d.spec, d.rows, d.at, d.nulls = spec, rows, 0, 0
	if optional {
		d.bitmap = d.blocks.take(bitWords(rows))
		clear(d.bitmap)
	}
}

// end forgets what belongs to the array.
func (d *chunkDecoder) end() { d.bitmap, d.dict, d.codes, d.values, d.blocks = nil, nil, nil, nil, nil }

// array is what was decoded.
func (d *chunkDecoder) array() arrow.Array {
	var valid *memory.Buffer
	if d.nulls > 0 {
		valid = memory.NewBufferBytes(arrow.Uint64Traits.CastToBytes(d.bitmap))
	}
	if d.codes == nil {
		if d.values == nil { // no rows at all
			return array.MakeArrayOfNull(memory.DefaultAllocator, d.spec.arrowType(), 0)
		}
		data := array.NewData(d.spec.arrowType(), d.rows, []*memory.Buffer{valid, d.values}, nil, d.nulls, 0)
		defer data.Release()
		return array.MakeFromData(data)
	}
	typ := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: d.dict.DataType()}
	codes := memory.NewBufferBytes(arrow.Uint32Traits.CastToBytes(d.codes))
	data := array.NewDataWithDictionary(typ, d.rows, []*memory.Buffer{valid, codes}, d.nulls, 0, d.dict.Data().(*array.Data))
	defer data.Release()
	return array.NewDictionaryData(data)
}

func (d *chunkDecoder) page(p file.Page) error {
	switch p := p.(type) {
	case *file.DictionaryPage:
		if d.dict != nil || d.at > 0 {
			return errLayout
		}
		return d.dictionaryPage(p.Data(), int(p.NumValues()))
	case *file.DataPageV1:
		n := int(p.NumValues())
		if n > d.rows-d.at {
			return fmt.Errorf("a page has %d values, and %d are left of the row group", n, d.rows-d.at)
		}
		if n == 0 {
			return nil
		}
		data, present := p.Data(), n
		if d.bitmap != nil {
			var err error
			if p.DefinitionLevelEncoding() != parquet.Encodings.RLE {
				return errLayout
			}
			if data, present, err = d.levels(data, n); err != nil {
				return err
			}
		}
		if err := d.data(data, parquet.Encoding(p.Encoding()), n, present); err != nil {
			return err
		}
		d.at += n
		d.nulls += n - present
		return nil
	}
	return errLayout
}

// dictionaryPage makes an array of n plain values.
func (d *chunkDecoder) dictionaryPage(data []byte, n int) (err error) {
	if !d.spec.dict {
		return errLayout
	}
	if d.spec.bits == 0 {
		d.dict, err = plainTexts(data, n)
		return err
	}
	if n > len(data) {
		return errShort
	}
	d.numbers = slices.Grow(d.numbers[:0], n)[:n]
	if err := plainNumbers(d.numbers, data, d.spec.physical()); err != nil {
		return err
	}
	buf := memory.NewBufferBytes(arrow.Uint64Traits.CastToBytes(make([]uint64, (n*d.spec.bits+63)/64))[:n*d.spec.bits/8])
	putNumbers(buf, d.spec.bits, 0, n, d.numbers, nil)
	typ := d.spec.arrowType()
	a := array.NewData(typ, n, []*memory.Buffer{nil, buf}, nil, 0, 0)
	defer a.Release()
	d.dict = array.MakeFromData(a)
	return nil
}

// physical is the bytes of a plain number.
func (s *columnSpec) physical() int { return max(32, s.bits) / 8 }

// plainTexts are n texts, each behind its length.
func plainTexts(data []byte, n int) (arrow.Array, error) {
	if n > len(data)/4 {
		return nil, fmt.Errorf("a dictionary of %d texts in %d bytes", n, len(data))
	}
	offsets, text := make([]int32, n+1), make([]byte, 0, len(data)-4*n)
	for i := range n {
		if len(data) < 4 {
			return nil, errShort
		}
		size := binary.LittleEndian.Uint32(data)
		if uint64(size) > uint64(len(data)-4) {
			return nil, errShort
		}
		text = append(text, data[4:4+size]...)
		data = data[4+size:]
		offsets[i+1] = int32(len(text))
	}
	a := array.NewData(arrow.BinaryTypes.String, n, []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(text)}, nil, 0, 0)
	defer a.Release()
	return array.NewStringData(a), nil
}

var errShort = errors.New("a page ends too early")

// levels reads the definition levels of a page of n values, which are 0 and 1,
// into level and bitmap, and returns what comes behind them and how many are 1.
func (d *chunkDecoder) levels(data []byte, n int) (rest []byte, present int, err error) {
	if len(data) < 4 {
		return nil, 0, errShort
	}
	size := binary.LittleEndian.Uint32(data)
	if uint64(size) > uint64(len(data)-4) {
		return nil, 0, errShort
	}
	rest = data[4+size:]
	d.level = slices.Grow(d.level[:0], bitWords(n))[:bitWords(n)]
	clear(d.level)
	if err := bitLevels(d.level, data[4:4+size], n); err != nil {
		return nil, 0, err
	}
	for i, word := range d.level[:(n+63)/64] {
		putBits(d.bitmap, d.at+64*i, word)
		present += bits.OnesCount64(word)
	}
	return rest, present, nil
}

// data reads the values of a page, of which so many are not null.
func (d *chunkDecoder) data(data []byte, enc parquet.Encoding, n, present int) error {
	switch enc {
	case parquet.Encodings.RLEDict, parquet.Encodings.PlainDict:
		if d.values != nil || d.dict == nil {
			return errLayout
		}
		return d.codePage(data, n, present)
	case parquet.Encodings.DeltaBinaryPacked:
		return d.numberPage(n, present, func(out []uint64) error { return deltaNumbers(out, data) })
	case parquet.Encodings.Plain:
		return d.numberPage(n, present, func(out []uint64) error { return plainNumbers(out, data, d.spec.physical()) })
	}
	return errLayout
}

// codePage reads indices of the dictionary.
func (d *chunkDecoder) codePage(data []byte, n, present int) error {
	if d.codes == nil {
		d.codes = arrow.GetData[uint32](arrow.Uint64Traits.CastToBytes(d.blocks.take((d.rows + 1) / 2)))[:d.rows]
	}
	out := d.codes[d.at : d.at+n]
	if present < n {
		d.dense = slices.Grow(d.dense[:0], present+1)[:present+1]
		out = d.dense[:present]
	}
	if present > 0 {
		if len(data) == 0 {
			return errShort
		}
		if err := bitCodes(out, data[1:], uint(data[0])); err != nil {
			return err
		}
		if largest := largestOf(out); int(largest) >= d.dict.Len() {
			return fmt.Errorf("index %d of a dictionary of %d", largest, d.dict.Len())
		}
	}
	if present < n {
		spreadCodes(d.codes[d.at:d.at+n], d.dense, d.level, uint32(d.dict.Len()))
	}
	return nil
}

// numberPage reads numbers, which fill gives.
func (d *chunkDecoder) numberPage(n, present int, fill func(out []uint64) error) error {
	if d.dict != nil || d.spec.bits == 0 {
		return errLayout
	}
	if d.values == nil {
		d.values = numberBuffer(d.blocks, d.rows, d.spec.bits)
	}
	if d.spec.bits == 64 && present == n { // in their place at once
		return fill(numbersIn[uint64](d.values)[d.at : d.at+n])
	}
	d.numbers = slices.Grow(d.numbers[:0], present+1)[:present+1]
	if present > 0 {
		if err := fill(d.numbers[:present]); err != nil {
			return err
		}
	}
	var level []uint64
	if present < n {
		level = d.level
	}
	putNumbers(d.values, d.spec.bits, d.at, n, d.numbers, level)
	return nil
}

// numberBuffer has room for n numbers, in memory that is aligned for them.
func numberBuffer(from *blocks, n, width int) *memory.Buffer {
	return memory.NewBufferBytes(arrow.Uint64Traits.CastToBytes(from.take((n*width + 63) / 64))[:n*width/8])
}

// numbersIn are the numbers of a numberBuffer.
func numbersIn[T number](b *memory.Buffer) []T {
	return arrow.GetData[T](b.Bytes())
}

type number interface {
	uint8 | uint16 | uint32 | uint64
}

// putNumbers puts n numbers at a place of a buffer; level, if there is one,
// says which of them are there, and the others are left out of values.
func putNumbers(b *memory.Buffer, width, at, n int, values []uint64, level []uint64) {
	switch width {
	case 8:
		spread(numbersIn[uint8](b)[at:at+n], values, level)
	case 16:
		spread(numbersIn[uint16](b)[at:at+n], values, level)
	case 32:
		spread(numbersIn[uint32](b)[at:at+n], values, level)
	case 64:
		spread(numbersIn[uint64](b)[at:at+n], values, level)
	}
}

// spread puts values into dst, at the places that level has a bit for (nil:
// all); elsewhere it puts anything. values has room for one more.
func spread[T, V number](dst []T, values []V, level []uint64) {
	if level == nil {
		for i, v := range values[:len(dst)] {
			dst[i] = T(v)
		}
		return
	}
	next := 0
	for from := 0; from < len(dst); from += 64 {
		word := level[from/64]
		part := dst[from:min(from+64, len(dst))]
		if word == ^uint64(0) {
			for i, v := range values[next : next+len(part)] {
				part[i] = T(v)
			}
			next += len(part)
			continue
		}
		for i := range part {
			part[i] = T(values[next])
			next += int(word & 1)
			word >>= 1
		}
	}
}

// spreadCodes is spread, with fill where there is no value.
func spreadCodes(dst, values []uint32, level []uint64, fill uint32) {
	next := 0
	for from := 0; from < len(dst); from += 64 {
		word := level[from/64]
		part := dst[from:min(from+64, len(dst))]
		if word == ^uint64(0) {
			next += copy(part, values[next:])
			continue
		}
		for i := range part {
			there := uint32(word & 1)
			word >>= 1
			part[i] = fill ^ (fill^values[next])&-there
			next += int(there)
		}
	}
}

// blocks is memory of a row group's arrays. Fresh memory costs more than what is
// written to it: the kernel clears it, and the collector comes the sooner.
type blocks struct{ taken []*[]uint64 }

// A block of the first pool holds a column of 32 bits, one of the second any.
var blockPools [2]sync.Pool

const blockWords = rowGroupRows / 2

// poolOf is the pool of blocks that hold n words.
func poolOf(n int) *sync.Pool {
	if n > blockWords {
		return &blockPools[1]
	}
	return &blockPools[0]
}

// take returns n words of any content.
func (b *blocks) take(n int) []uint64 {
	block, _ := poolOf(n).Get().(*[]uint64)
	if block == nil || len(*block) < n {
		size := blockWords
		if n > size {
			size = max(n, rowGroupRows)
		}
		fresh := make([]uint64, size)
		block = &fresh
	}
	b.taken = append(b.taken, block)
	return (*block)[:n]
}

// giveBack ends the use of all that was taken.
func (b *blocks) giveBack() {
	for _, block := range b.taken {
		poolOf(len(*block)).Put(block)
	}
	b.taken = nil
}
