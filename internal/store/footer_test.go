package store

import (
	"os"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
)

// A footer skimmed says what it says when it is read, and every file that the
// store writes can be skimmed. A piece of one is refused.
func TestFootersSkimmed(t *testing.T) {
	_, d := manyGroups(t, 260)
	for _, f := range d.Files() {
		in, err := os.Open(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		var got, want File
		if !got.skim(in, f.Size) {
			t.Fatalf("%s was left to the library", f.Path)
		}
		r, err := file.NewParquetReader(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := want.read(r.MetaData()); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", f.Path, got, want)
		}
		b := make([]byte, 2000)
		if _, err := in.ReadAt(b, f.Size-8-int64(len(b))); err != nil {
			t.Fatal(err)
		}
		if new(File).skimFooter(b) {
			t.Error("a piece of a footer is one")
		}
	}
}

// Any bytes are skimmed or refused.
func FuzzFooter(f *testing.F) {
	f.Add([]byte{0x15, 4, 0x19, 0x1c, 0, 0x16, 2, 0x19, 0x1c, 0x19, 0x1c, 0, 0x26, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { new(File).skimFooter(b) })
}
