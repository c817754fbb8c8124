package afpacket

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// openOn opens a device on end; it is closed with the test.
func openOn(t testing.TB, end *veth.End, c Config) *Device {
	t.Helper()
	if c.Interface == "" {
		c.Interface = end.Name
	}
	var d *Device
	testnet.Do(t, end, func() (err error) {
		d, err = Open(c)
		return err
	})
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// copied is a frame that outlives Release.
type copied struct {
	data    []byte
	origLen uint32
	nanos   int64
}

// collect receives until n frames are there or a second passes without one.
func collect(t testing.TB, s capture.Source, n int) []copied {
	t.Helper()
	var out []copied
	frames := make([]capture.Frame, 64)
	for len(out) < n {
		got, err := s.Receive(frames, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got == 0 {
			t.Fatalf("got %d frames, want %d", len(out), n)
		}
		for _, f := range frames[:got] {
			if f.Sequence != uint64(len(out)) {
				t.Errorf("frame %d has sequence %d", len(out), f.Sequence)
			}
			out = append(out, copied{bytes.Clone(f.Data), f.OrigLen, f.TimestampNanos})
		}
		s.Release()
	}
	return out
}

// drain receives until the source is drained as capture.Device has it: 0, nil
// twice.
func drain(t testing.TB, s capture.Source, each func(capture.Frame)) (total uint64) {
	t.Helper()
	frames := make([]capture.Frame, 64)
	for quiet := 0; quiet < 2; {
		n, err := s.Receive(frames, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			each(f)
		}
		s.Release()
		total += uint64(n)
		if quiet++; n > 0 {
			quiet = 0
		}
	}
	return total
}

// settled is the device's room as a final ledger; it must balance.
func settled(t testing.TB, d *Device) ledger.Room {
	t.Helper()
	l := ledger.Ledger{Final: true, Rooms: d.Rooms()}
	l.Settle()
	if !l.Balanced {
		t.Errorf("books do not balance: %v", l.Imbalances())
	}
	return l.Rooms[0]
}

func TestHundredThousandFrames(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := openOn(t, pair.Ends[1], Config{})
	total, rate := uint64(100_000), 80_000
	if testnet.Emulated {
		total, rate = 10_000, 8_000 // an emulator makes no rate to speak of
	}
	done := make(chan error, 1)
	go func() {
		_, err := testnet.Generate(context.Background(), pair.Ends[0], testnet.Load{Frames: total, Rate: rate, Size: 200})
		done <- err
	}()
	s := d.Sources()[0]
	frames := make([]capture.Frame, 64)
	next := uint64(0)
	for next < total {
		n, err := s.Receive(frames, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			t.Fatalf("no frame for two seconds behind number %d; room %+v", next, d.Rooms()[0])
		}
		for _, f := range frames[:n] {
			number, err := testnet.CheckNumbered(f.Data)
			if err != nil || number != next || f.Sequence != next {
				t.Fatalf("got number %d, sequence %d, %v; want %d: %x", number, f.Sequence, err, next, f.Data)
			}
			next++
		}
		s.Release()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := d.Detach(); err != nil {
		t.Fatal(err)
	}
	drain(t, s, func(f capture.Frame) { t.Errorf("one frame too many: %x", f.Data) })
	if r := settled(t, d); r.In != total || r.Out != total || r.Room != "socket" {
		t.Errorf("got room %+v, want %d in and out", r, total)
	}
}

// Detach in the middle of a flood into a ring of two small blocks: whatever was
// counted as come in and not dropped is delivered, again and again.
func TestExactBalanceUnderOverload(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		testnet.Generate(ctx, pair.Ends[0], testnet.Load{Size: 300, For: 30 * time.Second})
	}()
	dropped := uint64(0)
	for round := range 25 {
		d := openOn(t, pair.Ends[1], Config{BlockSize: 4096, Blocks: 2, BlockTimeout: time.Duration(1+round%3*20) * time.Millisecond})
		s := d.Sources()[0]
		frames := make([]capture.Frame, 5)
		last := uint64(0)
		check := func(f capture.Frame) {
			number, err := testnet.CheckNumbered(f.Data)
			if err != nil || number <= last && last != 0 {
				t.Errorf("round %d: number %d behind %d, %v", round, number, last, err)
			}
			last = number
		}
		for end := time.Now().Add(time.Duration(round) * time.Millisecond); time.Now().Before(end); {
			n, err := s.Receive(frames, time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames[:n] {
				check(f)
			}
			s.Release()
			time.Sleep(50 * time.Microsecond)
		}
		if err := d.Detach(); err != nil {
			t.Fatal(err)
		}
		before := settledIn(d)
		drain(t, s, check)
		r := settled(t, d)
		if r.In != before {
			t.Errorf("round %d: %d frames came in behind Detach", round, r.In-before)
		}
		dropped += r.Dropped[ledger.SocketFull]
		d.Close()
		if after := d.Rooms()[0]; after.In != r.In || after.Out != r.Out {
			t.Errorf("round %d: room behind Close %+v, before %+v", round, after, r)
		}
	}
	cancel()
	<-done
	if dropped == 0 {
		t.Error("nothing was dropped: this test did not overload the ring")
	}
}

func settledIn(d *Device) uint64 { return d.Rooms()[0].In }

const (
	macs    = "020000000001" + "020000000002"
	payload = "0800" + "45000030000040004011000000000000000000000000000000000000" + "1122334455667788990011223344556677889900"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vlanFrames(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"untagged":      unhex(t, macs+payload),
		"802.1Q":        unhex(t, macs+"8100"+"a064"+payload),
		"802.1ad":       unhex(t, macs+"88a8"+"0fff"+payload),
		"priority_only": unhex(t, macs+"8100"+"e000"+payload),
		"QinQ":          unhex(t, macs+"88a8"+"00c8"+"8100"+"3064"+payload),
		"three_tags":    unhex(t, macs+"8100"+"0001"+"8100"+"0002"+"8100"+"0003"+payload),
	}
}

// Each frame arrives byte for byte, whatever the kernel did to its tag: on the
// receiving side, and on the sending side of the same wire.
func TestVLANTagsByteForByte(t *testing.T) {
	for _, keep := range []bool{false, true} {
		pair := testnet.Pair(t, veth.Options{KeepOffloads: keep})
		receiver := openOn(t, pair.Ends[1], Config{Promiscuous: true})
		sender := openOn(t, pair.Ends[0], Config{})
		seen := 0
		for name, frame := range vlanFrames(t) {
			testnet.Send(t, pair.Ends[0], frame)
			for side, d := range map[string]*Device{"receiver": receiver, "sender": sender} {
				s := d.Sources()[0]
				frames := make([]capture.Frame, 4)
				n, err := s.Receive(frames, 2*time.Second)
				if n != 1 || err != nil {
					t.Fatalf("%s, offloads %v, %s: got %d frames, %v; want 1", name, keep, side, n, err)
				}
				f := frames[0]
				if !bytes.Equal(f.Data, frame) || int(f.OrigLen) != len(frame) || f.Sequence != uint64(seen) {
					t.Errorf("%s, offloads %v, %s:\n got %x (%d bytes on the wire)\nwant %x", name, keep, side, f.Data, f.OrigLen, frame)
				}
				s.Release()
			}
			seen++
		}
	}
}

func TestSnapLen(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{MTU: 9000})
	d := openOn(t, pair.Ends[1], Config{SnapLen: 64, Promiscuous: true})
	plain := testnet.Numbered(1, 9000, 0)
	tagged := append(unhex(t, macs+"8100"+"0064"), plain[12:1500]...)
	short := testnet.Numbered(2, 60, 0)
	testnet.Send(t, pair.Ends[0], plain, tagged, short)
	got := collect(t, d.Sources()[0], 3)
	for i, want := range [][]byte{plain, tagged, short} {
		if !bytes.Equal(got[i].data, want[:min(64, len(want))]) || int(got[i].origLen) != len(want) {
			t.Errorf("frame %d: got %d of %d bytes %x, want 64 of %d", i, len(got[i].data), got[i].origLen, got[i].data, len(want))
		}
	}
}

func TestBothDirectionsAndTimes(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := openOn(t, pair.Ends[0], Config{Promiscuous: true})
	before := time.Now().Add(-time.Millisecond).UnixNano()
	for i := range uint64(20) {
		testnet.Send(t, pair.Ends[i%2], testnet.Numbered(i, 100, 0))
	}
	for i, f := range collect(t, d.Sources()[0], 20) {
		number, err := testnet.CheckNumbered(f.data)
		if err != nil || number != uint64(i) {
			t.Errorf("frame %d: got number %d, %v", i, number, err)
		}
		if after := time.Now().UnixNano(); f.nanos < before || f.nanos > after {
			t.Errorf("frame %d: got time %d, want %d to %d", i, f.nanos, before, after)
		}
		before = f.nanos
	}
}

func TestLargeFrames(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{MTU: 65535})
	d := openOn(t, pair.Ends[1], Config{})
	want := testnet.Numbered(7, 65_000, 0)
	testnet.Send(t, pair.Ends[0], want)
	if got := collect(t, d.Sources()[0], 1); !bytes.Equal(got[0].data, want) {
		t.Errorf("got %d bytes, want %d equal ones", len(got[0].data), len(want))
	}
	small := openOn(t, pair.Ends[1], Config{BlockSize: 4096})
	testnet.Send(t, pair.Ends[0], want)
	got := collect(t, small.Sources()[0], 1)
	if n := len(got[0].data); n < 3500 || n > 4096 || got[0].origLen != 65_000 || !bytes.Equal(got[0].data, want[:n]) {
		t.Errorf("over a block: got %d of %d bytes, want about 4000 of 65000", n, got[0].origLen)
	}
}

// Workers share by flow: nothing twice, nothing lost, each flow on one worker,
// in order, both directions.
func TestWorkersShareByFlow(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := openOn(t, pair.Ends[1], Config{Workers: 3, BlockTimeout: 300 * time.Millisecond})
	const total, flows = 6000, 16
	if _, err := testnet.Generate(context.Background(), pair.Ends[0], testnet.Load{Frames: total, Flows: flows, Rate: 50_000, Size: 80}); err != nil {
		t.Fatal(err)
	}
	if err := d.Detach(); err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, total)
	owner := map[uint16]int{}
	busy := 0
	for _, s := range d.Sources() {
		last := map[uint16]uint64{}
		n := drain(t, s, func(f capture.Frame) {
			number, err := testnet.CheckNumbered(f.Data)
			if err != nil || seen[number] {
				t.Fatalf("queue %d: number %d, %v, seen before %v: %x", s.Queue(), number, err, seen[number], f.Data)
			}
			seen[number] = true
			port := uint16(f.Data[34])<<8 | uint16(f.Data[35])
			if q, ok := owner[port]; ok && q != s.Queue() {
				t.Fatalf("port %d on queues %d and %d", port, q, s.Queue())
			}
			owner[port] = s.Queue()
			if number < last[port] {
				t.Fatalf("port %d: number %d behind %d", port, number, last[port])
			}
			last[port] = number
		})
		if n > 0 {
			busy++
		}
	}
	r := settled(t, d)
	if r.In != total || r.Out != total || len(owner) != flows || busy < 2 {
		t.Errorf("got room %+v, %d flows on %d workers; want %d frames, %d flows, several workers", r, len(owner), busy, total, flows)
	}
}

