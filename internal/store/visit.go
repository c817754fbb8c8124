package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// Report says what answering a question read, and of how much.
type Report struct {
	Files         int // of the store
	FilesByFolder int // not looked into: their folder's hour is not wanted
	FilesByFooter int // looked into, and no row group of theirs wanted by its times
	FilesRead     int // opened for their rows
	Bytes         int64
	BytesRead     int64 // from the files of FilesRead, footers included

	Groups         int // row groups of the files looked into
	GroupsByTime   int // not wanted by their times
	GroupsByBounds int // not wanted by other statistics
	GroupsVisited  int
	Rows           int64 // of the files looked into
	RowsVisited    int64

	Columns     int // columns a row group has
	ColumnsRead int // column chunks read, of GroupsVisited times Columns

	Damaged []*DamageError // left out, with Query.SkipDamaged
	Gone    int            // files removed while the question was answered
}

// visit is one run over the row groups of a question.
type visit struct {
	ctx   context.Context
	query *Query
	refs  []groupRef

	columnsRead, bytesRead atomic.Int64

	mu     sync.Mutex
	next   int          // of refs: the first that no worker has begun
	busy   map[int]bool // of refs: begun and not finished
	open   map[*File]*openFile
	left   map[*File]int // row groups still to be visited
	gone   map[*File]bool
	report Report
}

// openFile is a file that several goroutines read row groups of.
type openFile struct {
	os      *os.File
	parquet *file.Reader
	arrow   *pqarrow.FileReader
	once    sync.Once
	err     error
}

// Groups calls visit for every row group that q may want a row of, on as many
// goroutines as workers says (visit is told which), begun in order of first
// packets. It returns what was read. visit looks at rows itself: a row group can
// hold others than those wanted.
//
// An error of visit ends the run and is returned, but for one about a damaged
// row group where q.SkipDamaged is set: visit must have had no effect then.
func (d *Dataset) Groups(ctx context.Context, q Query, workers int, look func(worker int, g *Group) error) (*Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	v := &visit{ctx: ctx, query: &q, refs: d.groupsOf(&q),
		busy: map[int]bool{}, open: map[*File]*openFile{}, left: map[*File]int{}, gone: map[*File]bool{}}
	v.begin(d)
	var wg sync.WaitGroup
	for w := range min(workers, max(1, len(v.refs))) {
		wg.Go(func() {
			if err := v.work(w, look); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	v.closeAll()
	v.report.ColumnsRead, v.report.BytesRead = int(v.columnsRead.Load()), v.bytesRead.Load()
	return &v.report, context.Cause(ctx)
}

// begin counts what the footers and folders have ruled out.
func (v *visit) begin(d *Dataset) {
	for _, r := range v.refs {
		v.left[r.file]++
	}
	v.report = d.found
	v.report.Columns = len(specs)
	for i := range d.files {
		f := &d.files[i]
		v.report.Groups += len(f.groups)
		v.report.Rows += f.Rows
		if v.left[f] == 0 {
			v.report.FilesByFooter++
		}
	}
	v.report.GroupsByTime = v.report.Groups - len(v.refs)
}

// work visits row groups until there are none left.
func (v *visit) work(worker int, look func(int, *Group) error) error {
	for {
		i, ok := v.begun()
		if !ok {
			return nil
		}
		if err := context.Cause(v.ctx); err != nil {
			return err
		}
		err := v.one(worker, i, look)
		v.finished(i)
		if err != nil {
			return err
		}
	}
}

// begun takes the next row group.
func (v *visit) begun() (i int, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next == len(v.refs) {
		return 0, false
	}
	i = v.next
	v.next++
	v.busy[i] = true
	return i, true
}

func (v *visit) finished(i int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.busy, i)
}

// Frontier is the packet time before which no other row group has a row that is
// still to come: whoever wants rows in order of time keeps later ones back.
func (g *Group) Frontier() int64 {
	v := g.visit
	v.mu.Lock()
	defer v.mu.Unlock()
	frontier := int64(math.MaxInt64)
	if v.next < len(v.refs) {
		frontier = v.refs[v.next].info().minTime
	}
	for i := range v.busy {
		if i != g.place {
			frontier = min(frontier, v.refs[i].info().minTime)
		}
	}
	return frontier
}

func (v *visit) one(worker, i int, look func(int, *Group) error) error {
	ref := v.refs[i]
	f := v.take(ref.file)
	defer v.release(ref.file)
	err := f.err
	if err == nil {
		g := &Group{ref: ref, ctx: v.ctx, place: i, file: f, meta: f.parquet.MetaData().RowGroup(ref.number), visit: v}
		if v.query.MayMatch != nil && !v.query.MayMatch(g) {
			v.count(func(r *Report) { r.GroupsByBounds++ })
			return nil
		}
		if err = look(worker, g); err == nil {
			v.count(func(r *Report) { r.GroupsVisited++; r.RowsVisited += int64(g.Rows()) })
			return nil
		}
	}
	var damage *DamageError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.mu.Lock()
		defer v.mu.Unlock()
		if !v.gone[ref.file] {
			v.gone[ref.file] = true
			v.report.Gone++
		}
		return nil
	case errors.As(err, &damage) && v.query.SkipDamaged:
		v.count(func(r *Report) { r.Damaged = append(r.Damaged, damage) })
		return nil
	}
	return err
}

func (v *visit) count(change func(r *Report)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.report)
}

// take opens a file, or gives the one that is open.
func (v *visit) take(f *File) *openFile {
	v.mu.Lock()
	o := v.open[f]
	if o == nil {
		o = &openFile{}
		v.open[f] = o
	}
	v.mu.Unlock()
	o.once.Do(func() { o.err = o.start(f, v) })
	return o
}

// release closes a file behind its last row group.
func (v *visit) release(f *File) {
	v.mu.Lock()
	v.left[f]--
	o := v.open[f]
	if v.left[f] == 0 {
		delete(v.open, f)
	} else {
		o = nil
	}
	v.mu.Unlock()
	if o != nil {
		o.close()
	}
}

func (v *visit) closeAll() {
	for _, o := range v.open {
		o.close()
	}
}

func (o *openFile) close() {
	if o.os != nil {
		o.os.Close()
	}
}

func (o *openFile) start(f *File, v *visit) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &DamageError{f.Path, fmt.Errorf("%v", r)}
		}
	}()
	if o.os, err = os.Open(f.Path); err != nil {
		return err
	}
	if o.parquet, err = file.NewParquetReader(&countingFile{o.os, &v.bytesRead}); err != nil {
		return &DamageError{f.Path, err}
	}
	schema := o.parquet.MetaData().Schema
	props := pqarrow.ArrowReadProperties{}
	for i := range specs {
		if at := schema.ColumnIndexByName(specs[i].info.Name); at >= 0 && specs[i].dict && specs[i].text {
			props.SetReadDict(at, true)
		}
	}
	if o.arrow, err = pqarrow.NewFileReader(o.parquet, props, memory.DefaultAllocator); err != nil {
		return &DamageError{f.Path, err}
	}
	if n := o.parquet.NumRowGroups(); n != len(f.groups) {
		return &DamageError{f.Path, fmt.Errorf("it has %d row groups, and had %d when the store was opened", n, len(f.groups))}
	}
	v.count(func(r *Report) { r.FilesRead++ })
	return nil
}

// countingFile counts the bytes read.
type countingFile struct {
	*os.File
	read *atomic.Int64
}

func (c *countingFile) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.read.Add(int64(n))
	return n, err
}
