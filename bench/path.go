package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed peers/pycapa.py
var pycapaPython []byte

// The whole path: wire to acknowledged by a broker in another process, which
// keeps nothing, else its storing would be what is measured.
const (
	groupPath  = "whole path 60 B"
	groupLarge = "1514 B at 200 k/s, 2.4 Gbit/s"

	nameRing        = "xcapa until the ring"
	nameDecode      = "xcapa until decoded"
	nameEncodeArrow = "xcapa until encoded, arrow"
	nameEncodeJSON  = "xcapa until encoded, json"
	nameEncodeRaw   = "xcapa until encoded, raw"
	nameArrow       = "xcapa arrow"
	nameArrowSnappy = "xcapa arrow, snappy"
	nameArrowBatch  = "xcapa arrow, snappy, --stamp batch"
	nameArrowZstd   = "xcapa arrow, zstd"
	nameJSON        = "xcapa json"
	nameJSONSnappy  = "xcapa json, snappy"
	nameRaw         = "xcapa raw"
	nameRawSnappy   = "xcapa raw, snappy"
	nameMessage     = "a JSON message per packet through franz-go"
	namePycapaGo    = "pycapa's shape in Go"
	namePycapaPy    = "pycapa's shape in Python"
)

func until(room string, flags ...string) receiver {
	return receiver{args: append([]string{"{xcapa}", "capture", "-i", "{if}", "--until", room}, flags...), kind: kindXcapa}
}

// toKafka is xcapa capture with brokers. Records that nobody waits for must not
// hide what the path can do: the errors topic plays no part in this traffic.
func toKafka(encoding, compression string, flags ...string) receiver {
	return receiver{kind: kindXcapa, broker: true, args: append([]string{"{xcapa}", "capture", "-i", "{if}", "--brokers", "{broker}",
		"--encoding", encoding, "--compression", compression, "--drain", "60s"}, flags...)}
}

var messageReceiver = receiver{kind: kindPeer, broker: true, args: []string{"{self}", "peer", "message", "-i", "{if}", "-brokers", "{broker}"}}

// pathCases are in the order of the rooms. Round by round all see the same
// machine.
func (h *harness) pathCases() []named {
	cases := []named{
		{nameRing, until("ring"), "frames counted"},
		{nameDecode, until("decode"), ""},
		{nameEncodeArrow, until("encode"), ""},
		{nameEncodeJSON, until("encode", "--encoding", "json"), ""},
		{nameEncodeRaw, until("encode", "--encoding", "raw"), ""},
		{nameArrow, toKafka("arrow", "none"), ""},
		{nameArrowSnappy, toKafka("arrow", "snappy"), "the default"},
		{nameArrowBatch, toKafka("arrow", "snappy", "--stamp", "batch"), ""},
		{nameArrowZstd, toKafka("arrow", "zstd"), ""},
		{nameMessage, messageReceiver, "our capture, decoder and JSON; a record of the client for each"},
		{nameJSON, toKafka("json", "none"), "a message per packet"},
		{nameJSONSnappy, toKafka("json", "snappy"), "a message per packet"},
		{nameRaw, toKafka("raw", "none"), "a message per packet"},
		{nameRawSnappy, toKafka("raw", "snappy"), "a message per packet"},
		{namePycapaGo, receiver{kind: kindPeer, broker: true, args: []string{"{self}", "peer", "pycapa", "-i", "{if}", "-brokers", "{broker}"}}, "gopacket/afpacket and franz-go, a raw record per packet"},
	}
	return append(cases, named{namePycapaPy, h.pythonReceiver(), "pcapy-ng and confluent-kafka, a raw record per packet"})
}

// pythonReceiver is pycapa.py in a virtual environment of ours, made once.
func (h *harness) pythonReceiver() receiver {
	if h.python == "" {
		h.python = h.preparePython()
	}
	return receiver{kind: kindPeer, broker: true, args: []string{"{python}", filepath.Join(h.scratch, "pycapa.py"), "{if}", "{broker}", "xcapa.raw"}}
}

func (h *harness) preparePython() string {
	venv := filepath.Join(h.scratch, "venv")
	python := filepath.Join(venv, "bin", "python")
	if err := os.WriteFile(filepath.Join(h.scratch, "pycapa.py"), pycapaPython, 0o644); err != nil {
		return "no-python"
	}
	if exec.Command(python, "-c", "import pcapy, confluent_kafka").Run() == nil {
		return python
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", venv},
		{filepath.Join(venv, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "--timeout", "20", "--retries", "1", "pcapy-ng", "confluent-kafka"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: the Python peer is left out: %v: %v\n%s", args, err, out)
			return "pip-did-not-answer"
		}
	}
	return python
}

// path is B8 to B10, with flows enough that no two packets in a block share one.
func (h *harness) path() {
	t := small.flows(4096)
	var cases []benchCase
	for _, n := range h.pathCases() {
		cases = append(cases, h.captureCase(groupPath, n, t))
	}
	h.rounds(h.count, 150*time.Second, cases)
	cases = nil
	for _, n := range []named{
		{nameArrowSnappy, toKafka("arrow", "snappy"), ""},
		{nameRaw, toKafka("raw", "none"), "the frames themselves, as fastcapa sends them"},
		{nameRawSnappy, toKafka("raw", "snappy"), "the frames themselves, as fastcapa sends them"},
	} {
		cases = append(cases, h.captureCase(groupLarge, n, large.flows(4096).at(200e3)))
	}
	h.rounds(min(h.count, 3), 30*time.Second, cases)
}
