package codec

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"xcapa/internal/record"
)

// seedDifference compares our document of a frame in the seed's schema with
// Logisland's answer: every field but clock and random ones. "": the same.
func seedDifference(t testing.TB, frame []byte, answer string) string {
	t.Helper()
	var r record.Record
	r.SetPacket(1, frame, uint32(len(frame)), 1338882754996790000)
	doc := NewDocuments(EncodingJSON, JSONOptions{Schema: record.SchemaSeed}).Append(nil, &r, captured, frame)
	fields := func(text []byte) map[string]json.RawMessage {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, volatile := range []string{"record_id", "record_time", "packet_timestamp_in_nanos"} {
			delete(m, volatile)
		}
		return m
	}
	ours, theirs := fields(doc), fields([]byte(answer))
	var diff []string
	for name, want := range theirs {
		if got := ours[name]; !bytes.Equal(got, want) {
			diff = append(diff, fmt.Sprintf("%s is %s, Logisland says %s", name, got, want))
		}
	}
	for name, got := range ours {
		if _, ok := theirs[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s is %s, Logisland has none", name, got))
		}
	}
	return strings.Join(diff, "; ")
}

// TestSeedAnswers compares with what Logisland's own parser made of the golden
// frames; `make oracle-seed` asks it again.
func TestSeedAnswers(t *testing.T) {
	f, err := os.Open("testdata/seed/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, lost := 0, 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		text, answer, _ := strings.Cut(lines.Text(), " ")
		frame, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if n++; answer == "{}" {
			lost++
			continue
		}
		if diff := seedDifference(t, frame, answer); diff != "" {
			t.Errorf("frame %s: %s", text, diff)
		}
	}
	if n < 100 || lost == 0 {
		t.Errorf("%d answers, %d of them nothing: is the file whole?", n, lost)
	}
}
