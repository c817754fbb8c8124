package afxdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/host"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// Frames of every length arrive byte for byte, in order, numbered, with a time
// between sending and receiving.
func TestFrames(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		for _, stamp := range []Stamp{StampPacket, StampBatch} {
			t.Run(fmt.Sprintf("%s_%s", mode, stamp), func(t *testing.T) {
				d := open(t, pair.Ends[0], Config{Mode: mode, Stamp: stamp, RingSize: 2048})
				var sent [][]byte
				for size := 60; size <= 1514; size++ {
					sent = append(sent, testnet.Numbered(uint64(size), size, 0))
				}
				before := time.Now().UnixNano()
				testnet.Send(t, pair.Ends[1], sent...)
				received, rooms := finish(t, d)
				after := time.Now().UnixNano()
				if len(received) != len(sent) {
					t.Fatalf("got %d frames, want %d; rooms %+v", len(received), len(sent), rooms)
				}
				last := before
				for i, f := range received {
					if !bytes.Equal(f.Data, sent[i]) {
						t.Fatalf("frame %d:\ngot  % x\nwant % x", i, f.Data, sent[i])
					}
					if f.OrigLen != uint32(len(sent[i])) || f.Sequence != uint64(i) {
						t.Fatalf("frame %d: got original length %d, sequence %d; want %d, %d", i, f.OrigLen, f.Sequence, len(sent[i]), i)
					}
					if f.TimestampNanos < last || f.TimestampNanos > after {
						t.Fatalf("frame %d: time %d is not within %d and %d", i, f.TimestampNanos, last, after)
					}
					last = f.TimestampNanos
				}
				info := d.Info()
				if info.Mode != string(mode) || info.Engine != "afxdp" || info.Queues != 1 || info.ZeroCopy || len(info.Run) != 12 || info.LinkType != 1 {
					t.Errorf("got info %+v", info)
				}
			})
		}
	}
}

// The same memory and queue can be had again and again in one process, and
// nothing is left: no mapping, no descriptor.
func TestOpenCloseOpen(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{Queues: 2})
	mappings := func() []string {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		var rings []string
		for _, line := range strings.Split(string(b), "\n") {
			if strings.Contains(line, "socket:") {
				rings = append(rings, line)
			}
		}
		return rings
	}
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	once := func() {
		d := open(t, pair.Ends[0], Config{Promiscuous: true})
		testnet.Send(t, pair.Ends[1], numbered(10, 100, 1)...)
		frames, _ := finish(t, d)
		if len(frames) != 10 {
			t.Fatalf("got %d frames, want 10", len(frames))
		}
		during := mappings()
		for range 2 {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if len(during) == 0 {
			t.Fatal("no ring mapping was seen while open: the leak check sees nothing")
		}
		if rooms := books(t, d); rooms["xdp"].In != 10 || rooms["ring"].Out != 10 {
			t.Errorf("after close: got rooms %+v", rooms)
		}
		if _, err := d.Sources()[0].Receive(make([]capture.Frame, 1), 0); err != capture.ErrClosed {
			t.Errorf("receive after close: got %v, want ErrClosed", err)
		}
	}
	once() // what the first open leaves for good (runtime pollers, caches) is not a leak
	maps, fds := mappings(), descriptors()
	for range 3 {
		once()
	}
	if got := mappings(); len(got) != len(maps) || len(maps) != 0 {
		t.Errorf("ring mappings after close: %q, want none", got)
	}
	if got := descriptors(); got != fds {
		t.Errorf("got %d descriptors after close, want %d", got, fds)
	}
}

// vlan puts tags behind the MAC addresses of frame.
func vlan(frame []byte, tags ...uint32) []byte {
	out := append([]byte(nil), frame[:12]...)
	for _, tag := range tags {
		out = binary.BigEndian.AppendUint32(out, tag)
	}
	return append(out, frame[12:]...)
}

// ipv6 is an IPv6 UDP frame of flow, numbered.
func ipv6(n, flow int) []byte {
	f := make([]byte, 14+40+8+32)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60})
	binary.BigEndian.PutUint16(f[18:], 8+32)
	f[20], f[21] = 17, 64
	copy(f[22:], []byte{0x20, 1, 0x0d, 0xb8})
	f[37] = 1
	copy(f[38:], []byte{0x20, 1, 0x0d, 0xb8})
	f[53] = 2
	binary.BigEndian.PutUint16(f[54:], uint16(1000+flow))
	binary.BigEndian.PutUint16(f[56:], 2000)
	binary.BigEndian.PutUint16(f[58:], 8+32)
	binary.BigEndian.PutUint64(f[62:], uint64(n))
	return f
}

