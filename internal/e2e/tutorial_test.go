package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/ledger"
	"xcapa/internal/status"
	"xcapa/internal/testnet"
	"xcapa/internal/testpkt"
	"xcapa/internal/veth"
)

// tutorialFile is the job file as the tutorial's page prints it, in fragments.
const tutorialFile = "../job/testdata/tutorial-page.yml"

// The tutorial's steps in its order, with xcapa for pycapa and logisland.sh, a
// veth pair for eth0, the embedded broker for Kafka and a stand-in for
// Elasticsearch: once with right values, once with the seed's.
func TestTutorial(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	sandbox := pair.Ends[1] // a machine of its own: Kafka on 9092, Elasticsearch on 9200
	port := filepath.Join(t.TempDir(), "port")
	startQuiet(t, sandbox, "broker", "--listen", "127.0.0.1:9092", "--port-file", port)
	await(t, 10*time.Second, "the broker listens", func() bool { _, err := os.Stat(port); return err == nil })
	es := elastictest.New(t)
	testnet.Do(t, sandbox, func() error {
		l, err := net.Listen("tcp", "127.0.0.1:9200")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: es}
		t.Cleanup(func() { server.Close() })
		go server.Serve(l)
		return nil
	})

	t.Run("as printed", func(t *testing.T) {
		began := time.Now()
		job := followTutorial(t, pair, es, "logisland_input_packets_topic", "packets_index")
		docs := documents(t, es, "packets_index")
		wantPacketDays(t, es, began)
		compareDocuments(t, docs, expectedDocuments(t, "tutorial.json"), func(doc map[string]any) { checkOurs(t, doc, began, time.Now()) })
		if !strings.Contains(job, "parse reads at most 3000 packets/s of each partition") {
			t.Errorf("the job did not say first that it is limited:\n%s", job)
		}
	})
	// Topics, group and index of its own: the embedded broker forgets what a group
	// has read.
	t.Run("schema seed", func(t *testing.T) {
		began := time.Now()
		followTutorial(t, pair, es, "raw_again", "seed_index", "--schema", "seed", "--set", "spark.app.name=again",
			"--set", "default.index=seed_index", "--set", "parsing_stream.kafka.input.topics=raw_again",
			"--set", "parsing_stream.kafka.output.topics=parsed_again", "--set", "indexing_stream.kafka.input.topics=parsed_again",
			"--set", "spark.streaming.kafka.maxRatePerPartition=0")
		compareDocuments(t, documents(t, es, "seed_index"), expectedDocuments(t, "tutorial-seed.json"), func(doc map[string]any) { checkSeeds(t, doc, began, time.Now()) })
	})

	t.Run("a stage is killed", func(t *testing.T) {
		job := startJob(t, sandbox, "--set", "spark.app.name=third")
		var all struct{ Stages []status.Status }
		_, body := fetchFrom(sandbox, "http://127.0.0.1:4050/api/status")
		if err := json.Unmarshal([]byte(body), &all); err != nil || len(all.Stages) != 2 {
			t.Fatalf("status: %v\n%s", err, body)
		}
		if err := syscall.Kill(all.Stages[1].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, job, 1, "indexing_stream ended: signal: killed")
		if err := syscall.Kill(all.Stages[0].PID, 0); err == nil {
			t.Error("the other stage outlives the job")
		}
	})
	t.Run("a time limit", func(t *testing.T) {
		job := startJob(t, sandbox, "--set", "spark.app.name=fourth", "--set", "spark.streaming.timeout=2000")
		wantEnd(t, job, 0, "balanced: in = out")
	})
}

// wantEnd waits for a command that ends by itself, with that exit status and
// these words.
func wantEnd(t *testing.T, p *process, code int, words string) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		t.Fatalf("%s does not end:\n%s", p.name, p.words.String())
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code || !strings.Contains(p.words.String(), words) {
		t.Errorf("exit status %d, want %d and %q:\n%s", got, code, words, p.words.String())
	}
}

