package cli

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files; read the difference that is logged before you commit it")

const goldenRead = "../../testdata/golden/read.jsonl.gz"

// TestReadGolden reads the capture files of testdata with `xcapa read` and
// compares every document, word for people and exit status with the golden file.
// It is gzip; `zless` shows it.
func TestReadGolden(t *testing.T) {
	var files []string
	for _, pattern := range []string{"container/*.pcap*", "hard/*/*.pcap*"} {
		found, err := filepath.Glob("../../testdata/pcap/" + pattern)
		if err != nil || len(found) < 20 {
			t.Fatalf("found %d capture files at %s, %v", len(found), pattern, err)
		}
		files = append(files, found...)
	}
	got := map[string][]string{}
	for _, file := range files {
		got[file] = readAsUser(file)
	}
	want := loadGolden(t, files)
	for _, file := range files {
		if !slices.Equal(got[file], want[file]) {
			report(t, file, got[file], want[file])
		}
	}
	switch {
	case *update:
		saveGolden(t, files, got)
	case t.Failed():
		t.Log("if that is what it should be: go test ./internal/cli -run TestReadGolden -update")
	}
}

// readAsUser is what `xcapa read` writes for file: documents, then what it tells
// people, then its exit status.
func readAsUser(file string) []string {
	var out, words bytes.Buffer
	status := Main([]string{"xcapa", "read", "--host", "golden", "--verify-checksums", file}, strings.NewReader(""), &out, &words)
	text := fmt.Sprintf("%s%sexit status %d", &out, &words, status)
	return strings.Split(text, "\n")
}

// report names the first line that differs; with -update that is what the
// rewritten file changes.
func report(t *testing.T, file string, got, want []string) {
	t.Helper()
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	line := func(list []string) string {
		if at < len(list) {
			return list[at]
		}
		return "(no line)"
	}
	say := t.Errorf
	if *update {
		say = t.Logf
	}
	say("%s, line %d of %d (golden: %d):\ngot    %s\ngolden %s", file, at+1, len(got), len(want), line(got), line(want))
}

// fileMark begins the line that names the file whose lines follow.
const fileMark = "# "

func loadGolden(t *testing.T, files []string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(goldenRead)
	if os.IsNotExist(err) && *update {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string][]string{}
	for _, part := range strings.Split("\n"+string(text), "\n"+fileMark)[1:] {
		lines := strings.Split(strings.TrimSuffix(part, "\n"), "\n")
		golden[lines[0]] = lines[1:]
		if !slices.Contains(files, lines[0]) && !*update {
			t.Errorf("the golden file has %s, which is not there any more", lines[0])
		}
	}
	return golden
}

func saveGolden(t *testing.T, files []string, got map[string][]string) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		fmt.Fprintf(z, "%s%s\n%s\n", fileMark, file, strings.Join(got[file], "\n"))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(goldenRead), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenRead, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
