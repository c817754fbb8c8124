package codec

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/record"
)

var update = flag.Bool("update", false, "write the golden documents anew")

// TestGoldenDocuments compares the documents of edgeFrames, as a capture gives
// them, with files that a person has read against the frames.
func TestGoldenDocuments(t *testing.T) {
	opt := &JSONOptions{CommunityID: true}
	for name, frame := range edgeFrames {
		r := decodeHex(t, frame)
		r.TimestampNanos, r.Sequence = 1338882754996790000, 42
		r.Present |= 1 << record.FieldSequence
		got := append(AppendJSON(nil, r, captured, opt), '\n')
		path := filepath.Join("testdata", "documents", strings.ReplaceAll(name, " ", "_")+".json")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s\n got %swant %s", name, got, want)
		}
	}
}