// Every mode, number of queues, IP version and tagging passes frames as they
// were, and each queue numbers its own without a hole.
func TestMatrix(t *testing.T) {
	const n, flows = 64, 16
	shapes := []struct {
		name string
		make func(i int) []byte
	}{
		{"ipv4", func(i int) []byte { return testnet.Numbered(uint64(i), 80, i%flows) }},
		{"ipv6", func(i int) []byte { return ipv6(i, i%flows) }},
		{"ipv4_vlan", func(i int) []byte { return vlan(testnet.Numbered(uint64(i), 80, i%flows), 0x81006064) }},
		{"ipv6_vlan", func(i int) []byte { return vlan(ipv6(i, i%flows), 0x81000007) }},
		{"qinq", func(i int) []byte { return vlan(testnet.Numbered(uint64(i), 80, i%flows), 0x88a80064, 0x81000065) }},
	}
	for _, queues := range []int{1, 2} {
		for _, keepOffloads := range []bool{false, true} {
			pair := testnet.Pair(t, veth.Options{Queues: queues, KeepOffloads: keepOffloads})
			for _, mode := range []Mode{ModeNative, ModeGeneric} {
				t.Run(fmt.Sprintf("%d_queues_%s_offloads_%v", queues, mode, keepOffloads), func(t *testing.T) {
					d := open(t, pair.Ends[0], Config{Mode: mode})
					checkObtained(t, d, mode, queues)
					var want [][]byte
					for _, shape := range shapes {
						for i := range n {
							want = append(want, shape.make(i))
						}
					}
					testnet.Send(t, pair.Ends[1], want...)
					frames, _ := finish(t, d)
					checkSame(t, frames, want)
					if mode == ModeGeneric {
						// A veth does not note the queue in the skb: generic
						// XDP sees all frames on queue 0.
						checkSequences(t, frames, 1)
					} else {
						checkSequences(t, frames, queues)
					}
				})
			}
		}
	}
}

func checkObtained(t *testing.T, d *Device, mode Mode, queues int) {
	t.Helper()
	info := d.Info()
	if info.Mode != string(mode) || info.Queues != queues || len(d.Sources()) != queues {
		t.Fatalf("got mode %s, %d queues, %d sources; want %s, %d", info.Mode, info.Queues, len(d.Sources()), mode, queues)
	}
}

// checkSame compares two sets of frames; queues arrive one after the other.
func checkSame(t *testing.T, frames []got, want [][]byte) {
	t.Helper()
	missing := map[string]int{}
	for _, f := range want {
		missing[string(f)]++
	}
	for _, f := range frames {
		if missing[string(f.Data)] == 0 {
			t.Fatalf("a frame that was not sent: % x", f.Data)
		}
		missing[string(f.Data)]--
	}
	if len(frames) != len(want) {
		t.Fatalf("got %d frames, want %d", len(frames), len(want))
	}
}

// checkSequences checks that each queue numbers its frames from 0 without a
// hole, and that each of queues got some.
func checkSequences(t *testing.T, frames []got, queues int) {
	t.Helper()
	next := map[int]uint64{}
	for _, f := range frames {
		if f.Sequence != next[f.queue] {
			t.Fatalf("queue %d: got sequence %d, want %d", f.queue, f.Sequence, next[f.queue])
		}
		next[f.queue]++
	}
	if len(next) != queues {
		t.Errorf("frames came by %d queues, want %d: %v", len(next), queues, next)
	}
}

