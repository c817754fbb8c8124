package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"xcapa/internal/record"
)

// batchRows is the most rows of a batch that Scan gives.
const batchRows = 1 << 14

// Query chooses rows and columns.
type Query struct {
	From    int64    // packet time of the first row wanted, ns since 1970; 0: from the beginning
	To      int64    // packet time of the first row not wanted any more; 0: to the end
	Columns []string // names of the table of fields, in the order wanted; nil: all
	// MayMatch reports whether a place of these bounds can hold a wanted row; it
	// is asked for folders, files and row groups, and what it refuses is not
	// read. nil: every place can.
	MayMatch func(b Bounds) bool
	// SkipDamaged leaves out files and row groups that cannot be read, and has
	// them counted, instead of failing.
	SkipDamaged bool
}

func (q *Query) empty(minTime, maxTime int64) bool {
	return q.From != 0 && maxTime < q.From || q.To != 0 && minTime >= q.To
}

func (q *Query) covers(minTime, maxTime int64) bool {
	return (q.From == 0 || q.From <= minTime) && (q.To == 0 || maxTime < q.To)
}

// mayHold reports whether a place whose packets lie between two times can hold
// a wanted row.
func (q *Query) mayHold(minTime, maxTime int64) bool {
	return !q.empty(minTime, maxTime) && (q.MayMatch == nil || q.MayMatch(timeBounds{minTime, maxTime}))
}

// Scan gives the rows that q chooses by time, in batches: row group after row
// group in order of their first packet, in order of time within one. Files and
// row groups without a wanted row are not read. After an error the scan ends.
func (d *Dataset) Scan(ctx context.Context, q Query) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		columns, err := q.columnNames()
		if err != nil {
			yield(nil, err)
			return
		}
		if _, err := d.Groups(ctx, q, 1, func(_ int, g *Group) error {
			return g.scan(&q, columns, yield)
		}); err != nil && err != errStop {
			yield(nil, fmt.Errorf("scan the store: %w", err))
		}
	}
}

// errStop ends a visit whose caller wants no more.
var errStop = fmt.Errorf("no more rows wanted")

// columnNames are the columns asked for.
func (q *Query) columnNames() ([]string, error) {
	if q.Columns == nil {
		return Columns(), nil
	}
	for _, name := range q.Columns {
		if _, ok := specByName[name]; !ok {
			return nil, fmt.Errorf("scan the store: no column %q: `xcapa fields` lists them", name)
		}
	}
	return q.Columns, nil
}

// scan gives the rows of one row group, whose rows are in order of time.
func (g *Group) scan(q *Query, columns []string, yield func(arrow.RecordBatch, error) bool) error {
	from, to := 0, g.Rows()
	if !q.covers(g.MinTime(), g.MaxTime()) {
		a, err := g.Column(record.NameNanos)
		if err != nil {
			return err
		}
		from, to = q.cut(a.(*array.Timestamp))
	}
	if from == to {
		return nil
	}
	fields := make([]arrow.Field, len(columns))
	arrays := make([]arrow.Array, len(columns))
	for i, name := range columns {
		a, err := g.Column(name)
		if err != nil {
			return err
		}
		fields[i], arrays[i] = arrow.Field{Name: name, Type: a.DataType(), Nullable: specByName[name].nullable()}, a
	}
	all := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(g.Rows()))
	defer all.Release()
	for ; from < to; from += batchRows {
		batch := all.NewSlice(int64(from), int64(min(from+batchRows, to)))
		more := yield(batch, nil)
		batch.Release()
		if !more {
			return errStop
		}
	}
	return nil
}

// cut is the part of times, which are in order, that q wants.
func (q *Query) cut(times *array.Timestamp) (from, to int) {
	n := times.Len()
	to = n
	if q.From != 0 {
		from = sort.Search(n, func(i int) bool { return int64(times.Value(i)) >= q.From })
	}
	if q.To != 0 {
		to = max(from, sort.Search(n, func(i int) bool { return int64(times.Value(i)) >= q.To }))
	}
	return from, to
}

// Count is how many rows q chooses by time. Only files at its edges are read.
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
// chooses by time, nulls left out. It holds them all in memory.
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

// Columns are the names of the stored columns, in the order of the table of
// fields.
func Columns() []string {
	out := make([]string, len(specs))
	for i := range specs {
		out[i] = specs[i].info.Name
	}
	return out
}

// specByName finds a column's place.
var specByName = func() map[string]*columnSpec {
	m := make(map[string]*columnSpec, len(specs))
	for i := range specs {
		m[specs[i].info.Name] = &specs[i]
	}
	return m
}()

// groupsOf lists the row groups of files that q may want, by the times in
// their footers, in order of their first packet.
func (d *Dataset) groupsOf(q *Query) (out []groupRef) {
	for i := range d.files {
		f := &d.files[i]
		if !q.mayHold(f.MinTime, f.MaxTime) {
			continue
		}
		for n, g := range f.groups {
			if q.mayHold(g.minTime, g.maxTime) {
				out = append(out, groupRef{f, n})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b groupRef) int {
		return compareTimes(a.info(), b.info())
	})
	return out
}
