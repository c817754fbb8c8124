package elastic

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"xcapa/internal/codec"
	"xcapa/internal/record"
)

// TestBulkKeep: whatever subset of a run of items is kept, its bytes are those
// items' bytes one behind the other, and nothing outside the run moves.
func TestBulkKeep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &bulk{}
		n := rapid.IntRange(1, 30).Draw(t, "items")
		g := newGroup(testMessage(0), n, func() {})
		want := make([]string, n)
		for i := range n {
			row := testRow(fmt.Sprint(i), 0)
			row.JSON = bytes.Repeat([]byte("x"), rapid.IntRange(1, 20).Draw(t, "len"))
			b.appendRow(g, i, &row, "ix", &codec.JSONOptions{})
			want[i] = string(b.data[b.items[i].start:b.items[i].end])
		}
		lo := rapid.IntRange(0, n-1).Draw(t, "lo")
		hi := rapid.IntRange(lo+1, n).Draw(t, "hi")
		keep := rapid.SliceOfN(rapid.Bool(), hi-lo, hi-lo).Draw(t, "keep")
		var kept []string
		for i, k := range keep {
			if k {
				kept = append(kept, want[lo+i])
			}
		}
		left := b.keep(b.items[lo:hi], keep)
		if len(left) != len(kept) {
			t.Fatalf("%d items left, want %d", len(left), len(kept))
		}
		for i, it := range left {
			if got := string(b.data[it.start:it.end]); got != kept[i] {
				t.Errorf("item %d is %q, want %q", i, got, kept[i])
			}
			if b.index(it) != "ix" || !bytes.HasPrefix(b.document(it), []byte("x")) {
				t.Errorf("item %d: index %q, document %q", i, b.index(it), b.document(it))
			}
		}
		if len(left) > 0 && string(b.data[left[0].start:left[len(left)-1].end]) != strings.Join(kept, "") {
			t.Errorf("the run is %q", b.data[left[0].start:left[len(left)-1].end])
		}
		for i := range n {
			if i < lo || i >= hi {
				if got := string(b.data[b.items[i].start:b.items[i].end]); got != want[i] {
					t.Errorf("item %d outside the run became %q, was %q", i, got, want[i])
				}
			}
		}
	})
}

func TestAppendActionAllocatesNothing(t *testing.T) {
	b := &bulk{}
	g := newGroup(testMessage(0), 1, func() {})
	row := benchRow()
	opt := &codec.JSONOptions{}
	one := func() {
		b.reset()
		b.appendRow(g, 0, &row, "packets_index.2026.11.23", opt)
	}
	one()
	if n := testing.AllocsPerRun(100, one); n != 0 {
		t.Errorf("%v allocations a document, want 0", n)
	}
}

// benchRow is a TCP packet of a block.
func benchRow() codec.Row {
	row := codec.Row{ID: []byte("a1b2c3d4e5f6-0-123456789"), Origin: &record.Origin{Host: "probe1", Run: "a1b2c3d4e5f6", Interface: "eth1"}}
	fillRecord(&row.Record)
	return row
}

func BenchmarkAppendRow(b *testing.B) {
	bk := &bulk{}
	g := newGroup(testMessage(0), 1, func() {})
	row := benchRow()
	opt := &codec.JSONOptions{}
	b.ReportAllocs()
	for b.Loop() {
		bk.appendRow(g, 0, &row, "packets_index.2026.11.23", opt)
		b.SetBytes(int64(bk.items[0].end))
		if len(bk.items) == DefaultBatchDocs {
			bk.reset()
		}
	}
}
