package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"xcapa/internal/measure"
)

const (
	groupKafka   = "whole path 60 B into Apache Kafka"
	groupElastic = "index stage into Elasticsearch"
	elasticTrial = 30_000 // documents
)

// servers holds the path against a real Apache Kafka and a real Elasticsearch,
// each on one core: the broker beside the generator where there are only two,
// Elasticsearch alone on its own.
func (h *harness) servers() {
	h.intoKafka()
	h.intoElasticsearch()
}

// server is a server of internal/stack, started by its script.
type server struct {
	w      *wire
	script string
	dir    string // its state
	addr   string
	pid    int
}

// startServer fetches a server (Maven) and starts it in w's receiving namespace,
// on the core for others. variable is the word of the script's answer that holds
// its address; pidFile lies in the folder that the answer names.
func (w *wire) startServer(script, variable, pidFile string, args ...string) (*server, error) {
	s := &server{w: w, script: script}
	if _, err := s.run(func(c *exec.Cmd) error { return c.Start() }, "fetch"); err != nil {
		return nil, err
	}
	s.stop() // what an interrupted run left
	out, err := s.run(w.pair.Ends[1].Start, "start", args...)
	if err != nil {
		s.stop()
		return nil, err
	}
	for _, word := range strings.Fields(string(out)) {
		switch k, v, _ := strings.Cut(word, "="); k {
		case variable:
			s.addr = v
		case variable + "_DIR":
			s.dir = v
		}
	}
	b, err := os.ReadFile(filepath.Join(s.dir, pidFile))
	if err == nil {
		s.pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	if err != nil || s.addr == "" {
		s.stop()
		return nil, fmt.Errorf("%s start said %q: %w", script, out, err)
	}
	goAhead(s.pid) // as the generator beside it
	return s, nil
}

// run runs the script with a verb, for a name of ours.
func (s *server) run(spawn spawner, verb string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "internal/stack/"+s.script, append([]string{verb, "--name", "bench"}, args...)...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := measure.On(s.w.h.place.Other, func() error { return spawn(cmd) })
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %.300s", s.script, verb, err, strings.ReplaceAll(words.String(), "\n", " "))
	}
	return out.Bytes(), nil
}

// stop ends the server and removes its data.
func (s *server) stop() {
	if _, err := s.run(func(c *exec.Cmd) error { return c.Start() }, "wipe"); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
	}
}

// intoKafka is the whole path into Apache Kafka. Its trials share a wire and the
// broker, which is warm when they begin.
func (h *harness) intoKafka() {
	w, err := openWire(h, 1)
	if err == nil {
		defer w.close()
		var kafka *server
		if kafka, err = w.startServer("kafka.sh", "XCAPA_TEST_KAFKA", "1/pid", "--heap", "1g", "--set", "num.partitions=4"); err == nil {
			defer kafka.stop()
			w.server, w.addr = kafka.pid, kafka.addr
			jars, _ := filepath.Glob(filepath.Join(kafka.dir, "libs", "kafka_2.13-*.jar"))
			for _, jar := range jars {
				h.report.Machine.Tools["kafka"] = "Apache Kafka " + strings.TrimSuffix(strings.TrimPrefix(filepath.Base(jar), "kafka_2.13-"), ".jar")
			}
		}
	}
	t := small.flows(4096)
	var cases []benchCase
	for _, n := range []named{
		{nameArrowSnappy, toKafka("arrow", "snappy"), "the default"},
		{nameRaw, toKafka("raw", "none"), "a message per packet"},
		{nameJSON, toKafka("json", "none"), "a message per packet"},
		{nameMessage, messageReceiver, "our capture, decoder and JSON; a record of the client for each"},
	} {
		if err == nil { // the JVM compiles what it runs
			_, err = w.measure(n.r, t, h.length)
		}
		cases = append(cases, benchCase{group: groupKafka, name: n.name, unit: "packets", note: n.note, run: func() (sample, error) {
			if err != nil {
				return sample{}, err
			}
			return w.measure(n.r, t, h.length)
		}})
	}
	h.rounds(min(h.count, 3), 60*time.Second, cases)
	if err != nil {
		return
	}
	c := latencyCurve("Latency into Apache Kafka against rate", "From the kernel's stamp on arrival to the acknowledgement, as in *Latency against rate*; the broker on the generator's core.", "acknowledged")
	for _, rate := range []float64{1e3, 10e3, 100e3} {
		c.addLatency(0, rate, func() ([3]float64, error) { return w.untilAcknowledged(rate) })
	}
	h.report.Curves = append(h.report.Curves, c)
}

