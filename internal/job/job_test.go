package job

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var errNotNeeded = errors.New("not needed")

// outside answers as a broker and an Elasticsearch on 9200 would.
func outside() Options {
	return Options{
		Host: func(host string, port int, tls bool) (string, Verdict, string) {
			scheme := "http"
			if tls {
				scheme = "https"
			}
			if port == 9300 {
				return fmt.Sprintf("%s://%s:9200", scheme, host), Attention, "9300 does not speak HTTP: 9200 is taken"
			}
			return fmt.Sprintf("%s://%s:%d", scheme, host, port), Used, ""
		},
		Property: func(name, value string) error {
			switch name {
			case "linger.ms", "security.protocol", "sasl.password":
				return nil
			case "retries":
				return fmt.Errorf("set %s: %w", name, errNotNeeded)
			}
			return fmt.Errorf("set %s: no such property", name)
		},
		NotNeeded: errNotNeeded,
	}
}

func read(t *testing.T, name string) *File {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read(name, b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

// plan is the file's plan with these overrides.
func plan(t *testing.T, f *File, set ...string) (*Plan, error) {
	t.Helper()
	var list []Override
	for _, s := range set {
		o, err := ParseOverride(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o)
	}
	if err := f.Override(list); err != nil {
		return nil, err
	}
	return f.Plan(outside())
}

// wantTutorial are the stages of the tutorial's file, in each form of it.
var wantTutorial = []Stage{
	{Name: "parsing_stream", Kind: Parse, Args: []string{"--brokers", "sandbox:9092", "--topic", "logisland_input_packets_topic",
		"--output-topic", "logisland_parsed_packets_topic", "--errors-topic", "logisland_error_packets_topic", "--group", "ParseNetworkPacketDemo",
		"--encoding", "arrow", "--partitions", "2", "--replicas", "1", "--flow-mode", "stream", "--rate", "3000"}},
	{Name: "indexing_stream", Kind: Index, Args: []string{"--brokers", "sandbox:9092", "--topic", "logisland_parsed_packets_topic",
		"--errors-topic", "logisland_error_packets_topic", "--group", "ParseNetworkPacketDemo",
		"--index", "packets_index", "--timebased-index", "today", "--elasticsearch", "http://sandbox:9200", "--batch-size", "4000"}},
}

func TestTutorial(t *testing.T) {
	for _, name := range []string{"tutorial-source.yml", "tutorial-page.yml"} {
		t.Run(name, func(t *testing.T) {
			f := read(t, name)
			if want := name == "tutorial-page.yml"; f.Joined != want {
				t.Errorf("joined %v, want %v", f.Joined, want)
			}
			p, err := plan(t, f)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(wantTutorial, p.Stages); d != "" {
				t.Errorf("stages (-want +got):\n%s", d)
			}
			if p.Page != "on" || p.Batch != 4*time.Second || p.Timeout != 0 {
				t.Errorf("page %q, batch interval %v, timeout %v", p.Page, p.Batch, p.Timeout)
			}
			golden(t, strings.TrimSuffix(name, ".yml")+".golden", p)
		})
	}
}

// The repository's file is the tutorial's with variables and larger bulks.
func TestRepository(t *testing.T) {
	f := read(t, "logisland-1.4.1.yml")
	err := f.Substitute(environment(nil))
	if err == nil {
		t.Fatal("unset variables gave no error")
	}
	for _, want := range []string{"line 47: hosts: ${ES_HOSTS}", "kafka.metadata.broker.list: ${KAFKA_BROKERS}", "--set KEY=VALUE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "ZK_QUORUM") || strings.Contains(err.Error(), "CLUSTER_NAME") {
		t.Errorf("a variable that nobody reads is wanted:\n%v", err)
	}
	f = read(t, "logisland-1.4.1.yml")
	if err := f.Substitute(environment(map[string]string{"ES_HOSTS": "sandbox:9300", "KAFKA_BROKERS": "sandbox:9092"})); err != nil {
		t.Fatal(err)
	}
	p, err := plan(t, f)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(wantTutorial)
	want[1].Args = append(slices.Clone(want[1].Args[:len(want[1].Args)-1]), "20000")
	if d := cmp.Diff(want, p.Stages); d != "" {
		t.Errorf("stages (-want +got):\n%s", d)
	}
	golden(t, "logisland-1.4.1.golden", p)
}

// golden compares the table and the commands with what was reviewed.
func golden(t *testing.T, name string, p *Plan) {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for i := range p.Stages {
		fmt.Fprintln(&b, p.Stages[i].CommandLine())
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// No key of a published file is passed over: each has a row with a verdict, and
// none is unknown.
func TestEveryKeyHasAVerdict(t *testing.T) {
	for _, name := range []string{"tutorial-source.yml", "logisland-1.4.1.yml"} {
		f := read(t, name)
		p, err := plan(t, f, "elasticsearch.hosts=es:9200", "kafka.metadata.broker.list=k:9092")
		if err != nil {
			t.Fatal(err)
		}
		f.each(func(c *Component) {
			for _, s := range c.Settings {
				i := slices.IndexFunc(p.Rows, func(r Row) bool { return r.Key == s.Key && r.Line == s.Line })
				if i < 0 {
					t.Errorf("%s line %d: %s has no row", name, s.Line, s.Key)
				} else if r := p.Rows[i]; r.Words == "" || r.Verdict == Attention {
					t.Errorf("%s line %d: %s: verdict %q, %q", name, s.Line, s.Key, r.Verdict, r.Words)
				}
			}
		})
	}
}

// small is a job of one index stream; lines go where they belong.
func small(engine, service, stream, processor string) string {
	return fmt.Sprintf(`engine:
  component: KafkaStreamProcessingEngine
  configuration:
    spark.app.name: g
%s
  controllerServiceConfigurations:
    - controllerService: es
      component: Elasticsearch_7_x_ClientService
      configuration:
        hosts: es:9200
%s
  streamConfigurations:
    - stream: s1
      component: KafkaRecordStreamParallelProcessing
      configuration:
        kafka.input.topics: a
        kafka.error.topics: e
%s
      processorConfigurations:
        - processor: p1
          component: BulkAddElasticsearch
          configuration:
            elasticsearch.client.service: es
            default.index: i
%s
`, engine, service, stream, processor)
}

func row(p *Plan, key string) Row {
	for _, r := range p.Rows {
		if r.Key == key {
			return r
		}
	}
	return Row{}
}

func TestKeys(t *testing.T) {
	tests := []struct {
		name                               string
		engine, service, stream, processor string
		key                                string
		verdict                            Verdict
		words                              string
		arg                                string // among the stage's arguments; "-x": not there
	}{
		{"unknown engine key", "    spark.made.up: 1", "", "", "", "spark.made.up", Attention, "not known here", ""},
		{"unknown stream key", "", "", "        windows: 1", "", "windows", Attention, "not known here", ""},
		{"unknown service key", "", "        ssl.keystore: x", "", "", "ssl.keystore", Attention, "not known here", ""},
		{"unknown processor key", "", "", "", "            field.x: 1", "field.x", Attention, "not known here", ""},
		{"any YARN key", "    spark.yarn.tags: a", "", "", "", "spark.yarn.tags", Ignored, "YARN", ""},
		{"rate without parse", "    spark.streaming.kafka.maxRatePerPartition: 3000", "", "", "", "spark.streaming.kafka.maxRatePerPartition", Attention, "index has no limit", "-x --rate"},
		{"no rate", "    spark.streaming.kafka.maxRatePerPartition: 0", "", "", "", "spark.streaming.kafka.maxRatePerPartition", Used, "no limit", ""},
		{"page port of its own", "    spark.ui.port: 4100", "", "", "", "spark.ui.port", Used, "--page 127.0.0.1:4100", ""},
		{"page port that is none", "    spark.ui.port: high", "", "", "", "spark.ui.port", Attention, "want a port", ""},
		{"timeout", "    spark.streaming.timeout: 60000", "", "", "", "spark.streaming.timeout", Used, "after 1m0s", ""},
		{"batch duration that is none", "    spark.streaming.batchDuration: 4s", "", "", "", "spark.streaming.batchDuration", Attention, "want milliseconds", ""},
		{"bulk size in megabytes", "", "        bulk.size: 5", "", "", "bulk.size", Used, "--bulk-size 5242880", "5242880"},
		{"flush interval in seconds", "", "        flush.interval: 5", "", "", "flush.interval", Used, "--flush-interval 5s", "5s"},
		{"concurrent requests", "", "        concurrent.requests: 4", "", "", "concurrent.requests", Used, "", "4"},
		{"batch size that is none", "", "        batch.size: many", "", "", "batch.size", Attention, "want a number", "-x many"},
		{"backoff", "", "        backoff.policy: exponentialBackoff", "", "", "backoff.policy", Used, "--backoff-policy", "exponentialBackoff"},
		{"throttling delay in milliseconds", "", "        throttling.delay: 500", "", "", "throttling.delay", Used, "500ms", "500ms"},
		{"number of tries", "", "        num.retry: 3", "", "", "num.retry", Ignored, "until it is taken", ""},
		{"TLS", "", "        enable.ssl: true", "", "", "hosts", Used, "", "https://es:9200"},
		{"user", "", "        username: u", "", "", "username", Used, "", "u"},
		{"property", "", "", "        kafka.linger.ms: 5", "", "kafka.linger.ms", Used, "-X linger.ms", "linger.ms=5"},
		{"property not needed", "", "", "        kafka.retries: 3", "", "kafka.retries", Ignored, "not needed", ""},
		{"property not known", "", "", "        kafka.magic: 3", "", "kafka.magic", Attention, "no such property", ""},
		{"yesterday", "", "", "", "            timebased.index: yesterday", "timebased.index", Used, "the day before", "yesterday"},
		{"none", "", "", "", "            timebased.index: none", "timebased.index", Used, "one index", "no"},
		{"index field", "", "", "", "            es.index.field: my_index", "es.index.field", Used, "--index-field", "my_index"},
		{"output of an index stream", "", "", "        kafka.output.topics: x", "", "kafka.output.topics", Attention, "nothing is written to it", "-x x"},
		{"Kryo", "", "", "        kafka.input.topics.serializer: a.b.KryoSerializer", "", "kafka.input.topics.serializer", Used, "arrow", ""},
		{"partitions without parse", "", "", "        kafka.topic.default.partitions: 2", "", "kafka.topic.default.partitions", Ignored, "broker's own numbers", "-x --partitions"},
		{"brokers", "", "", "        kafka.metadata.broker.list: a:1,b:2", "", "kafka.metadata.broker.list", Used, "", "a:1,b:2"},
		{"no brokers", "", "", "", "", "hosts", Used, "", "localhost:9092"},
		{"quoted value", "", "", "        kafka.metadata.broker.list: \"a:1\"", "", "kafka.metadata.broker.list", Used, "", "a:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Read("x", []byte(small(tt.engine, tt.service, tt.stream, tt.processor)))
			if err != nil {
				t.Fatal(err)
			}
			p, err := f.Plan(outside())
			if err != nil {
				t.Fatal(err)
			}
			if r := row(p, tt.key); r.Verdict != tt.verdict || !strings.Contains(r.Words, tt.words) {
				t.Errorf("%s: %q %q, want %q and %q", tt.key, r.Verdict, r.Words, tt.verdict, tt.words)
			}
			arg, not := strings.CutPrefix(tt.arg, "-x ")
			if has := slices.Contains(p.Stages[0].Args, arg); arg != "" && has == not {
				t.Errorf("argument %q among %q: %v", arg, p.Stages[0].Args, has)
			}
		})
	}
}

// Secrets go on in the environment, and are shown nowhere.
func TestSecrets(t *testing.T) {
	f, err := Read("x", []byte(small("", "        username: u\n        password: hunter2", "        kafka.sasl.password: hunter3", "")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan(outside())
	if err != nil {
		t.Fatal(err)
	}
	s := &p.Stages[0]
	if d := cmp.Diff([]string{"XCAPA_KAFKA_PASSWORD=hunter3", "XCAPA_ES_PASSWORD=hunter2"}, s.Env); d != "" {
		t.Error(d)
	}
	var b bytes.Buffer
	_ = p.WriteTable(&b)
	if out := b.String() + s.CommandLine() + strings.Join(s.Args, " "); strings.Contains(out, "hunter") {
		t.Errorf("a password is shown:\n%s", out)
	}
}

func TestWrongFiles(t *testing.T) {
	good := small("", "", "", "")
	tests := []struct{ name, file, want string }{
		{"empty", "", "it is empty"},
		{"no YAML", "engine: [", "this is not YAML"},
		{"another file", "brokers: [a]\n", "no key engine: at the top"},
		{"no streams", "engine:\n  component: X\n", "there is nothing to start"},
		{"no class", strings.Replace(good, "      component: KafkaRecordStreamParallelProcessing\n", "", 1), "s1 has no component"},
		{"unknown processor", strings.Replace(good, "BulkAddElasticsearch", "a.b.RemoveFields", 1), "processor p1 is a RemoveFields"},
		{"unknown service", strings.Replace(good, "Elasticsearch_7_x_ClientService", "MongoDBControllerService", 1), "is a MongoDBControllerService, no Elasticsearch client"},
		{"service not there", strings.Replace(good, "elasticsearch.client.service: es", "elasticsearch.client.service: other", 1), "other: there is no such controllerService"},
		{"no service", strings.Replace(good, "            elasticsearch.client.service: es\n", "", 1), "has no elasticsearch.client.service"},
		{"no input", strings.Replace(good, "        kafka.input.topics: a\n", "", 1), "has no kafka.input.topics"},
		{"two error topics", strings.Replace(good, "topics: e", "topics: e,f", 1), "has 2 kafka.error.topics"},
		{"raw into the index", strings.Replace(good, "topics: a", "topics: a\n        kafka.input.topics.serializer: BytesArraySerializer", 1), "records are wanted; parse them first"},
		{"two processors", good + "        - processor: p2\n          component: BulkAddElasticsearch\n          configuration:\n            default.index: i\n", "has 2 processors"},
		{"a block as a value", strings.Replace(good, "default.index: i", "default.index: [i]", 1), "holds a block where one value is wanted"},
		{"index mode", strings.Replace(good, "default.index: i", "timebased.index: hourly", 1), "want no, today, yesterday or monthly"},
		{"parse into nothing", strings.Replace(strings.Replace(good, "BulkAddElasticsearch", "ParseNetworkPacket", 1), "topics: a", "topics: a\n        kafka.output.topics: none", 1), "parses into 0 kafka.output.topics"},
		{"hosts that are none", strings.Replace(good, "es:9200", "es:port", 1), "want HOST:PORT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Read("job.yml", []byte(tt.file))
			if err == nil {
				_, err = f.Plan(outside())
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestOverride(t *testing.T) {
	tests := []struct{ set, arg string }{
		{"elasticsearch.hosts=other:9201", "http://other:9201"},
		{"elasticsearch_service.hosts=other:9201", "http://other:9201"},
		{"hosts=other:9201", "http://other:9201"},
		{"elasticsearch.bulk.size=2", "2097152"},
		{"elasticsearch.hosts=https://es.example:443/path", "https://es.example:443/path"},
		{"indexing_stream.kafka.metadata.broker.list=k9:9092", "k9:9092"},
		{"kafka.metadata.broker.list=k9:9092", "k9:9092"},
	}
	for _, tt := range tests {
		p, err := plan(t, read(t, "tutorial-source.yml"), tt.set)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(p.Stages[1].Args, tt.arg) {
			t.Errorf("--set %s: arguments %q lack %q", tt.set, p.Stages[1].Args, tt.arg)
		}
		if parse := slices.Contains(p.Stages[0].Args, "k9:9092"); parse != strings.HasPrefix(tt.set, "kafka.") && strings.Contains(tt.set, "k9") {
			t.Errorf("--set %s changed the other stream, or not all: %v", tt.set, parse)
		}
	}
	p, err := plan(t, read(t, "tutorial-source.yml"), "spark.streaming.kafka.maxRatePerPartition=0")
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(p.Stages[0].Args, "--rate") || p.Rows[0].Words != "no limit" || p.Rows[0].Line != 0 {
		t.Errorf("the line that lifts the limit does not: %q, %+v", p.Stages[0].Args, p.Rows[0])
	}
	if _, err := plan(t, read(t, "tutorial-source.yml"), "no.such=1"); err == nil || !strings.Contains(err.Error(), "has no such key") {
		t.Errorf("error %v", err)
	}
	if _, err := ParseOverride("hosts"); err == nil {
		t.Error("--set without a value: no error")
	}
}

func TestVariableDefaults(t *testing.T) {
	f, err := Read("x", []byte(small("", "        batch.size: ${SIZE:77}", "        kafka.metadata.broker.list: ${A}:${B}", "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Substitute(environment(map[string]string{"A": "host", "B": "1"})); err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan(outside())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"77", "host:1"} {
		if !slices.Contains(p.Stages[0].Args, want) {
			t.Errorf("arguments %q lack %q", p.Stages[0].Args, want)
		}
	}
}

func TestStoreInPlaceOfElasticsearch(t *testing.T) {
	o := outside()
	o.Store = "/data/packets"
	o.Host = nil // must not be asked
	p, err := read(t, "tutorial-source.yml").Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	args := p.Stages[1].Args
	if !slices.Contains(args, "/data/packets") || slices.Contains(args, "--elasticsearch") {
		t.Errorf("arguments %q", args)
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{"a-b/c:1,2": "a-b/c:1,2", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'"} {
		if got := quoted(in); got != want {
			t.Errorf("quoted(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"tutorial-page.yml", "logisland-1.4.1.yml"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := Read("x", src)
		if err != nil {
			return
		}
		if _, err := file.Plan(outside()); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
