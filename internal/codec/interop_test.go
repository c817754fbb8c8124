//go:build interop

package codec

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

const pyarrow = "pyarrow==26.0.1"

// python returns an interpreter that has pyarrow: $XCAPA_TEST_PYTHON, else one
// in a virtual environment in the user's cache, made once.
func python(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("XCAPA_TEST_PYTHON"); p != "" {
		return p
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	venv := filepath.Join(cache, "xcapa-interop", pyarrow)
	bin := filepath.Join(venv, "bin", "python")
	if exec.Command(bin, "-c", "import pyarrow").Run() == nil {
		return bin
	}
	for _, args := range [][]string{{"python3", "-m", "venv", venv}, {bin, "-m", "pip", "install", "--quiet", pyarrow}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no block was read by pyarrow: %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	return bin
}

// pyarrow reads every block as the rows that went in, to the last value.
func TestInteropPyarrowReadsBlocks(t *testing.T) {
	py := python(t)
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(51, 52))
	blocks := map[string][]record.Record{"tcp": tcpRecords(MaxBlockRows, true), "mixed": mixedRecords(MaxBlockRows), "edges": edgeRecords(t)}
	for _, n := range rowCounts {
		rows := make([]record.Record, n)
		for i := range rows {
			randomRecord(rng, &rows[i], packet.FieldSet(rng.Uint64())&allFields)
		}
		blocks[fmt.Sprintf("random%d", n)] = rows
	}
	for name, rows := range blocks {
		if err := os.WriteFile(filepath.Join(dir, name+".arrow"), blockMessage(rows, captured).Value, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(py, "testdata/interop/read_arrow.py", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read_arrow.py: %v", err)
	}
	// One object a block: name, pyarrow's types, and a list of rows.
	var answers map[string]struct {
		Types map[string]string
		Rows  []map[string]any
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	dec.UseNumber()
	if err := dec.Decode(&answers); err != nil {
		t.Fatal(err)
	}
	for name, rows := range blocks {
		got := answers[name]
		if len(got.Rows) != len(rows) {
			t.Fatalf("%s: pyarrow reads %d rows, want %d", name, len(got.Rows), len(rows))
		}
		for _, c := range record.Columns() {
			if want := pyarrowType(c.Arrow); got.Types[c.Name] != want {
				t.Fatalf("%s: pyarrow says %s is %s, want %s", name, c.Name, got.Types[c.Name], want)
			}
			for i := range rows {
				if g, w := fmt.Sprint(got.Rows[i][c.Name]), pyarrowValue(&rows[i], &c); g != w {
					t.Fatalf("%s row %d: pyarrow reads %s as %s, want %s", name, i, c.Name, g, w)
				}
			}
		}
		if got, want := len(got.Types), len(record.Columns()); got != want {
			t.Fatalf("%s: pyarrow reads %d columns, want %d", name, got, want)
		}
	}
}

func pyarrowType(t record.ArrowType) string {
	switch t {
	case record.ArrowTimestamp:
		return "timestamp[ns, tz=UTC]"
	case record.ArrowFixed6, record.ArrowFixed16:
		return fmt.Sprintf("fixed_size_binary[%d]", t.Width())
	}
	return t.String()
}

// pyarrowValue is a value as read_arrow.py prints it: numbers, bytes in hex.
func pyarrowValue(r *record.Record, c *record.Info) string {
	switch {
	case c.Name == record.NameNanos:
		return fmt.Sprint(r.TimestampNanos)
	case c.Name == record.NameFrameLength:
		return fmt.Sprint(r.OrigLen)
	case c.Name == record.NameCapturedLength:
		return fmt.Sprint(r.CapLen)
	case !r.Present.Has(c.Field):
		return "<nil>"
	case c.Arrow == record.ArrowBinary || c.Arrow == record.ArrowFixed6 || c.Arrow == record.ArrowFixed16:
		return fmt.Sprintf("%x", r.Bytes(c.Field))
	case c.Arrow == record.ArrowInt64:
		return fmt.Sprint(int64(r.Uint(c.Field)))
	}
	return fmt.Sprint(r.Uint(c.Field))
}

// Our reader reads what pyarrow writes of the same table.
func TestInteropReadsPyarrow(t *testing.T) {
	py := python(t)
	dir := t.TempDir()
	rows := append(mixedRecords(300), edgeRecords(t)...)
	from, to := filepath.Join(dir, "in.arrow"), filepath.Join(dir, "out")
	m := blockMessage(rows, captured)
	if err := os.WriteFile(from, m.Value, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(py, "testdata/interop/write_arrow.py", from, to).CombinedOutput(); err != nil {
		t.Fatalf("write_arrow.py: %v: %s", err, out)
	}
	value, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	m.Value = value
	checkRows(t, NewReader(EncodingAuto), m, rows, captured)
}
