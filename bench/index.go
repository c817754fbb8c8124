package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/measure"
)

const (
	groupIndex     = "index stage, one core, into a sink that answers at once"
	nameIndexArrow = "xcapa index, arrow"
	nameIndexJSON  = "xcapa index, json"
	nameIndexGzip  = "xcapa index, arrow, gzip"
	nameBulk       = "esutil.BulkIndexer"
	nameBulkGzip   = "esutil.BulkIndexer, gzip"
	nameBulkStd    = "esutil.BulkIndexer and encoding/json"
	nameIndexStore = "xcapa index --store"
	nameParseTopic = "xcapa parse, topic to topic"
	indexDocs      = 200_000
	indexLimit     = 2 * time.Minute // of one trial
)

// index is B11: from a topic to a server that answers every bulk at once.
func (h *harness) index() {
	trace := filepath.Join(h.scratch, "index.pcap")
	if err := writeTrace(trace, indexDocs); err != nil {
		fmt.Fprintf(os.Stderr, "bench: index: %v\n", err)
		return
	}
	bulk, bulkErr := h.buildBulk()
	var cases []benchCase
	add := func(name, encoding, note string, args ...string) {
		cases = append(cases, benchCase{group: groupIndex, name: name, unit: "documents", limit: crowded, note: note, run: func() (sample, error) {
			if args[0] == "" {
				return sample{}, bulkErr
			}
			return h.indexTrial(trace, encoding, args)
		}})
	}
	ours := []string{h.binary, "index", "--brokers", "{broker}", "--elasticsearch", "http://{sink}", "--install-template=false", "-q"}
	add(nameIndexArrow, "arrow", "reads blocks, makes documents", ours...)
	add(nameIndexJSON, "json", "documents as they come", ours...)
	theirs := []string{bulk, "peer", "bulk", "-brokers", "{broker}", "-elasticsearch", "http://{sink}", "-docs", strconv.Itoa(indexDocs)}
	add(nameBulk, "json", "documents as they come, not looked at, no offsets committed", theirs...)
	add(nameBulkStd, "json", "reads a document for its id and index, writes it again", append(slices.Clone(theirs), "-decode")...)
	add(nameIndexGzip, "arrow", "gzip -1", append(slices.Clone(ours), "--es-gzip", "1")...)
	add(nameBulkGzip, "json", "gzip -1", append(slices.Clone(theirs), "-gzip")...)
	add(nameIndexStore, "arrow", "Parquet files, zstd", h.binary, "index", "--brokers", "{broker}", "--store", "{dir}/store", "--store-window", "1h", "-q")
	if h.has("parse") {
		cases = append(cases, benchCase{group: groupIndex, name: nameParseTopic, unit: "documents", limit: crowded, note: "raw topic to Arrow blocks in another", run: func() (sample, error) {
			return h.indexTrial(trace, "raw", []string{h.binary, "parse", "--brokers", "{broker}", "-q"})
		}})
	}
	h.rounds(min(h.count, 3), 100*time.Second, cases)
}

// buildBulk builds this program once more with the peer that takes minutes to
// compile; "" with an error where that fails.
func (h *harness) buildBulk() (string, error) {
	bin := filepath.Join(h.scratch, "bench-esutil")
	cmd := exec.Command("go", "build", "-tags", "esutil", "-o", bin, "./bench")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build with esutil: %w: %.300s", err, out)
	}
	return bin, nil
}

// indexTrial fills a topic and measures how long it takes to get it out.
func (h *harness) indexTrial(trace, encoding string, args []string) (s sample, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return s, err
	}
	defer w.close()
	if err := w.fillTopic(trace, encoding); err != nil {
		return s, err
	}
	portFile := filepath.Join(w.dir, "sink")
	target, err := startOn(w.pair.Ends[1].Start, h.place.Other, h.self, "peer", "sink", "-port-file", portFile)
	if err != nil {
		return s, err
	}
	defer target.kill()
	addr, err := awaitFile(portFile, target)
	if err != nil {
		return s, err
	}
	return w.indexer(args, indexDocs, addr, target.cmd.Process.Pid)
}

// fillTopic starts a broker and brings the packets of a capture file into it.
func (w *wire) fillTopic(trace, encoding string) error {
	if err := w.startBroker("--limit", "2GiB"); err != nil {
		return err
	}
	fill, err := startOn(w.pair.Ends[1].Start, w.h.place.App, w.h.binary, "capture", "-r", trace, "--brokers", w.addr, "--encoding", encoding, "-q", "--errors-in-output")
	if err != nil {
		return err
	}
	defer fill.kill()
	return fill.wait(60 * time.Second)
}

// indexer runs the indexer until it has settled docs documents in what listens
// at sink, the process target.
func (w *wire) indexer(args []string, docs uint64, sink string, target int) (s sample, err error) {
	h := w.h
	full := make([]string, 0, len(args)+4)
	for _, a := range args {
		full = append(full, replaceAll(a, "{broker}", w.addr, "{sink}", sink, "{dir}", w.dir))
	}
	w.stats = ""
	if args[0] == h.binary {
		w.runs++
		w.stats = filepath.Join(w.dir, fmt.Sprint("stats-", w.runs))
		full = append(full, "--stats-file", w.stats, "--stats-interval", "20ms")
	}
	targetBefore, _ := measure.Used(target)
	begin := time.Now()
	p, err := startOn(w.pair.Ends[1].Start, h.place.App, full...)
	if err != nil {
		return s, err
	}
	defer p.kill()
	var before measure.CPU
	if w.stats == "" {
		if _, err := p.result(20 * time.Second); err != nil { // ready
			return s, err
		}
		begin, before = time.Now(), p.used()
		r, err := p.result(indexLimit)
		if err != nil {
			return s, err
		}
		s.Delivered = r.Packets
	} else {
		if _, err := awaitFile(w.stats, p); err != nil {
			return s, err
		}
		before = p.used()
		for deadline := time.Now().Add(indexLimit); s.Delivered < docs; time.Sleep(5 * time.Millisecond) {
			if l, err := ledger.ReadLast(w.stats); err == nil && len(l.Rooms) > 0 {
				last := l.Rooms[len(l.Rooms)-1]
				if s.Delivered = last.Out; last.Room == "parquet" {
					s.Delivered = last.In // in the open file: it is asked to end below
				}
			}
			if time.Now().After(deadline) {
				return s, fmt.Errorf("%s: %d of %d documents after %v\n%s", p.name(), s.Delivered, docs, indexLimit, p.words.String())
			}
		}
	}
	s.Seconds = time.Since(begin).Seconds()
	used := p.used().Minus(before)
	s.CPU = float64(used.Ran) / float64(s.Delivered)
	s.Delay = used.Delayed.Seconds() / s.Seconds
	targetUsed, _ := measure.Used(target)
	s.Other = float64(targetUsed.Minus(targetBefore).Ran) / float64(s.Delivered)
	return s, nil
}