// Fanout groups are numbered from 0, which the first group after boot gets: a
// socket that joins it must not end up in another one, where every frame is
// delivered again.
func TestJoinGroupZero(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	var fds [3]int
	for i := range fds {
		testnet.Do(t, pair.Ends[0], func() (err error) {
			if fds[i], err = openSocket(); err != nil {
				return err
			}
			return bind(fds[i], pair.Ends[0].Index)
		})
		defer unix.Close(fds[i])
		group := newGroup
		if i < 2 {
			group = 0 // the first makes it
		}
		got, err := joinFanout(fds[i], group)
		if err != nil || (got == 0) != (i < 2) {
			t.Errorf("socket %d asked for group %d: got %d, %v", i, group, got, err)
		}
	}
}

func TestLoopbackOnce(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := openOn(t, pair.Ends[0], Config{Interface: "lo", Promiscuous: true})
	testnet.Do(t, pair.Ends[0], func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: 9, Addr: to.Addr}); err != nil {
			return err
		}
		for i := range 10 {
			if err := unix.Sendto(fd, fmt.Appendf(nil, "marker %d", i), 0, to); err != nil {
				return err
			}
		}
		return nil
	})
	for i, f := range collect(t, d.Sources()[0], 10) {
		if !bytes.HasSuffix(f.data, fmt.Appendf(nil, "marker %d", i)) || f.data[12] != 8 {
			t.Errorf("frame %d: got %x", i, f.data)
		}
	}
	d.Detach()
	drain(t, d.Sources()[0], func(f capture.Frame) { t.Errorf("one frame too many: %x", f.Data) })
	if r := settled(t, d); r.In != 10 {
		t.Errorf("got room %+v, want 10 in", r)
	}
}

