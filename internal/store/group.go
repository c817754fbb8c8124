package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"xcapa/internal/record"
)

// Bounds tells what the columns of a folder, a file or a row group can hold.
// ok false: it is not known, anything can be there.
type Bounds interface {
	// Integers is the range of an integer or time column's values, unsigned
	// ones as their bits; nulls are left out.
	Integers(column string) (lowest, highest int64, ok bool)
	// Texts is the range of a text column's values in order of bytes.
	Texts(column string) (lowest, highest string, ok bool)
	// Nulls is how many of how many values are null.
	Nulls(column string) (nulls, rows int64, ok bool)
}

// groupInfo is what the footer says of a row group.
type groupInfo struct {
	minTime, maxTime int64 // packet time, ns since 1970
	rows             int64
}

// groupRef names a row group of a file.
type groupRef struct {
	file   *File
	number int
}

func (r groupRef) info() *groupInfo { return &r.file.groups[r.number] }

func compareTimes(a, b *groupInfo) int {
	return cmp.Or(cmp.Compare(a.minTime, b.minTime), cmp.Compare(a.maxTime, b.maxTime))
}

// Group is one row group, at most 122,880 rows in order of packet time: what
// is read at once. A column is read from the disk when it is asked for, and
// once. One goroutine uses it.
type Group struct {
	ref     groupRef
	ctx     context.Context
	place   int // in the order of Groups
	file    *openFile
	meta    *metadata.RowGroupMetaData
	columns map[string]arrow.Array
	visit   *visit
}

// DamageError says that a file, or a row group of it, cannot be read.
type DamageError struct {
	Path string
	Err  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("read %s: %v: the file is damaged or not a file of the store, move it away or leave it out with --skip-damaged", e.Path, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// Rows is the number of rows.
func (g *Group) Rows() int { return int(g.ref.info().rows) }

// MinTime and MaxTime are the packet times of the first and the last row.
func (g *Group) MinTime() int64 { return g.ref.info().minTime }
func (g *Group) MaxTime() int64 { return g.ref.info().maxTime }

// Column reads a column. Text but for record_id, whose values all differ, comes
// as a dictionary of strings, where the index of a null is the dictionary's
// length; integers in the widths of the table of fields; the packet time as
// nanoseconds. A column that an older file does not have is all null.
func (g *Group) Column(name string) (arrow.Array, error) {
	if a := g.columns[name]; a != nil {
		return a, nil
	}
	a, err := g.read(name)
	if err != nil {
		return nil, err
	}
	if g.columns == nil {
		g.columns = map[string]arrow.Array{}
	}
	g.columns[name] = a
	return a, nil
}

func (g *Group) read(name string) (a arrow.Array, err error) {
	// What a damaged page makes the library do can be a panic.
	defer func() {
		if r := recover(); r != nil {
			err = g.damage(fmt.Errorf("%v", r))
		}
	}()
	if err := g.ctx.Err(); err != nil {
		return nil, err
	}
	i := g.file.parquet.MetaData().Schema.ColumnIndexByName(name)
	if i < 0 {
		spec, ok := specByName[name]
		if !ok {
			return nil, fmt.Errorf("no column %q: `xcapa fields` lists them", name)
		}
		return array.MakeArrayOfNull(memory.DefaultAllocator, spec.arrowType(), g.Rows()), nil
	}
	g.visit.columnsRead.Add(1)
	chunks, err := g.file.arrow.RowGroup(g.ref.number).Column(i).Read(g.ctx)
	if err != nil {
		return nil, g.damage(err)
	}
	parts := chunks.Chunks()
	a = parts[0]
	if len(parts) > 1 { // a dictionary that grew too large in the middle
		if a, err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			return nil, g.damage(err)
		}
	}
	if a.Len() != g.Rows() {
		return nil, g.damage(fmt.Errorf("column %s has %d of %d values", name, a.Len(), g.Rows()))
	}
	if d, ok := a.(*array.Dictionary); ok && d.NullN() > 0 {
		codes, fill := arrow.GetData[uint32](d.Data().Buffers()[1].Bytes())[d.Data().Offset():], uint32(d.Dictionary().Len())
		for i := range d.Len() {
			if d.IsNull(i) {
				codes[i] = fill
			}
		}
	}
	return a, nil
}

// damage makes err one of this file, unless it is about something else.
func (g *Group) damage(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) || errors.Is(err, context.Canceled) {
		return err
	}
	return &DamageError{g.ref.file.Path, fmt.Errorf("row group %d: %w", g.ref.number, err)}
}

