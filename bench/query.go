package main

import (
	"bytes"
	"errors"
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
)

// query asks a store of two million rows, with -full of a hundred million.
func (h *harness) query() {
	rows := uint64(2_000_000)
	if h.full {
		rows = 100_000_000
	}
	store := filepath.Join(h.scratch, "query-store")
	os.RemoveAll(store)
	defer os.RemoveAll(store)
	begin := time.Now()
	err := h.fillStore(store, rows)
	size := folderSize(store)
	fmt.Fprintf(os.Stderr, "bench: query: %d M rows in %.0f s, %d MB\n", rows/1e6, time.Since(begin).Seconds(), size/1e6)
	var cases []benchCase
	for _, c := range []struct {
		name string
		args []string
	}{
		{nameCount, []string{"--count", "--where", "tcp_flags has syn and not tcp_flags has ack"}},
		{nameGroup, []string{"--by", "src_ip,dest_port", "--sum", "frame_length", "--top", "20"}},
		{nameSeries, []string{"--bucket", "100ms", "--by", "protocol"}},
	} {
		cases = append(cases, benchCase{group: groupQuery, name: c.name, unit: "rows", note: fmt.Sprintf("%d M rows, %.1f bytes each on disk", rows/1e6, float64(size)/float64(rows)),
			run: func() (sample, error) {
				if err != nil {
					return sample{}, err
				}
				cmd := exec.Command(h.binary, append([]string{"query", "--store", store, "-o", "csv"}, c.args...)...)
				var out bytes.Buffer
				cmd.Stdout = &out
				begin := time.Now()
				if err := runTo(anyCore, cmd); err != nil || out.Len() == 0 {
					return sample{}, fmt.Errorf("%v gave %d bytes: %w", cmd.Args, out.Len(), err)
				}
				s := sample{Delivered: rows, Seconds: time.Since(begin).Seconds(), Size: float64(size) / float64(rows)}
				s.CPU = float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(rows)
				return s, nil
			}})
	}
	h.rounds(min(h.count, 3), 40*time.Second, cases)
}

// fillStore brings rows packets through a broker into a store. The broker refuses
// what it has no room for, and the capture waits with its input: nothing is lost.
func (h *harness) fillStore(store string, rows uint64) error {
	w, err := openWire(h, 1)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.startBroker("--limit", "2GiB"); err != nil {
		return err
	}
	stats := filepath.Join(w.dir, "stats")
	index, err := startOn(w.pair.Ends[1].Start, h.place.App, h.binary, "index", "--brokers", w.addr, "--store", store, "-q", "--stats-file", stats, "--stats-interval", "100ms")
	if err != nil {
		return err
	}
	defer index.kill()
	in, packets, err := os.Pipe()
	if err != nil {
		return err
	}
	fill, err := startOn(func(c *exec.Cmd) error { c.Stdin = in; return w.pair.Ends[1].Start(c) }, h.place.Kernel,
		h.binary, "capture", "-r", "-", "--brokers", w.addr, "-q", "--errors-in-output", "--drain", "60s")
	in.Close()
	if err != nil {
		packets.Close()
		return err
	}
	defer fill.kill()
	written := make(chan error, 1)
	go func() {
		err := writePackets(packets, int(rows))
		written <- errors.Join(err, packets.Close())
	}()
	var done uint64
	for moved := time.Now(); done < rows; time.Sleep(50 * time.Millisecond) {
		if l, err := ledger.ReadLast(stats); err == nil && len(l.Rooms) > 0 && l.Rooms[len(l.Rooms)-1].In > done {
			done, moved = l.Rooms[len(l.Rooms)-1].In, time.Now()
		}
		if time.Since(moved) > time.Minute {
			return fmt.Errorf("nothing came into the store for a minute, it has %d of %d rows\n%s%s", done, rows, fill.words.String(), index.words.String())
		}
	}
	index.terminate()
	return errors.Join(<-written, fill.wait(time.Minute), index.wait(2*time.Minute))
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