func TestTunIsRawIP(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	var tun *netlink.Tuntap
	testnet.Do(t, pair.Ends[0], func() error {
		tun = &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI, Queues: 1}
		if err := netlink.LinkAdd(tun); err != nil {
			return err
		}
		return netlink.LinkSetUp(tun)
	})
	t.Cleanup(func() { tun.Fds[0].Close() })
	d := openOn(t, pair.Ends[0], Config{Interface: "tun0"})
	if got := d.Info().LinkType; got != 101 {
		t.Errorf("got link type %d, want 101 (raw IP)", got)
	}
	want := testnet.Numbered(1, 100, 0)[14:]
	if _, err := tun.Fds[0].Write(want); err != nil {
		t.Fatal(err)
	}
	frames := make([]capture.Frame, 8)
	for {
		n, err := d.Sources()[0].Receive(frames, 2*time.Second)
		if err != nil || n == 0 {
			t.Fatalf("got %d, %v; want the packet", n, err)
		}
		for _, f := range frames[:n] {
			if bytes.Equal(f.Data, want) {
				return
			}
		}
		d.Sources()[0].Release() // something else: the tun's own IPv6 noise
	}
}

func TestDownAndUpGoesOn(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := openOn(t, pair.Ends[1], Config{})
	s := d.Sources()[0]
	set := func(f func(netlink.Link) error) {
		testnet.Do(t, pair.Ends[1], func() error {
			link, err := netlink.LinkByName(pair.Ends[1].Name)
			if err != nil {
				return err
			}
			return f(link)
		})
	}
	testnet.Send(t, pair.Ends[0], testnet.Numbered(0, 60, 0))
	set(netlink.LinkSetDown)
	frames := make([]capture.Frame, 4)
	if n, err := s.Receive(frames, time.Second); n != 1 || err != nil {
		t.Fatalf("frame before going down: got %d, %v", n, err)
	}
	s.Release()
	if n, err := s.Receive(frames, 300*time.Millisecond); n != 0 || err != nil {
		t.Fatalf("while down: got %d, %v; want 0, nil", n, err)
	}
	set(netlink.LinkSetUp)
	// The peer sends nothing until its own carrier is back.
	for n := 0; n == 0; {
		testnet.Send(t, pair.Ends[0], testnet.Numbered(1, 60, 0))
		var err error
		if n, err = s.Receive(frames, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		s.Release()
	}
	for range 50 {
		testnet.Send(t, pair.Ends[0], testnet.Numbered(2, 60, 0))
	}
	got := 0
	for got < 50 {
		n, err := s.Receive(frames, 2*time.Second)
		if err != nil || n == 0 {
			t.Fatalf("up again: got %d of 50 frames, %v", got, err)
		}
		got += n
		s.Release()
	}
}

func TestRemovedInterfaceIsAnError(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := openOn(t, pair.Ends[1], Config{BlockTimeout: 300 * time.Millisecond})
	s := d.Sources()[0]
	testnet.Send(t, pair.Ends[0], testnet.Numbered(0, 60, 0))
	if err := pair.Close(); err != nil {
		t.Fatal(err)
	}
	frames := make([]capture.Frame, 4)
	got := 0
	for range 20 {
		n, err := s.Receive(frames, time.Second)
		got += n
		s.Release()
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), pair.Ends[1].Name+" was removed") {
			t.Errorf("got %v, want the interface named as removed", err)
		}
		if got != 1 {
			t.Errorf("got %d frames before the error, want the one still in the ring", got)
		}
		settled(t, d)
		return
	}
	t.Error("no error in 20 seconds")
}

