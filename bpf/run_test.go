package bpf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Verdicts, include/uapi/linux/bpf.h.
const (
	verdictPass     = 2
	verdictRedirect = 4
)

// loadForRun loads xsk_redirect for test runs, which come in on queue 0 of the
// loopback device; with a socket that queue has one.
func loadForRun(t testing.TB, s Settings, socket bool) *Objects {
	t.Helper()
	o, err := Load(s, false, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	if socket {
		fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatalf("open AF_XDP socket: %v", err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := o.Sockets.Put(uint32(0), uint32(fd)); err != nil {
			t.Fatalf("put socket on queue 0: %v", err)
		}
	}
	return o
}

// run passes data through the program and returns the verdict with what is
// left of the frame: metadata area first, where the program made one.
func run(t testing.TB, o *Objects, data []byte) (uint32, []byte) {
	t.Helper()
	opts := ebpf.RunOptions{Data: data, DataOut: make([]byte, len(data)+MetaSize)}
	verdict, err := o.Program.Run(&opts)
	if err != nil {
		t.Fatalf("run on %d bytes: %v", len(data), err)
	}
	return verdict, opts.DataOut
}

func counters(t testing.TB, o *Objects) Counters {
	t.Helper()
	c, err := o.Counters()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// xdpMD is struct xdp_md as BPF_PROG_TEST_RUN takes it: Data and DataEnd are
// offsets, what lies before Data is metadata.
type xdpMD struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32 }

// eachPrefix calls f with every frame cut at every byte from an Ethernet header
// on: the kernel runs nothing shorter.
func eachPrefix(t *testing.T, f func(t *testing.T, c *frame, cut []byte)) {
	for i := range frames {
		c := &frames[i]
		t.Run(c.name, func(t *testing.T) {
			data := c.bytes(t)
			for n := MinSnapLength; n <= len(data); n++ {
				f(t, c, data[:n])
			}
		})
	}
}

func TestKeep(t *testing.T) {
	needRoot(t)
	for _, test := range []struct {
		name     string
		settings Settings
		by       []keeper
	}{
		{"nothing", Settings{}, nil},
		{"arp", Settings{KeepARP: true}, []keeper{keptARP}},
		{"nd", Settings{KeepND: true}, []keeper{keptND}},
		{"port", Settings{KeepPorts: []uint16{53, 22}}, []keeper{keptPort}},
		{"all", Settings{KeepARP: true, KeepND: true, KeepPorts: []uint16{
			1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 53, 22}}, []keeper{keptARP, keptND, keptPort}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := loadForRun(t, test.settings, true)
			var want Counters
			eachPrefix(t, func(t *testing.T, c *frame, cut []byte) {
				kept := false
				for _, by := range test.by {
					kept = kept || by == c.by && len(cut) >= c.from
				}
				wantVerdict := uint32(verdictRedirect)
				if kept {
					wantVerdict = verdictPass
					want.Kept++
				} else {
					want.Redirected++
				}
				verdict, out := run(t, o, cut)
				if verdict != wantVerdict {
					t.Errorf("cut at %d: verdict %d, want %d\n%x", len(cut), verdict, wantVerdict, cut)
				}
				if !bytes.Equal(out, cut) {
					t.Errorf("cut at %d: frame changed\n got %x\nwant %x", len(cut), out, cut)
				}
			})
			if got := counters(t, o); got != want {
				t.Errorf("counters: got %+v, want %+v", got, want)
			}
		})
	}
}

func TestNoSocket(t *testing.T) {
	needRoot(t)
	o := loadForRun(t, Settings{Stamp: StampClock, SnapLength: 20, KeepARP: true}, false)
	var want Counters
	eachPrefix(t, func(t *testing.T, c *frame, cut []byte) {
		if c.by == keptARP && len(cut) >= c.from {
			want.Kept++
		} else {
			want.NoSocket++
		}
		verdict, out := run(t, o, cut)
		if verdict != verdictPass || !bytes.Equal(out, cut) {
			t.Errorf("cut at %d: verdict %d, want %d\n got %x\nwant %x", len(cut), verdict, verdictPass, out, cut)
		}
	})
	if got := counters(t, o); got != want {
		t.Errorf("counters: got %+v, want %+v", got, want)
	}
	if got := nextSequence(t, o, 0); got != 0 {
		t.Errorf("sequence numbers spent on frames that were passed: %d", got)
	}
}

func TestCut(t *testing.T) {
	needRoot(t)
	for _, stamp := range []Stamp{StampNone, StampSequence} {
		for _, snap := range []uint32{0, 14, 15, 64, 9000} {
			for _, headersOnly := range []bool{false, true} {
				s := Settings{Stamp: stamp, SnapLength: snap, HeadersOnly: headersOnly}
				t.Run(fmt.Sprintf("stamp_%d_snap_%d_headers_%t", stamp, snap, headersOnly), func(t *testing.T) {
					testCut(t, s)
				})
			}
		}
	}
}

func testCut(t *testing.T, s Settings) {
	o := loadForRun(t, s, true)
	frames := uint64(0)
	eachPrefix(t, func(t *testing.T, c *frame, cut []byte) {
		want := len(cut)
		if s.SnapLength > 0 {
			want = min(want, int(s.SnapLength))
		}
		if s.HeadersOnly {
			want = min(want, c.headers)
		}
		verdict, out := run(t, o, cut)
		if verdict != verdictRedirect {
			t.Fatalf("cut at %d: verdict %d, want %d\n%x", len(cut), verdict, verdictRedirect, cut)
		}
		if s.Stamp != StampNone {
			wantMeta := Meta{Sequence: frames, OriginalLength: uint32(len(cut))}
			if got := ReadMeta((*[MetaSize]byte)(out)); got != wantMeta {
				t.Fatalf("cut at %d: metadata\n got %+v\nwant %+v", len(cut), got, wantMeta)
			}
			out = out[MetaSize:]
		}
		if !bytes.Equal(out, cut[:want]) {
			t.Errorf("cut at %d\n got %x\nwant %x", len(cut), out, cut[:want])
		}
		frames++
	})
	if got, want := counters(t, o), (Counters{Redirected: frames}); got != want {
		t.Errorf("counters: got %+v, want %+v", got, want)
	}
}

func nextSequence(t testing.TB, o *Objects, queue uint32) uint64 {
	t.Helper()
	var entry xskRedirectXcapaQueue
	if err := o.sequence.Lookup(queue, &entry); err != nil {
		t.Fatalf("read sequence of queue %d: %v", queue, err)
	}
	return entry.Sequence
}

func TestClockStamp(t *testing.T) {
	needRoot(t)
	o := loadForRun(t, Settings{Stamp: StampClock}, true)
	data := frames[0].bytes(t)
	last := clockTAI(t)
	for i := range uint64(100) {
		verdict, out := run(t, o, data)
		if verdict != verdictRedirect || len(out) != len(data)+MetaSize {
			t.Fatalf("verdict %d, %d bytes; want %d, %d", verdict, len(out), verdictRedirect, len(data)+MetaSize)
		}
		got := ReadMeta((*[MetaSize]byte)(out))
		now := clockTAI(t)
		if got.Timestamp < last || got.Timestamp > now {
			t.Errorf("timestamp %d is not between %d and %d", got.Timestamp, last, now)
		}
		if got.Sequence != i || got.Flags != 0 {
			t.Errorf("got %+v, want sequence %d, flags 0", got, i)
		}
		last = got.Timestamp
	}
}

func clockTAI(t testing.TB) uint64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_TAI, &ts); err != nil {
		t.Fatal(err)
	}
	return uint64(time.Duration(ts.Nano()))
}