// followTutorial does steps 4 to 6 of the tutorial with these flags for the job,
// until every frame is in the indices that begin with index. It returns what the
// job said.
func followTutorial(t *testing.T, pair *veth.Pair, es *elastictest.Server, topic, index string, flags ...string) string {
	t.Helper()
	sandbox := pair.Ends[1]
	// bin/logisland.sh --conf conf/index-network-packets.yml
	job := startJob(t, sandbox, flags...)
	// pycapa --producer --kafka sandbox:9092 --topic logisland_input_packets_topic -i eth0
	pycapa := startWord(t, sandbox, "capturing on", "pycapa", "--producer", "--kafka", "127.0.0.1:9092", "--topic", topic, "-i", sandbox.Name)
	var frames [][]byte
	for _, name := range tutorialFrames {
		frames = append(frames, vector(t, name))
	}
	testnet.Send(t, pair.Ends[0], frames...)
	await(t, 40*time.Second, "every packet is indexed", func() bool { return len(documents(t, es, index)) >= len(frames) })
	checkJobPage(t, sandbox)
	pycapa.stop(t)
	job.stop(t)
	wantBalanced(t, job)
	return job.words.String()
}

// wantPacketDays wants indices of the packets' day alone, in UTC.
func wantPacketDays(t *testing.T, es *elastictest.Server, began time.Time) {
	t.Helper()
	const layout = "packets_index.2006.01.02"
	for _, name := range es.Indices() {
		if name != began.UTC().Format(layout) && name != time.Now().UTC().Format(layout) {
			t.Errorf("index %s, want that of the packets' day", name)
		}
	}
}

// startJob runs the tutorial's file; only the machine's name is replaced, as in
// everybody's copy of it. 9300 stays: nothing answers there.
func startJob(t *testing.T, sandbox *veth.End, flags ...string) *process {
	t.Helper()
	b, err := os.ReadFile(tutorialFile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "index-network-packets.yml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(b), "sandbox:", "127.0.0.1:")), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startWord(t, sandbox, "running: parsing_stream, indexing_stream", append([]string{"run", "--conf", file}, flags...)...)
	words := p.words.String()
	for _, want := range []string{
		"no HTTP answer from 127.0.0.1:9300", "http://127.0.0.1:9200 is taken",
		"spark.streaming.unpersist", "its fragments were joined",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the job did not say %q:\n%s", want, words)
		}
	}
	return p
}

// startWord is start for a command without a stats file; it is ready when it
// says word.
func startWord(t *testing.T, end *veth.End, word string, args ...string) *process {
	t.Helper()
	p := startQuiet(t, end, args...)
	await(t, 20*time.Second, args[0]+" says "+word, func() bool {
		select {
		case <-p.done:
			t.Fatalf("%v ended: %v\n%s", args, p.err, p.words.String())
		default:
		}
		return strings.Contains(p.words.String(), word)
	})
	return p
}

func wantBalanced(t *testing.T, p *process) {
	t.Helper()
	words := p.words.String()
	if n := strings.Count(words, "balanced: in = out + passed + dropped in every room, nothing in flight"); n != 2 {
		t.Errorf("%d of 2 stages say that they balance:\n%s", n, words)
	}
}

// checkJobPage looks at the page from inside the machine: it is on its loopback.
func checkJobPage(t *testing.T, sandbox *veth.End) {
	t.Helper()
	const url = "http://127.0.0.1:4050/streaming/"
	n := uint64(len(tutorialFrames))
	var l ledger.Ledger
	await(t, 20*time.Second, "the page's ledger has all packets", func() bool {
		_, body := fetchFrom(sandbox, url+"api/ledger")
		return json.Unmarshal([]byte(body), &l) == nil && len(l.Rooms) == 6 && l.Rooms[5].Out >= n
	})
	var rooms []string
	for _, r := range l.Rooms {
		rooms = append(rooms, r.Room)
	}
	if want := []string{"fetch", "decode", "kafka", "fetch", "decode", "elastic"}; !slices.Equal(rooms, want) || !l.Balanced {
		t.Errorf("rooms %q, balanced %v; want %q", rooms, l.Balanced, want)
	}
	var all struct{ Stages []status.Status }
	await(t, 20*time.Second, "the page's batches have all packets", func() bool {
		_, body := fetchFrom(sandbox, url+"api/status")
		if json.Unmarshal([]byte(body), &all) != nil || len(all.Stages) != 2 {
			return false
		}
		return all.Stages[0].Totals.Packets >= n && all.Stages[1].Totals.Packets >= n
	})
	for _, s := range all.Stages {
		if s.Interval.Seconds() != 4 {
			t.Errorf("stage %s: batch interval %v s, want the file's 4 s", s.Stage, s.Interval.Seconds())
		}
	}
	if _, page := fetchFrom(sandbox, url); !strings.Contains(page, "parsing_stream") || !strings.Contains(page, "Scheduling delay") {
		t.Errorf("the page lacks a stream or a series:\n%s", page)
	}
}

