package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
)

// scale prints the cost model of a result file: what 1, 10 and 100 million
// packets a second take, from what one took here.
func scale(args []string) error {
	path := "bench/results/latest.json"
	if len(args) > 0 {
		path = args[0]
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the results (make bench writes them): %w", err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	m, err := modelOf(&r)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.write(os.Stdout, &r)
	return nil
}

// model is what a packet costs in each room.
type model struct {
	generator           float64 // ns of making a frame
	kernel, kernelIMIX  float64 // ns of the core that receives: driver, XDP, copy
	app                 float64 // ns of the capture: decode, encode, produce
	json                float64 // the same with a JSON message per packet
	topic, topicZstd    float64 // bytes on the topic, arrow
	topicJSON, topicRaw float64 // snappy
	document, row       float64 // ns of index to Elasticsearch, to Parquet
	onDisk              float64 // bytes of a row
	path                float64 // packets/s that one queue was seen to do, wire to acknowledged
}

// Costs that are not measured here.
const (
	// elasticDocs is documents/s a data node's vCPU indexes: Elasticsearch 8.9,
	// http_logs, published by Alibaba Cloud; 287 k/s of 126-byte documents on
	// one large server say the same order.
	elasticDocs = 15_700
	// documentBytes is what such a document takes in an index, replica not
	// counted: doc values and inverted index of some 35 fields.
	documentBytes = 250
	// busy is how full a core may be planned: bursts need the rest.
	busy = 0.7
)

func modelOf(r *report) (m model, err error) {
	get := func(group, name string, f func(sample) float64) float64 {
		v := r.find(group, name).spread(f).Median
		if math.IsNaN(v) && err == nil {
			err = fmt.Errorf("it has no %q in %q: run make bench whole", name, group)
		}
		return v
	}
	// A core that made no frames would have that time too.
	m.generator = get(groupCapture(small), nameAlone, coreOf)
	m.kernel = get(groupCapture(small), namePacket, coreOf) - m.generator
	m.kernelIMIX = get(groupCapture(imix), namePacket, coreOf) - get(groupCapture(imix), nameAlone, coreOf)
	m.app = get(groupPath, nameArrowSnappy, cpuOf)
	m.json = get(groupPath, nameJSON, cpuOf)
	m.path = get(groupPath, nameArrowSnappy, rate)
	m.document = get(groupIndex, nameIndexArrow, cpuOf)
	m.row = get(groupIndex, nameIndexStore, cpuOf)
	m.onDisk = get(groupQuery, nameCount, func(s sample) float64 { return s.Size })
	for _, s := range r.Sizes {
		switch s.Encoding + " " + s.Compression {
		case "arrow snappy":
			m.topic = s.Bytes
		case "arrow zstd":
			m.topicZstd = s.Bytes
		case "json snappy":
			m.topicJSON = s.Bytes
		case "raw snappy":
			m.topicRaw = s.Bytes
		}
	}
	if m.topic == 0 && err == nil {
		err = fmt.Errorf("it has no sizes: run make bench whole")
	}
	return m, err
}

var scaleRates = []float64{1e5, 1e6, 1e7, 1e8}

func (m model) write(w io.Writer, r *report) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	p("# What it takes at scale\n\n")
	p("Computed by `bin/bench scale` from the run of %s on %s (xcapa `%s`). Run it after `make bench` on your machine: the arithmetic stays, the costs are yours. Cores are planned %.0f %% full.\n\n", r.Began.Format("2006-01-02"), r.Machine.CPU, r.Machine.Version, 100*busy)
	p("## Costs a packet\n\n| room | cost | from |\n|---|---|---|\n")
	p("| kernel: driver, XDP program with stamps, redirect, copy | %.0f ns; IMIX %.0f ns | `capture`, less the %.0f ns of the generator alone |\n", m.kernel, m.kernelIMIX, m.generator)
	p("| capture: decode, Arrow, snappy, produce | %.0f ns | `path` at saturation |\n", m.app)
	p("| the same as a JSON message a packet | %.0f ns | `path` at saturation |\n", m.json)
	p("| on the topic, arrow: snappy, zstd | %.0f, %.0f bytes | real traffic, `sizes` |\n", m.topic, m.topicZstd)
	p("| on the topic, snappy: json, raw | %.0f, %.0f bytes | real traffic, `sizes` |\n", m.topicJSON, m.topicRaw)
	p("| index to Elasticsearch | %.0f ns, its own work | `index` |\n", m.document)
	p("| Elasticsearch itself | %.0f µs, %d bytes | published: %d documents/s a vCPU |\n", 1e6/elasticDocs, documentBytes, elasticDocs)
	p("| index to Parquet | %.0f ns | `index` |\n| a row of Parquet | %.1f bytes | `query`: ten thousand packets of real traffic, again and again with other hosts and numbers: plan with twice that |\n\n", m.row, m.onDisk)

	p("## From packets to machines\n\n| packets/s |")
	for _, rate := range scaleRates {
		p(" %s |", si(rate))
	}
	p("\n|---|")
	for range scaleRates {
		p("---|")
	}
	p("\n")
	line := func(name string, f func(rate float64) string) {
		p("| %s |", name)
		for _, rate := range scaleRates {
			p(" %s |", f(rate))
		}
		p("\n")
	}
	cores := func(ns float64) func(float64) string {
		return func(rate float64) string { return quantity(rate * ns / 1e9 / busy) }
	}
	line("kernel cores, copy mode", cores(m.kernel))
	line("capture cores", cores(m.app))
	line("RX queues, a kernel and a capture core each", func(rate float64) string {
		return fmt.Sprintf("%.0f", math.Ceil(rate*max(m.kernel, m.app)/1e9/busy))
	})
	line("Gbit/s of 60-byte frames; of IMIX", func(rate float64) string {
		return fmt.Sprintf("%s; %s", quantity(rate*60*8/1e9), quantity(rate*imix.bytes*8/1e9))
	})
	line("broker in, MB/s, arrow and snappy", func(rate float64) string { return quantity(rate * m.topic / 1e6) })
	line("… zstd", func(rate float64) string { return quantity(rate * m.topicZstd / 1e6) })
	line("… json and snappy", func(rate float64) string { return quantity(rate * m.topicJSON / 1e6) })
	line("topic, TB a day, arrow and snappy, one replica", func(rate float64) string { return quantity(rate * m.topic * 86400 / 1e12) })
	line("index cores to Parquet", cores(m.row))
	line("Parquet, TB a day", func(rate float64) string { return quantity(rate * m.onDisk * 86400 / 1e12) })
	line("index cores to Elasticsearch, a document a packet", cores(m.document))
	line("Elasticsearch vCPUs, a document a packet", func(rate float64) string { return quantity(rate / elasticDocs) })
	line("Elasticsearch, TB a day, a document a packet", func(rate float64) string { return quantity(rate * documentBytes * 86400 / 1e12) })

	p("\n## Where each part must grow\n\n")
	p("- **One queue**: the kernel's core is full at %s packets/s in copy mode, the capture's at %s; the two cores of this machine were seen to do %s wire to acknowledged, with generator and broker on them. Beyond that: RSS over more queues, one core each; a driver with zero copy takes the copy away.\n", si(1e9/m.kernel), si(1e9/m.app), si(m.path))
	p("- **The broker's network**: 10 Gbit/s are full at %s packets/s with snappy, at %s with zstd (three replicas: a third each).\n", si(1.25e9/m.topic), si(1.25e9/m.topicZstd))
	p("- **Index to Parquet**: a core does %s rows/s; partitions and index processes grow with it. A 20 TB disk holds a day of %s packets/s.\n", si(1e9/m.row), si(20e12/86400/m.onDisk))
	p("- **Elasticsearch** is full first, by two orders of magnitude: 64 vCPUs take %s documents/s. A document a packet is honest to some %s packets/s.\n", si(64*elasticDocs), si(4*elasticDocs))

	p("\n## What makes it less\n\n| at 10 M packets/s | records/s onward | broker MB/s | Elasticsearch vCPUs |\n|---|---|---|---|\n")
	for _, way := range []struct {
		name string
		part float64
	}{
		{"every packet", 1}, {"a filter that keeps a tenth", 0.1}, {"one flow in a hundred, whole", 0.01},
		{"flow records, 20 packets a flow", 1. / 20}, {"flow records, 200 packets a flow", 1. / 200},
	} {
		n := 1e7 * way.part
		p("| %s | %s | %s | %s |\n", way.name, si(n), quantity(n*m.topic/1e6), quantity(n/elasticDocs))
	}
	p("\nA filter in the XDP program also takes the copy and everything behind it away; sampling and flow records need every packet decoded. `--headers-only` makes the copy and `raw` smaller, records stay as they are.\n")
}

// quantity writes v with what digits it is worth.
func quantity(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
