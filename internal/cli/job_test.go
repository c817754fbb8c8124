package cli

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"xcapa/internal/job"
)

func TestAnswersHTTP(t *testing.T) {
	denied := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	plain, secure := httptest.NewServer(denied), httptest.NewTLSServer(denied)
	defer plain.Close()
	defer secure.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // speaks another protocol
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go func() {
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("ES\x00\x00\x00\x01"))
			c.Close()
		}
	}()
	for url, want := range map[string]bool{plain.URL: true, secure.URL: true, "http://" + silent.Addr().String(): false, "http://127.0.0.1:1": false, "http://no such host": false} {
		if got := answersHTTP(context.Background(), url); got != want {
			t.Errorf("answersHTTP(%s) = %v, want %v", url, got, want)
		}
	}
}

func TestElasticHost(t *testing.T) {
	ask := elasticHost(context.Background(), true) // a dry run asks nobody
	url, verdict, words := ask("sandbox", 9300, false)
	if url != "http://sandbox:9300" || verdict != job.Attention || !strings.Contains(words, "http://sandbox:9200") {
		t.Errorf("%s %s %s", url, verdict, words)
	}
	if url, verdict, _ := ask("::1", 9201, true); url != "https://[::1]:9201" || verdict != job.Used {
		t.Errorf("%s %s", url, verdict)
	}
}

func TestStageNames(t *testing.T) {
	got := stageNames([]job.Stage{{Name: "../parse"}, {Name: "índex"}, {Name: "índex"}, {Name: "_ndex"}})
	if want := []string{"___parse", "_ndex", "_ndex-2", "_ndex-3"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}

// Every flag that a plan gives a stage is one that its command has and takes.
func TestPlansAreCommandLines(t *testing.T) {
	for _, name := range []string{"tutorial-page.yml", "logisland-1.4.1.yml"} {
		for _, serializer := range []string{"KryoSerializer", "JsonSerializer", "ExtendedJsonSerializer", "AvroSerializer", "StringSerializer", "none"} {
			o := jobOptions{file: "../job/testdata/" + name, dryRun: true, set: []string{"elasticsearch.hosts=es:9200", "kafka.metadata.broker.list=k:9092",
				"parsing_stream.kafka.output.topics.serializer=" + serializer, "kafka.topic.autoCreate=false", "elasticsearch.bulk.size=5",
				"elasticsearch.flush.interval=5", "elasticsearch.concurrent.requests=2", "elasticsearch.backoff.policy=constantBackoff",
				"elasticsearch.throttling.delay=500", "elasticsearch.username=u", "indexing_stream.kafka.linger.ms=5"}}
			plan, err := o.plan(t.Context(), newRunCommand(&streams{}), "")
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range plan.Stages {
				cmd, _, err := newRoot(&streams{}).Find([]string{string(s.Kind)})
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.ParseFlags(s.Args); err != nil {
					t.Errorf("%s: %v", s.CommandLine(), err)
				}
			}
		}
	}
}

// What is given to run goes on to every stage; what the file says does not come
// from there.
func TestHandedOn(t *testing.T) {
	cmd := newRunCommand(&streams{})
	for name, value := range map[string]string{"tls-ca": "ca.pem", "property": "linger.ms=5", "schema": "seed", "page": "off"} {
		if err := cmd.Flags().Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	got := handedOn(cmd)
	slices.Sort(got)
	if want := []string{"--property=linger.ms=5", "--schema=seed", "--tls-ca=ca.pem"}; !slices.Equal(got, want) {
		t.Errorf("handed on %q, want %q", got, want)
	}
	for _, stage := range []string{"parse", "index"} {
		sub, _, err := newRoot(&streams{}).Find([]string{stage})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(kafkaFlagNames(), "schema", "status-file", "stage", "batch-interval", "quiet") {
			if sub.Flags().Lookup(name) == nil {
				t.Errorf("%s has no --%s: a job cannot hand it on", stage, name)
			}
		}
	}
}