// TestNoMetadata: where the driver left no room in front of the frame, the host
// gets it as it was and no sequence number is spent.
func TestNoMetadata(t *testing.T) {
	needRoot(t)
	o := loadForRun(t, Settings{Stamp: StampClock, SnapLength: 20}, true)
	frame := frames[0].bytes(t)
	// As much metadata before the program as the kernel accepts: 216 bytes on
	// Linux 6.18, 32 on 6.1.
	for taken := uint32(252); taken > 0; taken -= 4 {
		data := append(bytes.Repeat([]byte{0xee}, int(taken)), frame...)
		opts := ebpf.RunOptions{Data: data, DataOut: make([]byte, len(data)+MetaSize),
			Context: xdpMD{Data: taken, DataEnd: uint32(len(data))}}
		verdict, err := o.Program.Run(&opts)
		if errors.Is(err, unix.EINVAL) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes taken", taken)
		if verdict != verdictPass || !bytes.Equal(opts.DataOut, data) {
			t.Errorf("verdict %d, want %d\n got %x\nwant %x", verdict, verdictPass, opts.DataOut, data)
		}
		if got, want := counters(t, o), (Counters{NoMetadata: 1}); got != want {
			t.Errorf("counters: got %+v, want %+v", got, want)
		}
		if got := nextSequence(t, o, 0); got != 0 {
			t.Errorf("next sequence number %d, want 0", got)
		}
		return
	}
	t.Fatal("the kernel takes no metadata at all")
}