func TestDetachAndCloseWakeReceive(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	for name, c := range map[string]struct {
		end  func(*Device) error
		want error
	}{"detach": {(*Device).Detach, nil}, "close": {(*Device).Close, capture.ErrClosed}} {
		d := openOn(t, pair.Ends[1], Config{})
		s := d.Sources()[0]
		result := make(chan error, 1)
		go func() {
			_, err := s.Receive(make([]capture.Frame, 1), time.Minute)
			result <- err
		}()
		time.Sleep(20 * time.Millisecond)
		if err := c.end(d); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-result:
			if err != c.want {
				t.Errorf("%s: Receive returned %v, want %v", name, err, c.want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: Receive still waits", name)
		}
	}
}

// inUse counts descriptors and mappings of packet sockets in this process.
func inUse(t *testing.T) (descriptors, mappings int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds), strings.Count(string(maps), "socket:[")
}

func TestOpenCloseOpenLeaksNothing(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	cycle := func() {
		d := openOn(t, pair.Ends[1], Config{Workers: 2, BlockSize: 1 << 16, Blocks: 4, Promiscuous: true})
		testnet.Send(t, pair.Ends[0], testnet.Numbered(0, 60, 0))
		if _, mapped := inUse(t); mapped != 2 {
			t.Errorf("got %d mapped rings while open, want 2", mapped)
		}
		if err := errors.Join(d.Detach(), d.Detach(), d.Close(), d.Close(), d.Detach()); err != nil {
			t.Error(err)
		}
		if _, err := d.Sources()[0].Receive(make([]capture.Frame, 1), 0); err != capture.ErrClosed {
			t.Errorf("behind Close: got %v, want ErrClosed", err)
		}
		d.Sources()[0].Release() // must not touch the unmapped ring
	}
	cycle()
	fds, maps := inUse(t)
	for range 20 {
		cycle()
	}
	for _, c := range []Config{{Interface: "none0"}, {Blocks: 1}, {Workers: 2, Blocks: 1 << 20, BlockSize: 1 << 24}} {
		if c.Interface == "" {
			c.Interface = pair.Ends[1].Name
		}
		if d, err := Open(c); err == nil {
			d.Close()
			t.Errorf("%+v: no error", c)
		}
	}
	if f, m := inUse(t); f != fds || m != maps {
		t.Errorf("got %d descriptors and %d rings, want %d and %d", f, m, fds, maps)
	}
	testnet.Do(t, pair.Ends[1], func() error {
		link, err := netlink.LinkByName(pair.Ends[1].Name)
		if err == nil && link.Attrs().Promisc != 0 {
			t.Errorf("interface is still promiscuous (%d)", link.Attrs().Promisc)
		}
		return err
	})
}