// documents are those of the indices that begin with prefix, by their id.
func documents(t *testing.T, es *elastictest.Server, prefix string) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, index := range es.Indices() {
		if !strings.HasPrefix(index, prefix) {
			continue
		}
		for id, b := range es.Documents(index) {
			d := json.NewDecoder(strings.NewReader(string(b)))
			d.UseNumber() // nanoseconds do not fit into a float
			doc := map[string]any{}
			if err := d.Decode(&doc); err != nil {
				t.Fatalf("document %s of %s: %v", id, index, err)
			}
			out[id] = doc
		}
	}
	return out
}

// compareDocuments wants these documents and no others; check looks at the
// fields that no file can hold (clocks, ids) and takes them out.
func compareDocuments(t *testing.T, got map[string]map[string]any, want []map[string]any, check func(map[string]any)) {
	t.Helper()
	text := func(doc map[string]any) string {
		b, err := json.Marshal(doc) // keys sorted
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var g, w []string
	for _, doc := range got {
		check(doc)
		g = append(g, text(doc))
	}
	for _, doc := range want {
		w = append(w, text(doc))
	}
	slices.Sort(g)
	slices.Sort(w)
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("documents (-want +got):\n%s", d)
	}
}

// checkOurs looks at times and ids of the default schema.
func checkOurs(t *testing.T, doc map[string]any, began, ended time.Time) {
	t.Helper()
	nanos, err := doc["packet_timestamp_in_nanos"].(json.Number).Int64()
	if at := time.Unix(0, nanos); err != nil || at.Before(began) || at.After(ended) {
		t.Errorf("packet time %v (%v), want between %v and %v: the capture's, not the parser's", at, err, began, ended)
	}
	if got, want := doc["@timestamp"], time.Unix(0, nanos).UTC().Format("2006-01-02T15:04:05.000000000Z"); got != want {
		t.Errorf("@timestamp %v, want %v", got, want)
	}
	if got, _ := doc["record_time"].(json.Number).Int64(); got != nanos/1e6 {
		t.Errorf("record_time %v, want the packet's %d", got, nanos/1e6)
	}
	if id, ok := doc["record_id"].(string); !ok || !regexp.MustCompile(`^logisland_input_packets_topic-[01]-[0-9]+$`).MatchString(id) {
		t.Errorf("record_id %v, want topic, partition and offset of the raw message", doc["record_id"])
	}
	for _, k := range []string{"packet_timestamp_in_nanos", "@timestamp", "record_time", "record_id"} {
		delete(doc, k)
	}
}

// checkSeeds looks at the same of the seed's schema: random id, clock, and packet
// time in milliseconds.
func checkSeeds(t *testing.T, doc map[string]any, began, ended time.Time) {
	t.Helper()
	nanos, err := doc["packet_timestamp_in_nanos"].(json.Number).Int64()
	if at := time.Unix(0, nanos); err != nil || nanos%1e6 != 0 || at.Before(began.Truncate(time.Millisecond)) || at.After(ended) {
		t.Errorf("packet time %v (%v), want whole milliseconds between %v and %v", at, err, began, ended)
	}
	for _, k := range []string{"record_id", "record_time", "@timestamp"} {
		if doc[k] == nil && k != "@timestamp" {
			t.Errorf("no %s: %v", k, doc)
		}
		delete(doc, k)
	}
	delete(doc, "packet_timestamp_in_nanos")
}

// tutorialFrames are the frames sent, by their names in testpkt.
var tutorialFrames = []string{"G1", "G2", "A1", "E3", "E13"}

func vector(t *testing.T, name string) []byte {
	t.Helper()
	i := slices.IndexFunc(testpkt.Vectors, func(v testpkt.Vector) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("testpkt has no vector %s", name)
	}
	return testpkt.Vectors[i].Frame
}

// expectedDocuments are the documents of tutorialFrames without what checkOurs and
// checkSeeds take out: tutorial.json is reviewed by hand against the headers,
// tutorial-seed.json is what Logisland's ParseNetworkPacket 1.4.1 was measured to
// give in stream mode.
func expectedDocuments(t *testing.T, file string) []map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var docs []map[string]any
	if err := json.Unmarshal(b, &docs); err != nil {
		t.Fatal(err)
	}
	return docs
}
