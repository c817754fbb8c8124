package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"pgregory.net/rapid"

	"xcapa/internal/codec"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// expect is what a column should hold for a row, as text; "(null)" for none.
// It is written from the description of the fields, not from the columns.
func expect(in *record.Info, row *codec.Row) string {
	r := &row.Record
	if in.Field != record.NoField && !r.Present.Has(in.Field) {
		return array.NullValueStr
	}
	switch in.Name {
	case record.NameID:
		return string(row.ID)
	case record.NameNanos:
		return time.Unix(0, r.TimestampNanos).UTC().Format("2006-01-02T15:04:05.999999999Z")
	case record.NameFrameLength:
		return strconv.Itoa(int(r.OrigLen))
	case record.NameCapturedLength:
		return strconv.Itoa(int(r.CapLen))
	case record.NameHost:
		return orNull(row.Origin.Host)
	case record.NameInterface:
		return orNull(row.Origin.Interface)
	case record.NameQueue:
		if row.Origin.Source != "" {
			return array.NullValueStr
		}
		return strconv.Itoa(row.Origin.Queue)
	case "source_offset":
		return strconv.FormatInt(r.SourceOffset, 10)
	case "decode_status":
		return r.Status.String()
	case "ip_checksum_status":
		return r.IPChecksumStatus.String()
	case "transport_checksum_status":
		return r.TransportChecksumStatus.String()
	case "arp_sender_ip", "arp_target_ip":
		v := r.Uint(in.Field)
		return fmt.Sprintf("%d.%d.%d.%d", v>>24&255, v>>16&255, v>>8&255, v&255)
	}
	switch in.Arrow {
	case record.ArrowFixed6:
		return net.HardwareAddr(r.Bytes(in.Field)).String()
	case record.ArrowFixed16:
		return netip.AddrFrom16([16]byte(r.Bytes(in.Field))).Unmap().String()
	case record.ArrowBinary:
		return hex.EncodeToString(r.Bytes(in.Field))
	}
	return strconv.FormatUint(r.Uint(in.Field), 10)
}

func orNull(s string) string {
	if s == "" {
		return array.NullValueStr
	}
	return s
}

// clone keeps a row beyond the generator's next block.
func clone(row codec.Row) codec.Row {
	row.ID = slices.Clone(row.ID)
	return row
}

// checkColumns compares every column of the store with the rows it was given,
// found by record_id.
func checkColumns(t testing.TB, dir string, want []codec.Row) {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*codec.Row{}
	for i := range want {
		byID[string(want[i].ID)] = &want[i]
	}
	seen := 0
	for batch, err := range d.Scan(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if int(batch.NumCols()) != len(specs) {
			t.Fatalf("%d columns, want %d", batch.NumCols(), len(specs))
		}
		ids := batch.Column(batch.Schema().FieldIndices(record.NameID)[0])
		for i := range int(batch.NumRows()) {
			row := byID[ids.ValueStr(i)]
			if row == nil {
				t.Fatalf("row %q was never written, or is there twice", ids.ValueStr(i))
			}
			delete(byID, ids.ValueStr(i))
			seen++
			for c := range specs {
				in := specs[c].info
				got := batch.Column(c).ValueStr(i)
				if b, ok := batch.Column(c).(*array.Binary); ok && b.IsValid(i) {
					got = hex.EncodeToString(b.Value(i))
				}
				if w := expect(in, row); got != w {
					t.Fatalf("row %s, %s: got %q, want %q", row.ID, in.Name, got, w)
				}
			}
		}
	}
	if seen != len(want) {
		t.Fatalf("%d rows, want %d", seen, len(want))
	}
}

func TestEveryColumnComesBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	var want []codec.Row
	generators := []*generator{newGenerator(1, 0), newGenerator(2, 1), newGenerator(3, 2)}
	generators[1].origin.Host = ""
	generators[2].origin = record.Origin{Host: "importer", Source: "fedcba987654"}
	for o := range int64(90) {
		g := generators[o%3]
		rows := g.block(int(1 + o%7*40))
		for i := range rows {
			r := &rows[i].Record
			if g.origin.Source != "" { // of a file: an offset instead of a sequence
				r.Present &^= 1 << record.FieldSequence
				r.SourceOffset, r.SourceRow = int64(r.Sequence), uint32(r.Sequence)
				set(&r.Packet, record.FieldSourceOffset, record.FieldSourceRow)
				rows[i].ID = record.AppendID(rows[i].ID[:0], r, rows[i].Origin)
			}
			want = append(want, clone(rows[i]))
		}
		if err := s.Write(t.Context(), testMessage("t", 0, o), rows, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	checkColumns(t, dir, want)
}

// Any bits in any record: nothing is lost, changed or refused.
func TestAnyRecordComesBack(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir := filepath.Join(base, strconv.Itoa(n))
		s, err := New(dir, Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		if err := s.Assigned("t", 0, 0); err != nil {
			rt.Fatal(err)
		}
		var want []codec.Row
		for o := range int64(rapid.IntRange(1, 3).Draw(rt, "messages")) {
			rows := make([]codec.Row, rapid.IntRange(0, 10).Draw(rt, "rows"))
			origin := &record.Origin{
				Host: rapid.StringMatching(`[a-z]{0,3}`).Draw(rt, "host"), Interface: rapid.StringMatching(`[a-z]{0,3}`).Draw(rt, "interface"),
				Queue: int(rapid.Int16Min(0).Draw(rt, "queue")), Source: rapid.StringMatching(`[a-z]{0,3}`).Draw(rt, "source"),
			}
			for i := range rows {
				rows[i].Origin = origin
				rows[i].ID = fmt.Appendf(nil, "%d-%d", o, i)
				anyRecord(rt, &rows[i].Record)
			}
			want = append(want, rows...)
			if err := s.Write(t.Context(), testMessage("t", 0, o), rows, func() {}); err != nil {
				rt.Fatal(err)
			}
		}
		if err := s.Flush(t.Context()); err != nil {
			rt.Fatal(err)
		}
		checkColumns(t, dir, want)
		if err := os.RemoveAll(dir); err != nil {
			rt.Fatal(err)
		}
	})
}

// anyRecord fills r with values of any kind, a status within its names.
func anyRecord(t *rapid.T, r *record.Record) {
	r.TimestampNanos = rapid.OneOf(rapid.Int64(), rapid.Int64Range(testStart, testStart+1e9)).Draw(t, "time")
	r.OrigLen, r.CapLen = rapid.Uint32().Draw(t, "orig"), rapid.Uint32().Draw(t, "cap")
	bits := rapid.SliceOfN(rapid.Uint64(), 8, 8).Draw(t, "bits")
	for f := packet.Field(0); f < record.NumFields; f++ {
		if bits[0]>>f&1 == 0 {
			continue
		}
		r.Present |= 1 << f
		v := bits[1+f%7] * uint64(f+1)
		r.SetUint(f, v)
		r.SetBytes(f, fmt.Appendf(nil, "%016x", v)[:rapid.IntRange(0, 16).Draw(t, "len")])
	}
	r.Status %= packet.NumStatus
	r.IPChecksumStatus %= 4
	r.TransportChecksumStatus %= 4
}

// The rows of a window that spans hours become a file for each, all of the
// same offsets; beyond 48 hours, one file that names none.
func TestOneFileForEachHour(t *testing.T) {
	for _, c := range []struct {
		hours   int
		folders int
	}{{1, 1}, {2, 2}, {48, 48}, {49, 1}, {200, 1}} {
		t.Run(fmt.Sprint(c.hours), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Options{})
			assign(t, s, "t", 0, 0)
			var want []codec.Row
			for o := range int64(c.hours) {
				rows := plainRows(0, o)
				for i := range rows { // backwards, so that sorting shows
					rows[i].TimestampNanos = testStart - o*nanosPerHour + int64(i)
				}
				want = append(want, rows...)
				if err := s.Write(t.Context(), testMessage("t", 0, o), rows, func() {}); err != nil {
					t.Fatal(err)
				}
			}
			flush(t, s)
			checkColumns(t, dir, want)
			d := checkRows(t, dir, rowsOf(0, int64(c.hours)-1))
			if n := len(d.Files()); n != c.folders {
				t.Fatalf("%d files, want %d", n, c.folders)
			}
			for _, f := range d.Files() {
				where := filepath.ToSlash(strings.TrimPrefix(f.Path, dir))
				first, last := time.Unix(0, f.MinTime).UTC(), time.Unix(0, f.MaxTime).UTC()
				if c.folders == 1 && c.hours > 1 {
					if !strings.Contains(where, "date=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__/") {
						t.Errorf("file %s spans %s to %s", where, first, last)
					}
				} else if in := first.Format("/date=2006-01-02/hour=15/"); !strings.Contains(where, in) || first.Truncate(time.Hour) != last.Truncate(time.Hour) {
					t.Errorf("file %s holds packets from %s to %s", where, first, last)
				}
			}
			s.Close()
			again := open(t, dir, Options{}) // every part goes when the window is not committed
			assign(t, again, "t", 0, 0)
			checkRows(t, dir, 0)
		})
	}
}

