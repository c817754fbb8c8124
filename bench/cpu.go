package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The CPU-only comparisons are the benchmarks that stand beside the code, with
// their peers; here they are run in turns and pinned.
const groupCPU = "one core, no I/O"

type micro struct {
	name, pkg, bench string
	per              float64 // units in an operation
	note             string
}

const (
	nameDecodeOurs = "xcapa decode"
	nameGopacket   = "gopacket DecodingLayerParser"
	nameJSONOurs   = "xcapa JSON document"
	nameJSONStd    = "encoding/json"
	nameBlock      = "xcapa Arrow block, TCP"
	nameBlockOpts  = "xcapa Arrow block, with options"
	nameBlockMixed = "xcapa Arrow block, mixed with nulls"
)

var micros = []micro{
	{nameDecodeOurs, "packet", "Decode/mix", 1, "Ethernet to TCP options, IPv6 among them, in cache"},
	{nameGopacket, "packet", "Gopacket/mix", 1, "its fields copied into the same struct"},
	{nameJSONOurs, "codec", "JSON", 1, ""},
	{nameJSONStd, "codec", "EncodingJSON", 1, "the same document"},
	{nameBlock, "codec", "ArrowBlockTCP", 1, "a record's share of its block"},
	{nameBlockOpts, "codec", "ArrowBlockOptions", 1, "a record's share of its block"},
	{nameBlockMixed, "codec", "ArrowBlockMixed", 1, "a record's share of its block"},
	{"xcapa reads an Arrow block", "codec", "ReadBlockTCP", 1024, "what index does per record"},
	{"xcapa worker, frame to Arrow block", "worker", "Handle/arrow", 1, "decode, encode, hand over"},
	{"xcapa worker, frame to JSON message", "worker", "Handle/json", 1, ""},
	{"xcapa worker, frame to raw message", "worker", "Handle/raw", 1, ""},
}

// cpu is B6, B7 and B14.
func (h *harness) cpu() {
	built := map[string]error{}
	var cases []benchCase
	for _, m := range micros {
		binary := filepath.Join(h.scratch, m.pkg+".test")
		if _, ok := built[m.pkg]; !ok {
			out, err := exec.Command("go", "test", "-c", "-o", binary, "./internal/"+m.pkg).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("go test -c: %w: %s", err, out)
			}
			built[m.pkg] = err
		}
		cases = append(cases, benchCase{group: groupCPU, name: m.name, unit: "records", limit: blocking, note: m.note, run: func() (sample, error) {
			if err := built[m.pkg]; err != nil {
				return sample{}, err
			}
			return h.microbench(m, binary)
		}})
	}
	h.rounds(h.count, 60*time.Second, cases)
}

var benchLine = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s+([\d.]+) ns/op(.*)$`)

func (h *harness) microbench(m micro, binary string) (s sample, err error) {
	parts := strings.Split(m.bench, "/")
	for i := range parts {
		parts[i] = "^" + parts[i] + "$"
	}
	cmd := exec.Command(binary, "-test.run=^$", "-test.bench=^Benchmark"+parts[0][1:]+strings.TrimSuffix("/"+strings.Join(parts[1:], "/"), "/"),
		"-test.benchtime=150ms", "-test.benchmem")
	cmd.Dir = filepath.Join("internal", m.pkg)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := runTo(h.place.App, cmd); err != nil {
		return s, fmt.Errorf("%v: %w: %s", cmd.Args, err, out.Bytes())
	}
	match := benchLine.FindSubmatch(out.Bytes())
	if match == nil {
		return s, fmt.Errorf("no benchmark called %s: %s", m.bench, out.Bytes())
	}
	ns, _ := strconv.ParseFloat(string(match[1]), 64)
	if a := regexp.MustCompile(`(\d+) allocs/op`).FindSubmatch(match[2]); a != nil {
		s.Allocs, _ = strconv.ParseFloat(string(a[1]), 64)
	}
	s.CPU = ns / m.per // go test's is wall time: what the core was taken away for is in it
	s.Delay = max(0, 1-(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()/time.Since(begin).Seconds())
	s.Delivered, s.Seconds = uint64(1e9/s.CPU), 1
	return s, nil
}
