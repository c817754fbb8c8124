package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"xcapa/internal/record"
)

// batchRows is the most rows of a batch that Scan gives.
const batchRows = 1 << 14

// Query chooses rows and columns.
type Query struct {
	From    int64    // packet time of the first row wanted, ns since 1970; 0: from the beginning
	To      int64    // packet time of the first row not wanted any more; 0: to the end
	Columns []string // names of the table of fields, in the order wanted; nil: all
}

func (q *Query) empty(minTime, maxTime int64) bool {
	return q.From != 0 && maxTime < q.From || q.To != 0 && minTime >= q.To
}

func (q *Query) covers(minTime, maxTime int64) bool {
	return (q.From == 0 || q.From <= minTime) && (q.To == 0 || maxTime < q.To)
}

// Scan gives the rows that q chooses, in batches: file after file in order of
// their first packet, in order of time within a file. Files and row groups
// without a wanted row are not read. A batch is valid until the next one is
// asked for; Retain it to keep it. After an error the scan ends.
func (d *Dataset) Scan(ctx context.Context, q Query) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		columns, err := q.columnIndices()
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range d.files {
			f := &d.files[i]
			if q.empty(f.MinTime, f.MaxTime) {
				continue
			}
			if more, err := scanFile(ctx, f, &q, columns, yield); err != nil {
				yield(nil, fmt.Errorf("scan %s: %w", f.Path, err))
				return
			} else if !more {
				return
			}
		}
	}
}

// columnIndices are the places of the columns asked for in the schema.
func (q *Query) columnIndices() ([]int, error) {
	var out []int
	for i := range specs {
		if q.Columns == nil {
			out = append(out, i)
		}
	}
	for _, name := range q.Columns {
		i := slices.IndexFunc(specs, func(s columnSpec) bool { return s.info.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("scan the store: no column %q: `xcapa fields` lists them", name)
		}
		out = append(out, i)
	}
	return out, nil
}

// scanFile gives the rows of one file. more is false when yield wants no more.
func scanFile(ctx context.Context, f *File, q *Query, columns []int, yield func(arrow.RecordBatch, error) bool) (more bool, err error) {
	pr, err := file.OpenParquetFile(f.Path, false)
	if err != nil {
		return false, err
	}
	defer pr.Close()
	// The packet time is read for choosing rows even if it was not asked for.
	read := columns
	if !slices.Contains(columns, timeColumn) {
		read = append(slices.Clone(columns), timeColumn)
	}
	groups := rowGroups(pr, q)
	if len(groups) == 0 {
		return true, nil
	}
	ar, err := pqarrow.NewFileReader(pr, pqarrow.ArrowReadProperties{BatchSize: batchRows}, memory.DefaultAllocator)
	if err != nil {
		return false, err
	}
	rr, err := ar.GetRecordReader(ctx, read, groups)
	if err != nil {
		return false, err
	}
	defer rr.Release()
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		batch, err := rr.Read()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		out := choose(batch, q, columns)
		more := out.NumRows() == 0 || yield(out, nil)
		out.Release()
		if !more {
			return false, nil
		}
	}
}

// rowGroups are the row groups that can hold a wanted row, by the statistics
// of the packet time.
func rowGroups(pr *file.Reader, q *Query) (out []int) {
	for i := range pr.NumRowGroups() {
		stats, err := timeStatistics(pr.MetaData().RowGroup(i))
		if err == nil && stats != nil && stats.HasMinMax() && q.empty(stats.Min(), stats.Max()) {
			continue
		}
		out = append(out, i)
	}
	return out
}

func timeStatistics(rg *metadata.RowGroupMetaData) (*metadata.Int64Statistics, error) {
	chunk, err := rg.ColumnChunk(timeColumn)
	if err != nil {
		return nil, err
	}
	stats, err := chunk.Statistics()
	if err != nil {
		return nil, err
	}
	s, _ := stats.(*metadata.Int64Statistics)
	return s, nil
}

// choose cuts a batch, whose rows are in order of time, to the wanted times
// and columns.
func choose(batch arrow.RecordBatch, q *Query, columns []int) arrow.RecordBatch {
	times := batch.Column(batch.Schema().FieldIndices(record.NameNanos)[0]).(*array.Timestamp)
	n := times.Len()
	from, to := 0, n
	if q.From != 0 {
		from = sort.Search(n, func(i int) bool { return int64(times.Value(i)) >= q.From })
	}
	if q.To != 0 {
		to = max(from, sort.Search(n, func(i int) bool { return int64(times.Value(i)) >= q.To }))
	}
	cut := batch.NewSlice(int64(from), int64(to))
	defer cut.Release()
	fields := make([]arrow.Field, len(columns))
	arrays := make([]arrow.Array, len(columns))
	for i, c := range columns {
		at := cut.Schema().FieldIndices(specs[c].info.Name)[0]
		fields[i], arrays[i] = cut.Schema().Field(at), cut.Column(at)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, cut.NumRows())
}

// Count is how many rows q chooses. Only files at its edges are read.
func (d *Dataset) Count(ctx context.Context, q Query) (int64, error) {
	var n int64
	edges := Dataset{dir: d.dir}
	for _, f := range d.files {
		switch {
		case q.covers(f.MinTime, f.MaxTime):
			n += f.Rows
		case !q.empty(f.MinTime, f.MaxTime):
			edges.files = append(edges.files, f)
		}
	}
	q.Columns = []string{record.NameNanos}
	for batch, err := range edges.Scan(ctx, q) {
		if err != nil {
			return 0, err
		}
		n += batch.NumRows()
	}
	return n, nil
}

// Distinct is how many different values a column has in the rows that q
// chooses, nulls left out. It holds them all in memory.
func (d *Dataset) Distinct(ctx context.Context, q Query, column string) (int64, error) {
	seen := map[string]struct{}{}
	q.Columns = []string{column}
	for batch, err := range d.Scan(ctx, q) {
		if err != nil {
			return 0, err
		}
		values := batch.Column(0)
		for i := range values.Len() {
			if values.IsValid(i) {
				seen[values.ValueStr(i)] = struct{}{}
			}
		}
	}
	return int64(len(seen)), nil
}
