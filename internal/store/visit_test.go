package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"

	"xcapa/internal/codec"
	"xcapa/internal/record"
)

// manyGroups writes blocks of 1,000 rows of two queues to one file and opens
// the store.
func manyGroups(t *testing.T, blocks int64) (dir string, d *Dataset) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	queues := []*generator{newGenerator(1, 0), newGenerator(2, 1)}
	for o := range blocks {
		if err := s.Write(t.Context(), testMessage("t", 0, o), queues[o%2].block(1000), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	s.Close()
	return dir, checkRows(t, dir, blocks*1000)
}

// Every row group is visited once, whatever the number of workers, and no
// frontier is beyond a row that is still to come.
func TestGroupsAreVisitedOnce(t *testing.T) {
	dir, _ := manyGroups(t, 260)
	for p := range int32(3) { // other partitions, whose times overlap
		s, err := New(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		assign(t, s, "t", p+1, 0)
		write(t, s, "t", p+1, 0, 50)
		flush(t, s)
		s.Close()
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 2, 5} {
		var mu sync.Mutex
		var starts []int64
		rows, emitted := int64(0), int64(-1<<62)
		r, err := d.Groups(t.Context(), Query{}, workers, func(_ int, g *Group) error {
			a, err := g.Column(record.NameNanos)
			if err != nil || a.Len() != g.Rows() {
				return errors.Join(err, errors.New("column of another length"))
			}
			mu.Lock()
			defer mu.Unlock()
			if g.MinTime() < emitted {
				t.Errorf("row group from %d, but rows before %d were promised not to come", g.MinTime(), emitted)
			}
			rows += int64(g.Rows())
			starts = append(starts, g.MinTime())
			// What the group itself has is known now: others are promised.
			emitted = max(emitted, min(g.Frontier(), g.MinTime()))
			return nil
		})
		if err != nil || rows != r.Rows || r.GroupsVisited != r.Groups || r.FilesRead != 4 || r.ColumnsRead != r.Groups {
			t.Fatalf("%d workers: %d rows, %+v, %v", workers, rows, r, err)
		}
		if workers == 1 && !slices.IsSorted(starts) {
			t.Errorf("visited in the order %v", starts)
		}
	}
}

// A question about an hour does not look into the files of others, one about
// values leaves row groups by their bounds.
func TestGroupsLeavesOut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	for hour := range int64(5) {
		rows := plainRows(0, hour)
		for i := range rows {
			rows[i].TimestampNanos += hour * nanosPerHour
			rows[i].OrigLen = uint32(100 * hour)
		}
		if err := s.Write(t.Context(), testMessage("t", 0, hour), rows, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	q := Query{From: testStart + nanosPerHour, To: testStart + 3*nanosPerHour}
	d, err := OpenFor(dir, q)
	if err != nil {
		t.Fatal(err)
	}
	visit := func(_ int, g *Group) error { return nil }
	r, err := d.Groups(t.Context(), q, 2, visit)
	if err != nil || r.Files != 5 || r.FilesByFolder != 2 || r.FilesByFooter != 1 || r.GroupsVisited != 2 {
		t.Errorf("two of five hours: %+v, %v", r, err)
	}
	q = Query{MayMatch: func(b Bounds) bool {
		_, highest, ok := b.Integers(record.NameFrameLength)
		return !ok || highest >= 300
	}}
	if d, err = OpenFor(dir, q); err != nil {
		t.Fatal(err)
	}
	r, err = d.Groups(t.Context(), q, 2, visit)
	if err != nil || r.Groups != 5 || r.GroupsByBounds != 3 || r.GroupsVisited != 2 {
		t.Errorf("lengths from 300 on: %+v, %v", r, err)
	}
}

// Bounds are those of the rows, in the width and sign of the column.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	rows := make([]codec.Row, 2)
	origin := &record.Origin{Host: "h", Run: "0123456789ab", Interface: "eth1", Queue: 3}
	for i := range rows {
		r := &rows[i]
		r.Origin, r.ID, r.TimestampNanos = origin, []byte{'a' + byte(i)}, testStart-int64(i)
		r.OrigLen = []uint32{5, 1<<32 - 1}[i]
		r.SetUint(record.FieldSequence, []uint64{1, 1<<64 - 1}[i])
		set(&r.Packet, record.FieldSequence)
	}
	if err := s.Write(t.Context(), testMessage("t", 0, 0), rows, func() {}); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Groups(t.Context(), Query{}, 1, func(_ int, g *Group) error {
		for name, want := range map[string][2]int64{
			record.NameNanos: {testStart - 1, testStart}, record.NameFrameLength: {5, 1<<32 - 1}, "capture_sequence": {1, -1}, record.NameQueue: {3, 3},
		} {
			if lowest, highest, ok := g.Integers(name); !ok || lowest != want[0] || highest != want[1] {
				t.Errorf("%s: %d to %d, %v; want %v", name, lowest, highest, ok, want)
			}
		}
		if lowest, highest, ok := g.Texts(record.NameID); !ok || lowest != "a" || highest != "b" {
			t.Errorf("record_id: %q to %q, %v", lowest, highest, ok)
		}
		for name, want := range map[string]int64{"src_ip": 2, "capture_sequence": 0, record.NameNanos: 0} {
			if nulls, n, ok := g.Nulls(name); !ok || nulls != want || n != 2 {
				t.Errorf("%s: %d of %d null, %v; want %d", name, nulls, n, ok, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Bytes that are wrong in one column chunk end the question with the file's
// name, or leave out that row group alone.
func TestDamagedRowGroup(t *testing.T) {
	dir, d := manyGroups(t, 260)
	path := d.Files()[0].Path
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	rg := r.MetaData().RowGroup(1)
	chunk, err := rg.ColumnChunk(r.MetaData().Schema.ColumnIndexByName("src_ip"))
	if err != nil {
		t.Fatal(err)
	}
	at, lost := chunk.DataPageOffset()+chunk.TotalCompressedSize()/2, rg.NumRows()
	r.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		b[at+int64(i)] ^= 0x5a
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	read := func(_ int, g *Group) error { _, err := g.Column("src_ip"); return err }
	var damage *DamageError
	if _, err := d.Groups(t.Context(), Query{}, 2, read); !errors.As(err, &damage) || damage.Path != path || !strings.Contains(err.Error(), "row group 1") {
		t.Errorf("got %v, want a DamageError that names row group 1 of %s", err, path)
	}
	rep, err := d.Groups(t.Context(), Query{SkipDamaged: true}, 2, read)
	if err != nil || len(rep.Damaged) != 1 || rep.RowsVisited != rep.Rows-lost {
		t.Errorf("left out: %+v, %v; want all but %d rows", rep, err, lost)
	}
	other := func(_ int, g *Group) error { _, err := g.Column("dst_ip"); return err }
	if rep, err := d.Groups(t.Context(), Query{}, 2, other); err != nil || rep.RowsVisited != rep.Rows {
		t.Errorf("another column: %+v, %v", rep, err)
	}
}

// A store is asked while its writer is open, and files that the writer removes
// meanwhile are counted and not missed.
func TestGroupsWhileWriting(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Window: time.Hour})
	assign(t, s, "t", 0, 0)
	write(t, s, "t", 0, 0, 9)
	flush(t, s)
	write(t, s, "t", 0, 10, 19) // in memory
	d := checkRows(t, dir, rowsOf(0, 9))
	if err := os.Remove(d.Files()[0].Path); err != nil {
		t.Fatal(err)
	}
	r, err := d.Groups(t.Context(), Query{}, 2, func(_ int, g *Group) error { _, err := g.Column("src_ip"); return err })
	if err != nil || r.Gone != 1 || r.GroupsVisited != 0 {
		t.Errorf("%+v, %v; want one file gone", r, err)
	}
	if n, _ := filepath.Glob(filepath.Join(dir, "topic=t", "*", "*", "*.parquet")); len(n) != 0 {
		t.Errorf("files %v", n)
	}
}