func TestScanByTime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	for o := int64(0); o < 100; o += 10 {
		write(t, s, "t", 0, o, o+9)
		flush(t, s)
	}
	d := checkRows(t, dir, rowsOf(0, 99))
	at := func(o int64) int64 { return testStart + o*1e6 } // message o's first packet
	for _, c := range []struct {
		q    Query
		want int64
	}{
		{Query{}, rowsOf(0, 99)},
		{Query{From: at(0), To: at(100)}, rowsOf(0, 99)},
		{Query{From: at(15), To: at(16)}, rowsOf(15, 15)},
		{Query{From: at(15), To: at(37)}, rowsOf(15, 36)},
		{Query{From: at(95)}, rowsOf(95, 99)},
		{Query{To: at(5)}, rowsOf(0, 4)},
		{Query{From: at(16) - 1, To: at(16)}, 0},
		{Query{From: at(1000)}, 0},
		{Query{To: at(0)}, 0},
	} {
		if got, err := d.Count(t.Context(), c.q); err != nil || got != c.want {
			t.Errorf("Count(%+v) = %d, %v; want %d", c.q, got, err, c.want)
		}
		c.q.Columns = []string{"src_ip", record.NameID}
		var got, last int64
		for batch, err := range d.Scan(t.Context(), c.q) {
			if err != nil {
				t.Fatal(err)
			}
			if batch.NumCols() != 2 || batch.ColumnName(0) != "src_ip" || batch.ColumnName(1) != record.NameID {
				t.Fatalf("columns %v", batch.Schema())
			}
			got += batch.NumRows()
			last = max(last, batch.NumRows())
		}
		if got != c.want {
			t.Errorf("Scan(%+v) gives %d rows, want %d", c.q, got, c.want)
		}
	}
	for _, err := range d.Scan(t.Context(), Query{Columns: []string{"nonsense"}}) {
		if err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("unknown column: error %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Distinct(ctx, Query{}, record.NameID); err == nil {
		t.Error("Distinct with a context that ended: no error")
	}
}

// A scan that is left early, and one of more than one row group, whose rows
// are in order of time and whose row groups are skipped by their statistics.
func TestScanOfManyRows(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	queues := []*generator{newGenerator(1, 0), newGenerator(2, 1)}
	const blocks, size = 260, 1000
	for o := range int64(blocks) {
		if err := s.Write(t.Context(), testMessage("t", 0, o), queues[o%2].block(size), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	d := checkRows(t, dir, blocks*size)
	last := int64(0)
	for batch, err := range d.Scan(t.Context(), Query{Columns: []string{record.NameNanos}}) {
		if err != nil {
			t.Fatal(err)
		}
		times := batch.Column(0).(*array.Timestamp)
		for i := range times.Len() {
			if int64(times.Value(i)) < last {
				t.Fatalf("row at %d behind one at %d", times.Value(i), last)
			}
			last = int64(times.Value(i))
		}
	}
	for range d.Scan(t.Context(), Query{}) {
		break
	}
	// The three row groups hold 122,880 + 122,880 + 14,240 rows.
	late := Query{From: last - 1}
	if n, err := d.Count(t.Context(), late); err != nil || n == 0 || n > 10 {
		t.Errorf("Count of the last ns = %d, %v", n, err)
	}
	r, err := d.Groups(t.Context(), late, 1, func(_ int, g *Group) error { return nil })
	if err != nil || r.Groups != 3 || r.GroupsByTime != 2 || r.GroupsVisited != 1 {
		t.Errorf("report for the last ns: %+v, %v; want 1 of 3 row groups", r, err)
	}
}

// A file cut short, and one of someone else, are named and not read.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	write(t, s, "t", 0, 0, 9)
	flush(t, s)
	path := checkRows(t, dir, rowsOf(0, 9)).Files()[0].Path
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += 1 + len(whole)/60 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Fatalf("Open with a file of %d of %d bytes: %v, want an error that names it", n, len(whole), err)
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "notes.parquet"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	checkRows(t, dir, rowsOf(0, 9)) // a file that is not ours is passed over
}