// intoElasticsearch is the index stage into Elasticsearch, with our template.
func (h *harness) intoElasticsearch() {
	trace := filepath.Join(h.scratch, "elastic.pcap")
	w, err := openWire(h, 1)
	var elastic *server
	if err == nil {
		defer w.close()
		if elastic, err = w.startServer("elasticsearch.sh", "XCAPA_TEST_ELASTICSEARCH", "pid", "--heap", "1g"); err == nil {
			defer elastic.stop()
			err = writeTrace(trace, elasticTrial)
			defer os.Remove(trace)
		}
	}
	bulk, bulkErr := h.buildBulk()
	index := "packets_index." + time.Unix(traceBegan, 0).UTC().Format("2006.01.02")
	trial := func(encoding string, args []string) (s sample, failed error) {
		if err != nil {
			return s, err
		}
		defer func() { w.broker.kill(); w.broker = nil }()
		if err := w.fillTopic(trace, encoding); err != nil {
			return s, err
		}
		if err := elastic.remove(index); err != nil {
			return s, err
		}
		return w.indexer(args, elasticTrial, elastic.addr, elastic.pid)
	}
	ours := []string{h.binary, "index", "--brokers", "{broker}", "--elasticsearch", "{sink}", "-q"}
	theirs := []string{bulk, "peer", "bulk", "-brokers", "{broker}", "-elasticsearch", "{sink}", "-index", index, "-docs", strconv.Itoa(elasticTrial)}
	if err == nil { // installs the template; the JVM compiles what it runs
		_, err = trial("arrow", ours)
	}
	var cases []benchCase
	for _, c := range []struct {
		name, encoding, note string
		args                 []string
	}{
		{nameIndexArrow, "arrow", "reads blocks, makes documents", ours},
		{nameIndexJSON, "json", "documents as they come", ours},
		{nameBulk, "json", "documents as they come, not looked at, no offsets committed", theirs},
	} {
		cases = append(cases, benchCase{group: groupElastic, name: c.name, unit: "documents", note: c.note, run: func() (sample, error) {
			if c.args[0] == "" {
				return sample{}, bulkErr
			}
			return trial(c.encoding, c.args)
		}})
	}
	h.rounds(min(h.count, 3), 90*time.Second, cases)
	if err == nil {
		h.report.Machine.Tools["elasticsearch"] = "Elasticsearch " + elastic.version()
	}
}

// request asks Elasticsearch, from inside its namespace.
func (s *server) request(method, path string) ([]byte, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = s.w.pair.Ends[1].Do(func() error {
			var d net.Dialer
			c, err = d.DialContext(ctx, network, addr)
			return err
		})
		return c, err
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(method, s.addr+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, answer.Status, b)
	}
	return b, err
}

// remove deletes an index, if there is one.
func (s *server) remove(index string) error {
	_, err := s.request(http.MethodDelete, "/"+index)
	return err
}

// version is asked of the node: a distribution may come without the module that
// answers at the root.
func (s *server) version() string {
	var about struct {
		Nodes map[string]struct{ Version string }
	}
	b, err := s.request(http.MethodGet, "/_nodes/_local")
	if err == nil && json.Unmarshal(b, &about) == nil {
		for _, n := range about.Nodes {
			return n.Version
		}
	}
	return "of unknown version"
}