// Losses appear once, under their name, and the books balance: the table of
// loss counters measured on veth, in native and generic mode.
func TestLosses(t *testing.T) {
	tests := []struct {
		name        string
		config      Config
		send, size  int
		wantOut     uint64
		wantDropped map[ledger.Reason]uint64
	}{
		{"all_room", Config{RingSize: 256, Frames: 256}, 100, 200, 100, map[ledger.Reason]uint64{}},
		{"ring_full", Config{RingSize: 64, Frames: 512}, 200, 200, 64, map[ledger.Reason]uint64{ledger.RingFull: 136}},
		{"fill_ring_empty", Config{RingSize: 512, Frames: 64}, 200, 200, 64, map[ledger.Reason]uint64{ledger.FillRingEmpty: 136}},
		{"too_large", Config{RingSize: 256, Frames: 256, ChunkSize: 2048}, 100, 1900, 0, map[ledger.Reason]uint64{ledger.TooLarge: 100}},
		{"large_fits_4096", Config{RingSize: 256, Frames: 256, ChunkSize: 4096}, 100, 1900, 100, map[ledger.Reason]uint64{}},
	}
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s_%s", mode, tt.name), func(t *testing.T) {
				pair := testnet.Pair(t, veth.Options{MTU: max(1500, tt.size)})
				tt.config.Mode = mode
				d := openOnePart(t, pair.Ends[0], tt.config)
				testnet.Send(t, pair.Ends[1], numbered(tt.send, tt.size, 1)...)
				frames, rooms := finish(t, d)
				ring := rooms["ring"]
				if rooms["xdp"].In != uint64(tt.send) || ring.In != uint64(tt.send) {
					t.Errorf("got xdp %+v, want in %d and all redirected", rooms["xdp"], tt.send)
				}
				if ring.Out != tt.wantOut || len(frames) != int(tt.wantOut) || fmt.Sprint(ring.Dropped) != fmt.Sprint(tt.wantDropped) {
					t.Errorf("got out %d, %d frames, dropped %v; want %d, dropped %v", ring.Out, len(frames), ring.Dropped, tt.wantOut, tt.wantDropped)
				}
			})
		}
	}
}

// openOnePart opens a device that takes frames in one part whatever the MTU,
// where Open would ask for several or refuse.
func openOnePart(t *testing.T, end *veth.End, c Config) *Device {
	t.Helper()
	c.Interface = end.Name
	d := &Device{}
	testnet.Do(t, end, func() (err error) {
		if d.hook, err = OpenHook(c); err != nil {
			return err
		}
		return d.start(c.withDefaults(), false)
	})
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// A hole in the sequence is as wide as what the rings lost.
func TestSequenceHole(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := open(t, pair.Ends[0], Config{RingSize: 64, Frames: 512})
	testnet.Send(t, pair.Ends[1], numbered(100, 100, 1)...)
	drain(t, d, 10*time.Millisecond)
	testnet.Send(t, pair.Ends[1], numbered(1, 100, 1)...)
	frames, _ := finish(t, d)
	if len(frames) != 1 || frames[0].Sequence != 100 {
		t.Errorf("got %d frames, the first with sequence %v; want one with 100", len(frames), frames)
	}
}

// Frames longer than a chunk arrive whole and count once.
func TestMultiBuffer(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{MTU: 9000})
			if testnet.KernelBefore(t, 6, 6) {
				refusedParts(t, pair.Ends[0], mode)
				t.Skip("kernel feature missing: AF_XDP frames of several parts (Linux 6.6)")
			}
			d := open(t, pair.Ends[0], Config{Mode: mode})
			var sent [][]byte
			for i, size := range []int{60, 1400, 2500, 3840, 3841, 8000, 9014, 100} {
				for range 20 {
					sent = append(sent, testnet.Numbered(uint64(i), size, 0))
				}
			}
			testnet.Send(t, pair.Ends[1], sent...)
			frames, rooms := finish(t, d)
			if len(frames) != len(sent) || rooms["ring"].In != uint64(len(sent)) {
				t.Fatalf("got %d frames, ring %+v; want %d", len(frames), rooms["ring"], len(sent))
			}
			for i, f := range frames {
				if !bytes.Equal(f.Data, sent[i]) || f.OrigLen != uint32(len(sent[i])) || f.Sequence != uint64(i) {
					t.Fatalf("frame %d: got %d bytes (original %d, sequence %d), want %d; equal %v",
						i, len(f.Data), f.OrigLen, f.Sequence, len(sent[i]), bytes.Equal(f.Data, sent[i]))
				}
			}
		})
	}
}

// Frames that come together share a reading of the clock; one that comes after a
// silence, be it short, never has the time of those before it.
func TestTimeAfterASilence(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := open(t, pair.Ends[0], Config{Mode: ModeNative})
	if !d.hook.objects.SharesClock() {
		t.Fatal("the clock is not shared, as root")
	}
	frame := testnet.Numbered(1, 60, 0)
	var silences []int64 // when each ended
	for range 50 {
		testnet.Send(t, pair.Ends[1], frame, frame, frame)
		time.Sleep(200 * time.Microsecond)
		silences = append(silences, time.Now().UnixNano())
	}
	frames, _ := finish(t, d)
	if len(frames) != 3*len(silences) {
		t.Fatalf("got %d frames, want %d", len(frames), 3*len(silences))
	}
	for i, f := range frames[3:] {
		if end := silences[i/3]; f.TimestampNanos < end {
			t.Errorf("frame %d has a time %d ns before the silence it came after ended", i+3, end-f.TimestampNanos)
		}
	}
}

