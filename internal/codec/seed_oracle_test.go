//go:build oracle

package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/pcap"
	"xcapa/internal/record"
	"xcapa/internal/testpkt"
)

// The oracle is Logisland's own parser and serializers, behind
// testdata/seed/seed.sh. Run it over a folder:
//
//	XCAPA_ORACLE_CORPUS=folder go test -tags oracle -run TestSeedOracle -v ./internal/codec
const seedScript = "testdata/seed/seed.sh"

var writeAnswers = flag.Bool("answers", false, "write testdata/seed/answers.txt anew")

// ask runs the oracle over lines and returns its answers, one a line.
func ask(t *testing.T, lines []string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(seedScript, args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask Logisland (mvn, a JDK and, once, a network are needed): %v", err)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(lines) {
		t.Fatalf("%d answers to %d questions", len(answers), len(lines))
	}
	return answers
}

// TestSeedOracle compares the seed's schema with Logisland's parser, field by
// field, over every packet of every capture in a folder and the golden frames.
func TestSeedOracle(t *testing.T) {
	var frames [][]byte
	for _, v := range testpkt.Corpus(t) {
		frames = append(frames, v.Frame)
	}
	golden := len(frames)
	if folder := os.Getenv("XCAPA_ORACLE_CORPUS"); folder != "" {
		frames = append(frames, capturedFrames(t, folder)...)
	}
	lines := make([]string, len(frames))
	for i, f := range frames {
		lines[i] = hex.EncodeToString(f)
	}
	answers := ask(t, lines, "parse")
	lost, different := 0, 0
	for i, a := range answers {
		if a == "{}" {
			lost++ // the seed loses it without a word; we do not
			continue
		}
		if diff := seedDifference(t, frames[i], a); diff != "" {
			if different++; different <= 20 {
				t.Errorf("frame %s: %s", lines[i], diff)
			}
		}
	}
	t.Logf("%d frames, %d of them lost by Logisland, %d different", len(frames), lost, different)
	if *writeAnswers {
		var text bytes.Buffer
		text.WriteString("# What Apache Logisland 1.2.0's ParseNetworkPacket makes of the frames of testpkt.Corpus:\n# frame, answer. Written by TestSeedOracle -answers.\n")
		for i := range golden {
			text.WriteString(lines[i] + " " + answers[i] + "\n")
		}
		if err := os.WriteFile("testdata/seed/answers.txt", text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// capturedFrames reads every capture below a folder; damage is passed over.
func capturedFrames(t *testing.T, folder string) (frames [][]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		r, err := pcap.Open(path, pcap.Options{})
		if err != nil {
			return nil // no capture
		}
		defer r.Close()
		files++
		for {
			p, err := r.Next()
			if err != nil {
				return nil
			}
			frames = append(frames, bytes.Clone(p.Data))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d captures in %s", files, folder)
	return frames
}

// TestSeedReadsOurs: Logisland's serializers read our messages whole.
func TestSeedReadsOurs(t *testing.T) {
	schema := filepath.Join(t.TempDir(), "packet.avsc")
	if err := os.WriteFile(schema, AvroSchema(record.SchemaLogisland), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]Encoding{"json": EncodingSeedJSON, "extended-json": EncodingExtendedJSON, "avro": EncodingAvro} {
		var lines []string
		var want []map[string]any
		for _, v := range testpkt.Corpus(t) {
			r := record.Record{}
			r.SetPacket(v.LinkType, v.Frame, v.OrigLen, 1795821444908000000)
			lines = append(lines, base64.StdEncoding.EncodeToString(NewDocuments(e, JSONOptions{}).Append(nil, &r, captured, nil)))
			var m map[string]any
			d := json.NewDecoder(bytes.NewReader(AppendJSON(nil, &r, captured, nil)))
			d.UseNumber()
			if err := d.Decode(&m); err != nil {
				t.Fatal(err)
			}
			delete(m, "@timestamp")
			want = append(want, m)
		}
		different := 0
		for i, a := range ask(t, lines, "read", name, schema) {
			var got map[string]any
			d := json.NewDecoder(strings.NewReader(a))
			d.UseNumber()
			if err := d.Decode(&got); err != nil {
				t.Fatalf("%v: %s", err, a)
			}
			for k, w := range want[i] {
				g := got[k]
				if list, ok := w.([]any); ok && name == "json" {
					w = list[0] // its reader has no arrays: one joined text
				}
				jg, _ := json.Marshal(g)
				jw, _ := json.Marshal(w)
				if !bytes.Equal(jg, jw) {
					if different++; different < 20 {
						t.Errorf("%s: field %s came back as %s, want %s", name, k, jg, jw)
					}
				}
			}
		}
		t.Logf("%s: %d records read back, %d fields different", name, len(lines), different)
	}
}
