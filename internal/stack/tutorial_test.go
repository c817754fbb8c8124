//go:build stack

package stack

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"xcapa/internal/testnet"
	"xcapa/internal/testpkt"
)

// tutorialFrames are sent, by their names in testpkt; what becomes of them stands
// in the files of package e2e.
var tutorialFrames = []string{"G1", "G2", "A1", "E3", "E13"}

// The tutorial with a real Kafka and Elasticsearch: the job file as it is printed,
// pycapa's command line, and the documents that Elasticsearch gives back. Then the
// raw topic once more by another group, in Logisland's own values.
func TestTutorial(t *testing.T) {
	p := newPlace(t)
	if p.wire == nil {
		t.Skip("not root: there is no interface for pycapa")
	}
	brokers := p.server(t, "kafka.sh")["XCAPA_TEST_KAFKA"]
	es := &elasticsearch{url: p.server(t, "elasticsearch.sh")["XCAPA_TEST_ELASTICSEARCH"], place: p}
	hosts := strings.TrimPrefix(es.url, "http://")
	set := []string{"-f", "../job/testdata/tutorial-page.yml", "--page", "off", "--set", "kafka.metadata.broker.list=" + brokers, "--set", "elasticsearch.hosts=" + hosts}

	job := p.xcapa(t, "run", set...)
	p.pycapa(t, brokers, "logisland_input_packets_topic", func() {
		var frames [][]byte
		for _, name := range tutorialFrames {
			i := slices.IndexFunc(testpkt.Vectors, func(v testpkt.Vector) bool { return v.Name == name })
			frames = append(frames, testpkt.Vectors[i].Frame)
		}
		testnet.Send(t, p.far(), frames...)
		es.awaitDocuments(t, "packets_index.*", len(frames))
	})
	job.end(t)
	wantDocuments(t, es, "packets_index.*", "tutorial.json")

	again := p.xcapa(t, "run", append(set, "--schema", "seed", "--set", "spark.app.name=again", "--set", "default.index=seed_index",
		"--set", "parsing_stream.kafka.output.topics=parsed_again", "--set", "indexing_stream.kafka.input.topics=parsed_again")...)
	es.awaitDocuments(t, "seed_index.*", len(tutorialFrames))
	again.end(t)
	wantDocuments(t, es, "seed_index.*", "tutorial-seed.json")
}

// pycapa captures with pycapa's command line while fn runs.
func (p *place) pycapa(t *testing.T, brokers, topic string, fn func()) {
	t.Helper()
	words, err := os.Create(filepath.Join(t.TempDir(), "pycapa"))
	if err != nil {
		t.Fatal(err)
	}
	defer words.Close()
	cmd := exec.Command(builtBinary(t), "pycapa", "--producer", "--kafka", brokers, "--topic", topic, "-i", p.near().Name)
	cmd.Stderr = words
	if err := p.run(cmd); err != nil {
		t.Fatal(err)
	}
	said := func() string { b, _ := os.ReadFile(words.Name()); return string(b) }
	for end := time.Now().Add(30 * time.Second); !strings.Contains(said(), "capturing on"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			t.Fatalf("pycapa does not capture:\n%s", said())
		}
	}
	fn()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("pycapa: %v\n%s", err, said())
	}
}

// awaitDocuments waits until an index pattern has n documents.
func (e *elasticsearch) awaitDocuments(t *testing.T, index string, n int) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); e.count(t, index) < int64(n); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has %d documents, want %d", index, e.count(t, index), n)
		}
	}
}

// wantDocuments compares an index pattern's documents with those of a file,
// without clocks and ids, which package e2e looks at.
func wantDocuments(t *testing.T, e *elasticsearch, index, file string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "e2e", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var want []map[string]any
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	var found hits
	e.ask(t, http.MethodPost, "/"+index+"/_search", map[string]any{"size": 100}, &found)
	var got []map[string]any
	for _, h := range found.Hits.Hits {
		got = append(got, h.Source)
	}
	if d := cmp.Diff(sortedTexts(t, want), sortedTexts(t, got)); d != "" {
		t.Errorf("documents of %s (-%s +got):\n%s", index, file, d)
	}
}

func sortedTexts(t *testing.T, docs []map[string]any) []string {
	t.Helper()
	var out []string
	for _, doc := range docs {
		for _, k := range []string{"@timestamp", "record_id", "record_time", "packet_timestamp_in_nanos"} {
			delete(doc, k)
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}
