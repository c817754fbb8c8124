package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	groupFiles      = "capture files"
	nameRead        = "xcapa read, JSON documents"
	nameTshark      = "tshark -T ek"
	nameImport      = "xcapa import into a broker, arrow"
	nameCaptureRead = "xcapa capture -r into a broker, arrow"

	groupReplay    = "replay 60 B and more, as fast as it goes"
	nameReplay     = "xcapa replay"
	nameReplayAFP  = "xcapa replay --engine afpacket"
	nameTcpreplay  = "tcpreplay"
	traceSize      = 500_000
	traceGigabyte  = 6_500_000 // with -full
	traceForTshark = 20_000
)

// files is reading a capture file: documents on a pipe, and blocks to a broker.
func (h *harness) files() {
	long, short := filepath.Join(h.scratch, "long.pcap"), filepath.Join(h.scratch, "short.pcap")
	packets := traceSize
	if h.full {
		packets = traceGigabyte
	}
	for path, n := range map[string]int{long: packets, short: traceForTshark} {
		if err := writeTrace(path, n); err != nil {
			fmt.Fprintf(os.Stderr, "bench: files: %v\n", err)
			return
		}
	}
	defer os.Remove(long)
	size := ""
	if info, err := os.Stat(long); err == nil {
		size = fmt.Sprintf("%.2f GB", float64(info.Size())/1e9)
	}
	cases := []benchCase{
		{name: nameRead, note: size + ", to /dev/null", run: func() (sample, error) { return h.command(uint64(packets), h.binary, "read", "-q", "-o", "json", long) }},
		{name: nameTshark, note: "to /dev/null, name resolution off", run: func() (sample, error) {
			return h.command(traceForTshark, "tshark", "-n", "-T", "ek", "-r", short)
		}},
	}
	into := benchCase{name: nameCaptureRead, run: func() (sample, error) { return h.toBroker(packets, "capture", "-r", long) }}
	if h.has("import") {
		into = benchCase{name: nameImport, run: func() (sample, error) { return h.toBroker(packets, "import", long) }}
	}
	into.note = size + ", until the last acknowledgement"
	cases = append(cases, into)
	for i := range cases {
		cases[i].group, cases[i].unit = groupFiles, "packets"
	}
	h.rounds(min(h.count, 3), 40*time.Second, cases)
}

// has says whether the program has a command.
func (h *harness) has(command string) bool {
	out, err := exec.Command(h.binary, command, "--help").Output()
	return err == nil && strings.Contains(string(out), "xcapa "+command+" ")
}

// command runs args to their end, for n units of work.
func (h *harness) command(n uint64, args ...string) (s sample, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	begin := time.Now()
	if err := runTo(h.place.App, cmd); err != nil {
		return s, fmt.Errorf("%v: %w", args, err)
	}
	s.Delivered, s.Seconds = n, time.Since(begin).Seconds()
	s.CPU = float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(n)
	return s, nil
}

func (h *harness) toBroker(packets int, args ...string) (s sample, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return s, err
	}
	defer w.close()
	if err := w.startBroker("--discard"); err != nil {
		return s, err
	}
	begin := time.Now()
	p, err := startOn(w.pair.Ends[1].Start, h.place.App, append(append([]string{h.binary}, args...), "--brokers", w.addr, "-q")...)
	if err != nil {
		return s, err
	}
	defer p.kill()
	if err := p.wait(120 * time.Second); err != nil {
		return s, err
	}
	s.Delivered, s.Seconds = uint64(packets), time.Since(begin).Seconds()
	s.CPU = float64(p.cmd.ProcessState.UserTime()+p.cmd.ProcessState.SystemTime()) / float64(packets)
	return s, nil
}

// replay is sending a capture file into a veth pair whose other end counts and
// drops: what arrived counts.
func (h *harness) replay() {
	if !h.has("replay") {
		return
	}
	trace := filepath.Join(h.scratch, "replay.pcap")
	if err := writeTrace(trace, 100_000); err != nil {
		fmt.Fprintf(os.Stderr, "bench: replay: %v\n", err)
		return
	}
	var cases []benchCase
	for _, c := range []struct {
		name, note string
		args       []string
	}{
		{nameReplay, "an AF_XDP TX ring, read from the file", []string{h.binary, "replay", trace, "-i", "{if}", "--topspeed", "--loop", "5", "-q"}},
		{nameReplayAFP, "", []string{h.binary, "replay", trace, "-i", "{if}", "--topspeed", "--loop", "5", "-q", "--engine", "afpacket"}},
		{nameTcpreplay, "file in memory (-K)", []string{"tcpreplay", "-q", "-K", "--topspeed", "--loop", "5", "-i", "{if}", trace}},
	} {
		cases = append(cases, benchCase{group: groupReplay, name: c.name, unit: "packets", note: c.note, run: func() (sample, error) {
			return h.send(500_000, c.args)
		}})
	}
	h.rounds(min(h.count, 3), 40*time.Second, cases)
}

func (h *harness) send(n uint64, args []string) (s sample, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return s, err
	}
	defer w.close()
	if err := w.startReceiver(peer("drop")); err != nil {
		return s, err
	}
	full := make([]string, len(args))
	for i, a := range args {
		full[i] = replaceAll(a, "{if}", w.pair.Ends[0].Name)
	}
	begin := time.Now()
	p, err := startOn(w.pair.Ends[0].Start, h.place.Kernel, full...)
	if err != nil {
		return s, err
	}
	defer p.kill()
	if err := p.wait(120 * time.Second); err != nil {
		return s, err
	}
	s.Seconds = time.Since(begin).Seconds()
	s.CPU = float64(p.cmd.ProcessState.UserTime()+p.cmd.ProcessState.SystemTime()) / float64(n)
	w.rx.terminate()
	r, err := w.rx.result(10 * time.Second)
	s.Delivered, s.Offered = r.Packets, n
	return s, err
}
