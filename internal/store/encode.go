package store

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// rowGroupRows is the most rows of a row group: the unit that readers skip by
// its statistics and share out among their threads. DuckDB's own number.
const rowGroupRows = 122880

// Keys of a file's metadata.
const (
	keySchema    = "xcapa.schema"
	keyTopic     = "xcapa.topic"
	keyTopicID   = "xcapa.topic_id"
	keyPartition = "xcapa.partition"
	keyFirst     = "xcapa.first_offset"
	keyLast      = "xcapa.last_offset"
	keyMinTime   = "xcapa.min_time" // ns since 1970
	keyMaxTime   = "xcapa.max_time"
	keyHost      = "xcapa.host" // capture hosts, separated by spaces
)

// selection is the rows of one row group, with buffers that every column uses
// in turn. One per encoder, used again.
type selection struct {
	win  *window
	rows []int32
	any  packet.FieldSet // fields that some row has
	all  packet.FieldSet // fields that every row has

	ints          []int32
	longs         []int64
	texts         []parquet.ByteArray
	scratchLevels []int16
	zeros, ones   []int16
}

// choose makes rows (at most rowGroupRows) the selection.
func (s *selection) choose(win *window, rows []int32) {
	s.win, s.rows, s.any, s.all = win, rows, 0, ^packet.FieldSet(0)
	for _, row := range rows {
		s.any |= win.present[row]
		s.all &= win.present[row]
	}
	if len(s.zeros) < len(rows) {
		s.zeros, s.ones, s.scratchLevels = make([]int16, len(rows)), make([]int16, len(rows)), make([]int16, len(rows))
		for i := range s.ones {
			s.ones[i] = 1
		}
	}
}

// levels returns the definition levels of f for the chosen rows (0 null, 1
// not), nil where f is always there; null tells that every row is null. The
// slice is valid until the next call.
func (s *selection) levels(f packet.Field) (levels []int16, null bool) {
	n := len(s.rows)
	switch {
	case f == record.NoField:
		return nil, false
	case !s.any.Has(f):
		return s.zeros[:n], true
	case s.all.Has(f):
		return s.ones[:n], false
	}
	levels = s.scratchLevels[:n]
	for i, row := range s.rows {
		levels[i] = int16(s.win.present[row] >> f & 1)
	}
	return levels, false
}

// encoder writes windows as Parquet. One goroutine uses it at a time.
type encoder struct {
	props  *parquet.WriterProperties
	schema *schema.GroupNode
	sel    selection
}

// encode writes one file, rows in the given order (which is that of time), to
// w. name says what stands in the file's metadata.
func (e *encoder) encode(w io.Writer, name fileName, win *window, rows []int32) (err error) {
	// An error of w inside a column writer can come back as a panic.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("encode: %v", r)
			if cause, ok := r.(error); ok {
				err = fmt.Errorf("encode: %w", cause)
			}
		}
	}()
	fw, err := file.NewParquetWriterWithError(w, e.schema, file.WithWriterProps(e.props),
		file.WithWriteMetadata(fileMetadata(name, win, rows)))
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	for start := 0; start < len(rows); start += rowGroupRows {
		e.sel.choose(win, rows[start:min(start+rowGroupRows, len(rows))])
		if err := e.rowGroup(fw, win); err != nil {
			return err
		}
	}
	if err := fw.Close(); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return nil
}

// rowGroup writes the selection as one row group.
func (e *encoder) rowGroup(fw *file.Writer, win *window) error {
	rg, err := fw.AppendRowGroupChecked()
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	for i, c := range win.columns {
		cw, err := rg.NextColumn()
		if err != nil {
			return fmt.Errorf("encode %s: %w", specs[i].info.Name, err)
		}
		if err := c.write(cw, &e.sel); err != nil {
			return fmt.Errorf("encode %s: %w", specs[i].info.Name, err)
		}
		if err := cw.Close(); err != nil {
			return fmt.Errorf("encode %s: %w", specs[i].info.Name, err)
		}
	}
	if err := rg.Close(); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return nil
}

// fileMetadata says of a file what its rows do not.
func fileMetadata(n fileName, win *window, rows []int32) metadata.KeyValueMetadata {
	kv := metadata.NewKeyValueMetadata()
	set := func(key, value string) { _ = kv.Append(key, value) } // refuses only invalid UTF-8
	set(keySchema, schemaVersion)
	set(keyTopic, n.Topic)
	if n.TopicID != "" {
		set(keyTopicID, n.TopicID)
	}
	set(keyPartition, strconv.Itoa(int(n.Partition)))
	set(keyFirst, strconv.FormatInt(n.First, 10))
	set(keyLast, strconv.FormatInt(n.Last, 10))
	set(keyMinTime, strconv.FormatInt(win.times[rows[0]], 10))
	set(keyMaxTime, strconv.FormatInt(win.times[rows[len(rows)-1]], 10))
	set(keyHost, strings.Join(win.hosts(), " "))
	return kv
}

func newEncoder(level int) *encoder {
	return &encoder{props: writerProperties(level), schema: fileSchema()}
}
