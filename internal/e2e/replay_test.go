package e2e

import (
	"bytes"
	endian "encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/pcap"
	"xcapa/internal/testnet"
	"xcapa/internal/testpkt"
	"xcapa/internal/veth"
)

// savedAt is the time of the i-th frame saved: none is a whole microsecond.
func savedAt(i int) int64 { return 1_700_000_000_123_456_789 + int64(i)*1_000_003 }

// saveFrames writes a pcapng of frames.
func saveFrames(t *testing.T, path string, frames [][]byte) {
	t.Helper()
	w, err := pcap.Create(path, pcap.WriteOptions{Interfaces: []pcap.Interface{{Name: "made0", LinkType: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if err := w.Write(0, savedAt(i), uint32(len(f)), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// saved is one packet of a file.
type saved struct {
	nanos int64
	data  []byte
}

// readSaved reads a pcapng by the letter of the draft and with nothing of
// package pcap: little endian, one section, blocks whose two lengths agree, one
// Ethernet interface in nanoseconds, enhanced packet blocks.
func readSaved(t *testing.T, path string) (packets []saved) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := endian.LittleEndian
	for first := true; len(b) > 0; first = false {
		if len(b) < 12 {
			t.Fatalf("%s ends in %d bytes that are no block", path, len(b))
		}
		kind, size := le.Uint32(b), le.Uint32(b[4:])
		if first && (kind != 0x0a0d0d0a || le.Uint32(b[8:]) != 0x1a2b3c4d || le.Uint16(b[12:]) != 1) {
			t.Fatalf("%s starts with % x", path, b[:16])
		}
		if size%4 != 0 || size < 12 || int(size) > len(b) || le.Uint32(b[size-4:]) != size {
			t.Fatalf("%s: block of type %d and %d bytes, %d are left", path, kind, size, len(b))
		}
		switch body := b[8 : size-4]; kind {
		case 1:
			if le.Uint16(body) != 1 || !bytes.Contains(body[8:], []byte{9, 0, 1, 0, 9}) {
				t.Fatalf("%s: interface without link type 1 or resolution 10^-9: % x", path, body)
			}
		case 6:
			n := le.Uint32(body[12:])
			if n != le.Uint32(body[16:]) {
				t.Fatalf("%s: %d of %d bytes captured", path, n, le.Uint32(body[16:]))
			}
			packets = append(packets, saved{int64(le.Uint32(body[4:]))<<32 | int64(le.Uint32(body[8:])), body[20 : 20+n]})
		}
		b = b[size:]
	}
	return packets
}

// agreesWithTshark has tshark read the file, where there is one: it must say
// nothing but the frames' lengths and times.
func agreesWithTshark(t *testing.T, path string, packets []saved) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("no tshark here: the file was checked by this test alone")
		return
	}
	cmd := exec.Command("tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.len", "-e", "frame.time_epoch")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	for line := range strings.Lines(complaints.String()) {
		if !strings.Contains(line, "Running as user") {
			t.Errorf("tshark about %s: %s", path, line)
		}
	}
	if err != nil {
		t.Fatalf("tshark %s: %v", path, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(packets) {
		t.Fatalf("tshark sees %d frames in %s, want %d", len(lines), path, len(packets))
	}
	for i, p := range packets {
		want := []string{fmt.Sprint(len(p.data)), fmt.Sprintf("%d.%09d", p.nanos/1e9, p.nanos%1e9)}
		if got := strings.Fields(lines[i]); got[0] != want[0] || got[1] != want[1] {
			t.Errorf("tshark sees frame %d of %s as %v, want %v", i, path, got, want)
		}
	}
}

// TestReplayRoundTrip sends a file over a wire into a file: frames of 60, 1,514
// and 9,000 bytes, one with two VLAN tags and one without a payload come through
// every way byte for byte, and times keep their nanoseconds.
func TestReplayRoundTrip(t *testing.T) {
	testnet.RequireRoot(t)
	plain := testnet.Numbered(4, 100, 0)
	frames := [][]byte{
		testnet.Numbered(0, 60, 0),
		testnet.Numbered(1, 1514, 0),
		testnet.Numbered(2, 9000, 0),
		append(append(bytes.Clone(plain[:12]), testpkt.Hex("88a80065810020c8")...), plain[12:]...),
		testnet.Numbered(3, 60, 0)[:14],
	}
	for _, tt := range []struct{ send, capture, mode, end string }{
		{"afxdp", "afxdp", "native", ".pcapng"},
		{"afxdp", "afxdp", "generic", ".pcapng.zst"},
		{"afpacket", "afxdp", "native", ".pcapng.gz"},
		{"afxdp", "afpacket", "auto", ".pcapng"},
		{"afpacket", "afpacket", "auto", ".pcapng"},
	} {
		t.Run(tt.send+"_to_"+tt.capture+"_"+tt.mode, func(t *testing.T) {
			if tt.send == "afxdp" || tt.capture == "afxdp" {
				testnet.RequireParts(t)
			}
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in"+tt.end), filepath.Join(dir, "out.pcapng")
			saveFrames(t, in, frames)
			pair := testnet.Pair(t, veth.Options{MTU: 9000})
			capture := start(t, pair.Ends[1], "capture", "-i", pair.Ends[1].Name, "-w", out,
				"--engine", tt.capture, "--xdp-mode", tt.mode)
			capture.ready(t)
			began := time.Now().UnixNano()
			replay := start(t, pair.Ends[0], "replay", in, "-i", pair.Ends[0].Name, "--engine", tt.send)
			<-replay.done
			if replay.err != nil {
				t.Fatalf("replay: %v\n%s", replay.err, replay.words.String())
			}
			l := replay.final(t)
			if got := l.Rooms[1]; got.Room != "wire" || got.Out != uint64(len(frames)) {
				t.Errorf("replay: %+v", got)
			}
			await(t, 10*time.Second, "the frames arrived", func() bool {
				return capture.books().Rooms[0].In == uint64(len(frames))
			})
			capture.stop(t)
			capture.final(t)
			packets := readSaved(t, out)
			if len(packets) != len(frames) {
				t.Fatalf("got %d frames, want %d\n%s", len(packets), len(frames), capture.words.String())
			}
			for i, p := range packets {
				if !bytes.Equal(p.data, frames[i]) {
					t.Errorf("frame %d: got %d bytes %x\nwant %d bytes %x", i, len(p.data), p.data[:14], len(frames[i]), frames[i][:14])
				}
				if p.nanos < began || p.nanos > time.Now().UnixNano() || i > 0 && p.nanos < packets[i-1].nanos {
					t.Errorf("frame %d: captured at %d, sent behind %d", i, p.nanos, began)
				}
			}
			agreesWithTshark(t, out, packets)
			wantExactTimes(t, in, dir, frames)
		})
	}
}

// wantExactTimes writes a file into another, which must keep frames and times.
func wantExactTimes(t *testing.T, in, dir string, frames [][]byte) {
	t.Helper()
	copied := filepath.Join(dir, "copy.pcapng")
	if out, err := exec.Command(binary, "capture", "-q", "-r", in, "-w", copied).CombinedOutput(); err != nil {
		t.Fatalf("capture -r: %v\n%s", err, out)
	}
	packets := readSaved(t, copied)
	if len(packets) != len(frames) {
		t.Fatalf("the copy holds %d frames, want %d", len(packets), len(frames))
	}
	for i, p := range packets {
		if !bytes.Equal(p.data, frames[i]) || p.nanos != savedAt(i) {
			t.Errorf("frame %d of the copy: got %d bytes at %d, want %d at %d", i, len(p.data), p.nanos, len(frames[i]), savedAt(i))
		}
	}
	agreesWithTshark(t, copied, packets)
}

// TestReplayInterrupted ends a replay without end with SIGINT: exit 0, books
// that balance.
func TestReplayInterrupted(t *testing.T) {
	testnet.RequireRoot(t)
	path := filepath.Join(t.TempDir(), "in.pcap.gz")
	saveFrames(t, path, [][]byte{testnet.Numbered(0, 60, 0), testnet.Numbered(1, 1514, 0), make([]byte, 1600)})
	for _, flags := range [][]string{{"--topspeed"}, {"--pps", "2k"}, {"--engine", "afpacket", "--mbps", "10"}} {
		pair := testnet.Pair(t, veth.Options{})
		p := start(t, pair.Ends[0], append([]string{"replay", path, "-i", pair.Ends[0].Name, "--loop", "0"}, flags...)...)
		await(t, 10*time.Second, "something is sent", func() bool { l := p.books(); return l != nil && l.Rooms[1].Out > 100 })
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.done:
		case <-time.After(patience(20 * time.Second)):
			t.Fatalf("%v: runs on after SIGINT", flags)
		}
		if p.err != nil {
			t.Fatalf("%v: %v\n%s", flags, p.err, p.words.String())
		}
		if r := p.final(t).Rooms[1]; r.Dropped[ledger.TooLarge] < 50 {
			t.Errorf("%v: %+v", flags, r)
		}
	}
}

// TestReplayLinkGone takes the other end of the wire away.
func TestReplayLinkGone(t *testing.T) {
	testnet.RequireRoot(t)
	path := filepath.Join(t.TempDir(), "in.pcapng")
	saveFrames(t, path, [][]byte{testnet.Numbered(0, 60, 0)})
	pair := testnet.Pair(t, veth.Options{})
	p := start(t, pair.Ends[0], "replay", path, "-i", pair.Ends[0].Name, "--loop", "0", "--pps", "1k")
	await(t, 10*time.Second, "something is sent", func() bool { l := p.books(); return l != nil && l.Rooms[1].Out > 100 })
	if err := pair.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience(20 * time.Second)):
		t.Fatal("runs on without an interface")
	}
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.ExitCode() != 1 || !strings.Contains(p.words.String(), "the interface was removed") {
		t.Errorf("got %v:\n%s", p.err, p.words.String())
	}
	p.final(t)
}