func TestOpenSaysWhatToDo(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	testnet.Do(t, pair.Ends[0], func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "sleepy"}, PeerName: "sleepy1"})
	})
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Interface: "none0"}, `no interface is called "none0"`},
		{Config{Interface: strings.Repeat("x", 40)}, "a name has 1 to 15 bytes"},
		{Config{Interface: "sleepy"}, "ip link set dev sleepy up"},
		{Config{BlockSize: 1000}, "multiple of the page size"},
		{Config{Blocks: 1}, "at least 2 are needed"},
		{Config{Workers: 1000}, "can share an interface"},
		{Config{SnapLen: -1}, "snap length -1"},
		{Config{BlockTimeout: time.Microsecond}, "block timeout"},
	} {
		testnet.Do(t, pair.Ends[0], func() error {
			d, err := Open(c.config)
			if err == nil {
				d.Close()
				t.Errorf("%+v: no error, want %q", c.config, c.want)
			} else if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: got %q, want %q in it", c.config, err, c.want)
			}
			return nil
		})
	}
}

func TestLinkTypes(t *testing.T) {
	for hardware, want := range map[uint16]uint16{1: 1, 772: 1, 65534: 101, 519: 101, 768: 101} {
		if got, err := linkType("if0", hardware); got != want || err != nil {
			t.Errorf("hardware type %d: got %d, %v; want %d", hardware, got, err, want)
		}
	}
	if _, err := linkType("wpan0", 804); err == nil || !strings.Contains(err.Error(), "interface wpan0 has hardware type 804") {
		t.Errorf("hardware type 804: got %v, want it refused by name", err)
	}
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := openOn(t, pair.Ends[1], Config{})
	if _, err := testnet.Generate(context.Background(), pair.Ends[0], testnet.Load{Frames: 20_000, Rate: 200_000}); err != nil {
		t.Fatal(err)
	}
	s := d.Sources()[0]
	frames := make([]capture.Frame, 8)
	total := 0
	n := testing.AllocsPerRun(1000, func() {
		got, err := s.Receive(frames, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		total += got
		s.Release()
	})
	if n != 0 || total < 5000 {
		t.Errorf("%v allocations a batch over %d frames, want 0 over at least 5000", n, total)
	}
}