// statistics are those of a column in this row group, nil if there are none.
func (g *Group) statistics(name string) metadata.TypedStatistics {
	i := g.file.parquet.MetaData().Schema.ColumnIndexByName(name)
	if i < 0 {
		return nil
	}
	chunk, err := g.meta.ColumnChunk(i)
	if err != nil {
		return nil
	}
	if set, err := chunk.StatsSet(); err != nil || !set {
		return nil
	}
	stats, err := chunk.Statistics()
	if err != nil {
		return nil
	}
	return stats
}

// Integers, Texts and Nulls make Group its own Bounds.
func (g *Group) Integers(name string) (lowest, highest int64, ok bool) {
	stats := g.statistics(name)
	if stats == nil || !stats.HasMinMax() {
		return 0, 0, false
	}
	switch s := stats.(type) {
	case *metadata.Int64Statistics:
		return s.Min(), s.Max(), true
	case *metadata.Int32Statistics:
		if spec := specByName[name]; spec != nil && spec.signed {
			return int64(s.Min()), int64(s.Max()), true
		}
		return int64(uint32(s.Min())), int64(uint32(s.Max())), true
	}
	return 0, 0, false
}

func (g *Group) Texts(name string) (lowest, highest string, ok bool) {
	if s, is := g.statistics(name).(*metadata.ByteArrayStatistics); is && s.HasMinMax() {
		return string(s.Min()), string(s.Max()), true
	}
	return "", "", false
}

func (g *Group) Nulls(name string) (nulls, rows int64, ok bool) {
	if spec := specByName[name]; spec != nil && !spec.nullable() {
		return 0, int64(g.Rows()), true
	}
	stats := g.statistics(name)
	if stats == nil || !stats.HasNullCount() {
		return 0, 0, false
	}
	return stats.NullCount(), int64(g.Rows()), true
}

// timeBounds knows the packet time alone.
type timeBounds struct{ lowest, highest int64 }

func (b timeBounds) Integers(column string) (int64, int64, bool) {
	return b.lowest, b.highest, column == record.NameNanos
}
func (b timeBounds) Texts(string) (string, string, bool) { return "", "", false }
func (b timeBounds) Nulls(column string) (int64, int64, bool) {
	return 0, math.MaxInt64, column == record.NameNanos
}

// nullable reports whether the column can hold nulls.
func (s *columnSpec) nullable() bool {
	return s.node().RepetitionType() == parquet.Repetitions.Optional
}

// arrowType is the type of the column when it is read.
func (s *columnSpec) arrowType() arrow.DataType {
	switch {
	case s.info.Name == record.NameNanos:
		return arrow.FixedWidthTypes.Timestamp_ns
	case s.bits == 0 && s.text:
		return arrow.BinaryTypes.String
	case s.bits == 0:
		return arrow.BinaryTypes.Binary
	case s.signed:
		return map[int]arrow.DataType{16: arrow.PrimitiveTypes.Int16, 64: arrow.PrimitiveTypes.Int64}[s.bits]
	}
	return map[int]arrow.DataType{8: arrow.PrimitiveTypes.Uint8, 16: arrow.PrimitiveTypes.Uint16,
		32: arrow.PrimitiveTypes.Uint32, 64: arrow.PrimitiveTypes.Uint64}[s.bits]
}
