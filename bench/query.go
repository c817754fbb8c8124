package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"xcapa/internal/ledger"
)

const (
	groupQuery = "query over the Parquet store, both cores"
	nameCount  = "xcapa query, count with a condition"
	nameGroup  = "xcapa query, sum of bytes by address and port"
	nameSeries = "xcapa query, a series by protocol"
	storePass  = 1_000_000
)

// query asks a store of two million rows, with -full of a hundred million.
func (h *harness) query() {
	passes := 2
	if h.full {
		passes = 100
	}
	store := filepath.Join(h.scratch, "query-store")
	os.RemoveAll(store)
	defer os.RemoveAll(store)
	rows := uint64(passes * storePass)
	err := h.fillStore(store, passes)
	size := folderSize(store)
	var cases []benchCase
	for _, c := range []struct {
		name string
		args []string
	}{
		{nameCount, []string{"--count", "--where", "tcp_flags has syn and not tcp_flags has ack"}},
		{nameGroup, []string{"--by", "src_ip,dest_port", "--sum", "frame_length", "--top", "20"}},
		{nameSeries, []string{"--bucket", "100ms", "--by", "protocol"}},
	} {
		cases = append(cases, benchCase{group: groupQuery, name: c.name, unit: "rows", note: fmt.Sprintf("%d M rows, %.1f bytes each on disk", passes, float64(size)/float64(rows)),
			run: func() (sample, error) {
				if err != nil {
					return sample{}, err
				}
				cmd := exec.Command(h.binary, append([]string{"query", "--store", store, "-o", "csv"}, c.args...)...)
				begin := time.Now()
				out, err := cmd.Output()
				if err != nil || len(out) == 0 {
					return sample{}, fmt.Errorf("%v: %w: %s", cmd.Args, err, out)
				}
				s := sample{Delivered: rows, Seconds: time.Since(begin).Seconds(), Size: float64(size) / float64(rows)}
				s.CPU = float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(rows)
				return s, nil
			}})
	}
	h.rounds(min(h.count, 3), 40*time.Second, cases)
}

// fillStore brings passes million packets through a broker into a store.
func (h *harness) fillStore(store string, passes int) error {
	trace := filepath.Join(h.scratch, "store.pcap")
	if err := writeTrace(trace, storePass); err != nil {
		return err
	}
	defer os.Remove(trace)
	w, err := openWire(h, 1)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.startBroker("--limit", "1GiB"); err != nil {
		return err
	}
	stats := filepath.Join(w.dir, "stats")
	index, err := startOn(w.pair.Ends[1].Start, h.place.Other, h.binary, "index", "--brokers", w.addr, "--store", store, "-q", "--stats-file", stats, "--stats-interval", "100ms")
	if err != nil {
		return err
	}
	defer index.kill()
	for range passes {
		fill, err := startOn(w.pair.Ends[1].Start, h.place.App, h.binary, "capture", "-r", trace, "--brokers", w.addr, "-q", "--errors-in-output")
		if err != nil {
			return err
		}
		err = fill.wait(2 * time.Minute)
		fill.kill()
		if err != nil {
			return err
		}
	}
	want := uint64(passes * storePass)
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if l, err := ledger.ReadLast(stats); err == nil && len(l.Rooms) > 0 && l.Rooms[len(l.Rooms)-1].In >= want {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the store is not full after 5 minutes\n%s", index.words.String())
		}
	}
	index.terminate()
	return index.wait(time.Minute)
}

func folderSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if i, err := d.Info(); err == nil {
				n += i.Size()
			}
		}
		return nil
	})
	return n
}