// TestFrags runs frames of several buffers: the lengths are of the whole frame,
// the cut reaches back over buffers.
func TestFrags(t *testing.T) {
	needRoot(t)
	data := make([]byte, 9000)
	copy(data, frames[0].bytes(t))
	for i := 60; i < len(data); i++ {
		data[i] = byte(i * 7)
	}
	for _, test := range []struct {
		settings Settings
		want     int
	}{
		{Settings{}, 9000},
		{Settings{SnapLength: 8000}, 8000},
		{Settings{SnapLength: 100}, 100},
		{Settings{HeadersOnly: true}, 42},
	} {
		s := test.settings
		s.Frags, s.Stamp = true, StampSequence
		t.Run(fmt.Sprintf("snap_%d_headers_%t", s.SnapLength, s.HeadersOnly), func(t *testing.T) {
			o := loadForRun(t, s, true)
			verdict, out := run(t, o, data)
			if verdict != verdictRedirect || len(out) != test.want+MetaSize {
				t.Fatalf("verdict %d, %d bytes; want %d, %d", verdict, len(out), verdictRedirect, test.want+MetaSize)
			}
			if got := ReadMeta((*[MetaSize]byte)(out)); got.OriginalLength != 9000 {
				t.Errorf("original length %d, want 9000", got.OriginalLength)
			}
			if !bytes.Equal(out[MetaSize:], data[:test.want]) {
				t.Errorf("frame differs:\n%s", hex.Dump(out))
			}
		})
	}
}

// TestPruned: what is not asked for is not in the loaded program.
func TestPruned(t *testing.T) {
	needRoot(t)
	size := func(s Settings) int {
		t.Helper()
		info, err := loadForRun(t, s, false).Program.Info()
		if err != nil {
			t.Fatal(err)
		}
		insns, err := info.Instructions()
		if err != nil {
			t.Fatal(err)
		}
		return len(insns)
	}
	plain := size(Settings{})
	stamped := size(Settings{Stamp: StampClock})
	all := size(Settings{Stamp: StampClock, SnapLength: 64, KeepARP: true, KeepND: true, KeepPorts: []uint16{22}, HeadersOnly: true})
	t.Logf("instructions: plain %d, stamped %d, with everything %d", plain, stamped, all)
	if plain > 100 || stamped > 200 || all < 2*stamped {
		t.Errorf("instructions: plain %d, want at most 100; stamped %d, want at most 200; everything %d", plain, stamped, all)
	}
}

// TestVerifies loads what makes the verifier work hardest, far enough from its
// limit of a million instructions that another kernel's takes it too.
func TestVerifies(t *testing.T) {
	needRoot(t)
	var most uint32
	for i := range 8 {
		s := Settings{Stamp: StampClock, SnapLength: 64, Frags: true, KeepARP: true, KeepND: i&1 != 0, HeadersOnly: i&2 != 0}
		if i&4 != 0 {
			s.KeepPorts = []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		}
		info, err := loadForRun(t, s, false).Program.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		if !ok || n > 500_000 {
			t.Errorf("%+v: %d instructions verified (known: %t), want at most 500,000", s, n, ok)
		}
		most = max(most, n)
	}
	t.Logf("at most %d instructions verified", most)
}
