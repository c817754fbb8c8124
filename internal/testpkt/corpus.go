package testpkt

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Testdata returns the path of a file or folder in the testdata folder at the
// root of the module.
func Testdata(tb testing.TB, elem ...string) string {
	tb.Helper()
	folder, err := os.Getwd()
	if err != nil {
		tb.Fatalf("find testdata: %v", err)
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return filepath.Join(append([]string{folder, "testdata"}, elem...)...)
		}
		if folder == filepath.Dir(folder) {
			tb.Fatal("find testdata: no go.mod above the working folder")
		}
	}
}

// Corpus returns Vectors and every frame in testdata/frames.
func Corpus(tb testing.TB) []Vector {
	tb.Helper()
	paths, err := filepath.Glob(Testdata(tb, "frames", "*.txt"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("find testdata/frames/*.txt: %d files, error %v", len(paths), err)
	}
	frames := slices.Clone(Vectors)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatalf("read frames: %v", err)
		}
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			v, ok, err := parseFrame(line)
			if err != nil {
				tb.Fatalf("read frames: %s:%d: %v", path, number, err)
			}
			if ok {
				frames = append(frames, v)
			}
		}
	}
	return frames
}

// parseFrame reads a line "LINKTYPE ORIGLEN HEX # name"; ok is false for one
// that holds only a comment.
func parseFrame(line string) (v Vector, ok bool, err error) {
	text, name, _ := strings.Cut(line, "#")
	words := strings.Fields(text)
	if len(words) == 0 {
		return v, false, nil
	}
	if len(words) == 2 {
		words = append(words, "") // a frame of 0 bytes
	}
	if len(words) != 3 {
		return v, false, fmt.Errorf("parse frame: %d words, want LINKTYPE ORIGLEN HEX", len(words))
	}
	linkType, err := strconv.ParseUint(words[0], 10, 16)
	if err != nil {
		return v, false, fmt.Errorf("parse link type: %w", err)
	}
	origLen, err := strconv.ParseUint(words[1], 10, 32)
	if err != nil {
		return v, false, fmt.Errorf("parse length on the wire: %w", err)
	}
	frame, err := parseHex(words[2])
	if err != nil {
		return v, false, fmt.Errorf("parse frame: %w", err)
	}
	name = strings.TrimSpace(name)
	return Vector{Name: name, What: name, LinkType: uint16(linkType), OrigLen: uint32(origLen), Frame: frame}, true, nil
}

// Captures returns the paths of all capture files in testdata/pcap, sorted.
func Captures(tb testing.TB) []string {
	tb.Helper()
	var paths []string
	err := filepath.WalkDir(Testdata(tb, "pcap"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(filepath.Ext(path), "pcap") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		tb.Fatalf("list testdata/pcap: %v", err)
	}
	return paths
}
