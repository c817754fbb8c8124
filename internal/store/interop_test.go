//go:build interop

package store

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/google/go-cmp/cmp"

	"xcapa/internal/codec"
	"xcapa/internal/record"
)

// pythonPackages are what testdata/interop.py reads a store with.
var pythonPackages = []string{"pyarrow==26.0.1", "duckdb==2.0.0"}

// python returns an interpreter that has pythonPackages: $XCAPA_TEST_PYTHON,
// else one in a virtual environment in the user's cache, made once.
func python(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("XCAPA_TEST_PYTHON"); p != "" {
		return p
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	venv := filepath.Join(cache, "xcapa-interop", strings.Join(pythonPackages, "+"))
	bin := filepath.Join(venv, "bin", "python")
	if exec.Command(bin, "-c", "import pyarrow, duckdb").Run() == nil {
		return bin
	}
	if out, err := exec.Command("python3", "-m", "venv", venv).CombinedOutput(); err != nil {
		t.Skipf("nothing was read by another program: python3 -m venv: %v: %s", err, out)
	}
	args := append([]string{"-m", "pip", "install", "--quiet"}, pythonPackages...)
	if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
		t.Skipf("nothing was read by another program: pip install %s: %v: %s", pythonPackages, err, out)
	}
	return bin
}

// answer is what one program says of the store.
type answer struct {
	Rows   int64
	IDs    int64
	AtHour int64 `json:"at_hour"`
	Nulls  map[string]int64
	Types  map[string]string
	Bytes  int64
	Row    map[string]any
	Found  int
}

// pyarrow and DuckDB see the rows, the nulls, the types, the folders and every
// field of one row as they were written.
func TestOtherProgramsReadTheStore(t *testing.T) {
	py := python(t)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "xcapa.packets", 0, 0)
	g := newGenerator(1, 3)
	g.step = int64(time.Second) / 2 // 20,000 rows span three hours
	want := answer{Nulls: map[string]int64{"topic": 0}, Found: 1}
	var one codec.Row
	count := func(rows []codec.Row) {
		for i := range rows {
			want.Rows++
			want.Bytes += int64(rows[i].OrigLen)
			for c := range specs {
				if expect(specs[c].info, &rows[i]) == array.NullValueStr {
					want.Nulls[specs[c].info.Name]++
				}
			}
		}
	}
	store := func(offset int64, rows []codec.Row) {
		if err := s.Write(t.Context(), testMessage("xcapa.packets", 0, offset), rows, func() {}); err != nil {
			t.Fatal(err)
		}
		count(rows)
	}
	for o := range int64(20) {
		rows := g.block(1000)
		for i := range rows {
			if hourOf(rows[i].TimestampNanos) == hourOf(testStart)+1 {
				want.AtHour++
			}
			if one.ID == nil && rows[i].TCPOptions != nil && rows[i].Present.Has(record.ByName("tcp_options").Field) {
				one = clone(rows[i])
			}
		}
		store(o, rows)
	}
	flush(t, s)
	// A window that spans too many hours for a folder each.
	g.step = nanosPerHour
	store(20, g.block(60))
	flush(t, s)
	want.IDs = want.Rows
	want.Nulls["date"], want.Nulls["hour"] = 60, 60

	out, err := exec.Command(py, "testdata/interop.py", dir, string(one.ID), "2026-11-23", "06").Output()
	if err != nil {
		t.Fatalf("interop.py: %v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var got map[string]answer
	dec := json.NewDecoder(strings.NewReader(string(out)))
	dec.UseNumber()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, program := range []string{"pyarrow", "duckdb"} {
		a := got[program]
		if a.Rows != want.Rows || a.IDs != want.IDs || a.AtHour != want.AtHour || a.Bytes != want.Bytes || a.Found != 1 {
			t.Errorf("%s: rows %d ids %d at hour %d bytes %d found %d; want %d %d %d %d 1",
				program, a.Rows, a.IDs, a.AtHour, a.Bytes, a.Found, want.Rows, want.IDs, want.AtHour, want.Bytes)
		}
		for c := range specs { // a null count of 0 is not in want
			if name := specs[c].info.Name; a.Nulls[name] != want.Nulls[name] {
				t.Errorf("%s: %d nulls in %s, want %d", program, a.Nulls[name], name, want.Nulls[name])
			}
		}
		checkOneRow(t, program, a.Row, &one)
	}
	pins := map[string][2]string{ // pyarrow, DuckDB
		"packet_timestamp_in_nanos": {"timestamp[ns, tz=UTC]", "TIMESTAMPTZ_NS"},
		"record_id":                 {"string", "VARCHAR"},
		"src_ip":                    {"string", "VARCHAR"},
		"src_mac":                   {"string", "VARCHAR"},
		"src_port":                  {"uint16", "USMALLINT"},
		"capture_sequence":          {"uint64", "UBIGINT"},
		"source_offset":             {"int64", "BIGINT"},
		"tcp_options":               {"binary", "BLOB"},
		"decode_status":             {"string", "VARCHAR"},
	}
	for name, types := range pins {
		if diff := cmp.Diff(types, [2]string{got["pyarrow"].Types[name], got["duckdb"].Types[name]}); diff != "" {
			t.Errorf("type of %s: %s", name, diff)
		}
	}
}

// checkOneRow compares every field of a row as a program showed it.
func checkOneRow(t *testing.T, program string, got map[string]any, want *codec.Row) {
	t.Helper()
	for c := range specs {
		in := specs[c].info
		text := array.NullValueStr
		if v := got[in.Name]; v != nil {
			text = fmt.Sprint(v)
		}
		w := expect(in, want)
		if in.Name == record.NameNanos {
			w = fmt.Sprint(want.TimestampNanos)
		}
		if text != w {
			t.Errorf("%s: %s of %s is %q, want %q", program, in.Name, want.ID, text, w)
		}
	}
}
