package store

import (
	"net/netip"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"xcapa/internal/codec"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// column gathers one field of many rows and writes it, in any order of rows,
// to a column chunk. Values are kept dense (a null has a slot too), so that a
// row is found by its number; which are null stands in the window's present.
type column interface {
	// append takes the field from every row and returns the bytes it holds on
	// to beyond its fixed width.
	append(rows []codec.Row) int
	// write puts the rows of sel, in that order, into a column chunk.
	write(cw file.ColumnChunkWriter, sel *selection) error
	// reset forgets all rows and keeps the memory.
	reset()
}

// uintColumn is a field that is an unsigned (or by its bits a signed) integer.
type uintColumn[T uint8 | uint16 | uint32 | uint64] struct {
	field  packet.Field
	get    func(r *record.Record) uint64
	values []T
}

func (c *uintColumn[T]) append(rows []codec.Row) int {
	for i := range rows {
		c.values = append(c.values, T(c.get(&rows[i].Record)))
	}
	return 0
}

func (c *uintColumn[T]) reset() { c.values = c.values[:0] }

func (c *uintColumn[T]) write(cw file.ColumnChunkWriter, sel *selection) (err error) {
	levels, null := sel.levels(c.field)
	switch cw := cw.(type) {
	case *file.Int32ColumnChunkWriter:
		values := sel.ints[:0]
		if !null {
			values = gather(values, c.values, sel.rows, levels)
		}
		_, err = cw.WriteBatch(values, levels, nil)
		sel.ints = values
	case *file.Int64ColumnChunkWriter:
		values := sel.longs[:0]
		if !null {
			values = gather(values, c.values, sel.rows, levels)
		}
		_, err = cw.WriteBatch(values, levels, nil)
		sel.longs = values
	}
	return err
}

// gather appends the values of the rows whose level is 1; levels nil: of all.
func gather[P int32 | int64, T uint8 | uint16 | uint32 | uint64](dst []P, values []T, rows []int32, levels []int16) []P {
	if levels == nil {
		for _, row := range rows {
			dst = append(dst, P(values[row]))
		}
		return dst
	}
	for i, row := range rows {
		if levels[i] != 0 {
			dst = append(dst, P(values[row]))
		}
	}
	return dst
}

// textColumn is a field of few distinct values that people read as text: an
// address, a MAC, a status. Each distinct value is formatted once per window.
type textColumn struct {
	field  packet.Field
	key    func(r *record.Record) [16]byte
	format func(dst []byte, key [16]byte) []byte

	codes   []uint32 // index into texts, by row
	texts   []parquet.ByteArray
	index   map[[16]byte]uint32
	last    [16]byte // the key looked up last, and its code
	code    uint32
	hasLast bool
}

// entryBytes is what a distinct value costs beyond its text: the map's slot
// and the slice's header.
const entryBytes = 80

func (c *textColumn) append(rows []codec.Row) (held int) {
	for i := range rows {
		r := &rows[i].Record
		if !r.Present.Has(c.field) {
			c.codes = append(c.codes, 0)
			continue
		}
		// Most packets have the address of the one before.
		if k := c.key(r); !c.hasLast || k != c.last {
			code, known := c.index[k]
			if !known {
				code = uint32(len(c.texts))
				c.texts = append(c.texts, c.format(nil, k))
				c.index[k] = code
				held += entryBytes + len(c.texts[code])
			}
			c.last, c.code, c.hasLast = k, code, true
		}
		c.codes = append(c.codes, c.code)
	}
	return held
}

func (c *textColumn) reset() {
	c.codes, c.texts, c.hasLast = c.codes[:0], nil, false
	clear(c.index)
}

func (c *textColumn) write(cw file.ColumnChunkWriter, sel *selection) error {
	levels, null := sel.levels(c.field)
	values := sel.texts[:0]
	if !null {
		for i, row := range sel.rows {
			if levels[i] != 0 {
				values = append(values, c.texts[c.codes[row]])
			}
		}
	}
	_, err := cw.(*file.ByteArrayColumnChunkWriter).WriteBatch(values, levels, nil)
	sel.texts = values
	return err
}

// bytesColumn is a field of variable length, mostly different in every row.
type bytesColumn struct {
	field packet.Field
	get   func(row *codec.Row) []byte
	data  []byte
	ends  []uint32 // where the row's bytes end in data
}

func (c *bytesColumn) append(rows []codec.Row) int {
	before := len(c.data)
	for i := range rows {
		if c.field == record.NoField || rows[i].Present.Has(c.field) {
			c.data = append(c.data, c.get(&rows[i])...)
		}
		c.ends = append(c.ends, uint32(len(c.data)))
	}
	return len(c.data) - before
}

func (c *bytesColumn) reset() { c.data, c.ends = c.data[:0], c.ends[:0] }

func (c *bytesColumn) write(cw file.ColumnChunkWriter, sel *selection) error {
	levels, null := sel.levels(c.field)
	values := sel.texts[:0]
	if !null {
		for i, row := range sel.rows {
			if levels == nil || levels[i] != 0 {
				start := uint32(0)
				if row > 0 {
					start = c.ends[row-1]
				}
				values = append(values, c.data[start:c.ends[row]])
			}
		}
	}
	_, err := cw.(*file.ByteArrayColumnChunkWriter).WriteBatch(values, levels, nil)
	sel.texts = values
	return err
}

// originColumn is a field that the rows of a message share. The window knows
// each row's origin; the column keeps nothing of its own.
type originColumn struct {
	text  func(o *record.Origin) string // "" is null
	queue bool                          // instead of text: the RX queue
}

func (c *originColumn) append([]codec.Row) int { return 0 }
func (c *originColumn) reset()                 {}

func (c *originColumn) write(cw file.ColumnChunkWriter, sel *selection) (err error) {
	levels := sel.scratchLevels[:len(sel.rows)]
	switch cw := cw.(type) {
	case *file.Int32ColumnChunkWriter:
		values := sel.ints[:0]
		for i, row := range sel.rows {
			levels[i] = 0
			// Only captured packets have a queue; those of a file or a raw
			// topic have a source instead.
			if o := &sel.win.origins[sel.win.origin[row]]; o.Source == "" {
				levels[i] = 1
				values = append(values, int32(o.Queue))
			}
		}
		_, err = cw.WriteBatch(values, levels, nil)
		sel.ints = values
	case *file.ByteArrayColumnChunkWriter:
		texts := make([]parquet.ByteArray, len(sel.win.origins))
		for i := range texts {
			texts[i] = parquet.ByteArray(c.text(&sel.win.origins[i]))
		}
		values := sel.texts[:0]
		for i, row := range sel.rows {
			levels[i] = 0
			if t := texts[sel.win.origin[row]]; len(t) > 0 {
				levels[i] = 1
				values = append(values, t)
			}
		}
		_, err = cw.WriteBatch(values, levels, nil)
		sel.texts = values
	}
	return err
}

// The keys and formats of text columns.

func bytesKey(f packet.Field) func(r *record.Record) [16]byte {
	return func(r *record.Record) (k [16]byte) {
		copy(k[:], r.Bytes(f))
		return k
	}
}

// addressKey reads the two addresses that every packet has without going
// through Bytes.
func addressKey(f packet.Field) func(r *record.Record) [16]byte {
	if f == packet.FieldSourceAddress {
		return func(r *record.Record) [16]byte { return r.SourceAddress }
	}
	return func(r *record.Record) [16]byte { return r.DestinationAddress }
}

// uint32Key is an IPv4 address as ::ffff:a.b.c.d.
func uint32Key(f packet.Field) func(r *record.Record) [16]byte {
	return func(r *record.Record) [16]byte {
		v := uint32(r.Uint(f))
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).As16()
	}
}

func codeKey(f packet.Field) func(r *record.Record) [16]byte {
	return func(r *record.Record) [16]byte { return [16]byte{byte(r.Uint(f))} }
}

// formatAddress writes IPv6 as RFC 5952 has it, IPv4 as a dotted quad.
func formatAddress(dst []byte, k [16]byte) []byte {
	return netip.AddrFrom16(k).Unmap().AppendTo(dst)
}

func formatMAC(dst []byte, k [16]byte) []byte {
	const hex = "0123456789abcdef"
	for i, b := range k[:6] {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, hex[b>>4], hex[b&15])
	}
	return dst
}

func formatStatus(dst []byte, k [16]byte) []byte {
	return append(dst, packet.Status(k[0]).String()...)
}

func formatChecksumStatus(dst []byte, k [16]byte) []byte {
	return append(dst, packet.ChecksumStatus(k[0]).String()...)
}