// The clock is shared where NAPI polls bring the frames, and nowhere else.
func TestClockIsSharedWithinPollsOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		driver string
		config Config
		mode   Mode
		want   bool
	}{
		"native":          {"veth", Config{}, ModeNative, true},
		"generic":         {"veth", Config{}, ModeGeneric, false},
		"tun":             {"tun", Config{}, ModeNative, false},
		"stamps of batch": {"veth", Config{Stamp: StampBatch}, ModeNative, false},
	} {
		h := &Hook{config: tt.config.withDefaults(), iface: &host.Interface{Driver: tt.driver}}
		if got := h.sharesClock(way{mode: tt.mode}); got != tt.want {
			t.Errorf("%s: shared is %v, want %v", name, got, tt.want)
		}
	}
}

// Chunks are coloured wherever frames are copied, and only there.
func TestColouredWhereFramesAreCopied(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	features := host.Features{Known: true, XDP: host.XDPBasic | host.XDPRedirect}
	for name, tt := range map[string]struct {
		config   Config
		features host.Features
		want     bool
	}{
		"no zero copy to be had":  {Config{}, features, true},
		"zero copy to be had":     {Config{}, host.Features{Known: true, XDP: features.XDP | host.XDPZeroCopy}, false},
		"zero copy or none":       {Config{ZeroCopy: ZeroCopyRequire}, features, false},
		"zero copy not wanted":    {Config{ZeroCopy: ZeroCopyOff}, host.Features{}, true},
		"generic":                 {Config{Mode: ModeGeneric}, host.Features{}, true},
		"a kernel that says none": {Config{}, host.Features{}, false},
	} {
		h := &Hook{features: tt.features}
		if got := h.copies(tt.config.withDefaults()); got != tt.want {
			t.Errorf("%s: copies is %v, want %v", name, got, tt.want)
		}
	}
	d := open(t, pair.Ends[0], Config{ZeroCopy: ZeroCopyOff})
	if u := d.sockets[0].umem; !u.coloured() || u.stride != 4096+colour {
		t.Errorf("chunks of %d bytes are %d apart, want a line more", u.chunk, u.stride)
	}
}

// refusedParts checks that a kernel without frames of several parts refuses a
// jumbo MTU and says what to set.
func refusedParts(t *testing.T, end *veth.End, mode Mode) {
	t.Helper()
	d, err := tryOpen(end, Config{Mode: mode})
	if err == nil {
		d.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "Linux 6.6") || !strings.Contains(err.Error(), "mtu 1500") {
		t.Errorf("open with MTU 9000 = %v, want it refused with the MTU to set", err)
	}
}

// What lies behind the snap length never enters this process' memory.
func TestSnapLength(t *testing.T) {
	marker := []byte("SECRET-PAYLOAD-MARKER")
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		for _, stamp := range []Stamp{StampPacket, StampBatch} {
			t.Run(fmt.Sprintf("%s_%s", mode, stamp), func(t *testing.T) {
				pair := testnet.Pair(t, veth.Options{})
				d := open(t, pair.Ends[0], Config{Mode: mode, Stamp: stamp, SnapLen: 64})
				frame := testnet.Numbered(1, 600, 0)
				for at := 64; at+len(marker) < len(frame); at += 40 {
					copy(frame[at:], marker)
				}
				for range 50 {
					testnet.Send(t, pair.Ends[1], frame)
				}
				if err := d.Detach(); err != nil {
					t.Fatal(err)
				}
				for _, s := range d.sockets {
					if !bytes.Contains(s.umem.memory, frame[:60]) {
						t.Fatal("the frames' headers are not in UMEM: the search sees nothing")
					}
					if at := bytes.Index(s.umem.memory, marker); at >= 0 {
						t.Fatalf("marker in UMEM at %d: % x", at, s.umem.memory[at-64:at+32])
					}
				}
				frames, _ := finish(t, d)
				if len(frames) != 50 {
					t.Fatalf("got %d frames, want 50", len(frames))
				}
				for _, f := range frames {
					if !bytes.Equal(f.Data, frame[:64]) || f.OrigLen != 600 {
						t.Fatalf("got % x (original length %d), want % x (600)", f.Data, f.OrigLen, frame[:64])
					}
				}
			})
		}
	}
}
