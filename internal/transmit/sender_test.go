package transmit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
	"xcapa/internal/capture/afpacket"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var engines = []Engine{EngineAFXDP, EngineAFPacket}

// open opens a sender at end for the length of the test.
func open(t testing.TB, end *veth.End, engine Engine) *Sender {
	t.Helper()
	var s *Sender
	testnet.Do(t, end, func() (err error) {
		s, err = Open(Options{Interface: end.Name, Engine: engine})
		return err
	})
	t.Cleanup(func() { s.Close() })
	if got, _ := s.Engine(); engine != EngineAuto && got != engine {
		t.Fatalf("got engine %s, want %s", got, engine)
	}
	return s
}

// receiver takes what arrives at an end.
type receiver struct{ device *afpacket.Device }

func receive(t testing.TB, end *veth.End) *receiver {
	t.Helper()
	r := &receiver{}
	testnet.Do(t, end, func() (err error) {
		r.device, err = afpacket.Open(afpacket.Config{Interface: end.Name, Promiscuous: true})
		return err
	})
	t.Cleanup(func() { r.device.Close() })
	return r
}

// frames are those that have arrived, all of them: n or more were sent.
func (r *receiver) frames(t testing.TB, n int) [][]byte {
	t.Helper()
	if err := r.device.Detach(); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	batch := make([]capture.Frame, 64)
	for empty := 0; empty < 2; {
		got, err := r.device.Sources()[0].Receive(batch, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		empty++
		for _, f := range batch[:got] {
			out = append(out, bytes.Clone(f.Data))
			empty = 0
		}
		r.device.Sources()[0].Release()
	}
	if len(out) < n {
		t.Fatalf("got %d frames, want %d", len(out), n)
	}
	return out
}

// checkRoom checks the final account.
func checkRoom(t testing.TB, s *Sender, in, out uint64, dropped map[ledger.Reason]uint64) {
	t.Helper()
	l := ledger.Ledger{Final: true, Rooms: []ledger.Room{s.Room()}}
	l.Settle()
	r := l.Rooms[0]
	if dropped == nil {
		dropped = map[ledger.Reason]uint64{}
	}
	if !l.Balanced || r.In != in || r.Out != out || fmt.Sprint(r.Dropped) != fmt.Sprint(dropped) {
		t.Errorf("got %+v, balanced %v; want in %d, out %d, dropped %v", r, l.Balanced, in, out, dropped)
	}
}

// tagged puts VLAN tags into a frame.
func withTags(frame []byte, tags ...byte) []byte {
	return append(append(bytes.Clone(frame[:12]), tags...), frame[12:]...)
}

// Every frame that fits arrives byte for byte and in order; what does not fit is
// counted and stays here.
func TestByteForByte(t *testing.T) {
	for _, engine := range engines {
		for _, mtu := range []int{1500, 3000, 9000} {
			t.Run(fmt.Sprintf("%s_%d", engine, mtu), func(t *testing.T) {
				if mtu > 4000 && engine == EngineAFXDP {
					testnet.RequireParts(t)
				}
				pair := testnet.Pair(t, veth.Options{MTU: mtu})
				r, s := receive(t, pair.Ends[1]), open(t, pair.Ends[0], engine)
				full := testnet.Numbered(1, mtu+14, 0)
				frames := [][]byte{
					full[:14], // no payload at all
					testnet.Numbered(2, 60, 0),
					full,
					withTags(testnet.Numbered(3, 100, 0), 0x88, 0xa8, 0, 0x65, 0x81, 0, 0x20, 0xc8),
					withTags(testnet.Numbered(4, mtu+14, 0), 0x81, 0, 0, 7), // an MTU's worth behind the tag
					testnet.Numbered(5, 60, 0),
				}
				refused := [][]byte{
					nil, full[:13],
					testnet.Numbered(6, mtu+15, 0),
					withTags(testnet.Numbered(7, mtu+15, 0), 0x81, 0, 0, 7),
					withTags(testnet.Numbered(8, mtu+14, 0), 0x88, 0xa8, 0, 7, 0x81, 0, 0, 7),
					make([]byte, 200_000),
				}
				ctx := context.Background()
				for i := range frames {
					if err := errors.Join(s.Send(ctx, frames[i]), s.Send(ctx, refused[i])); err != nil {
						t.Fatal(err)
					}
				}
				if err := errors.Join(s.Flush(ctx), s.Drain()); err != nil {
					t.Fatal(err)
				}
				got := r.frames(t, len(frames))
				if len(got) != len(frames) {
					t.Fatalf("got %d frames, want %d", len(got), len(frames))
				}
				for i := range frames {
					if !bytes.Equal(got[i], frames[i]) {
						t.Errorf("frame %d:\ngot  %d bytes %x\nwant %d bytes %x", i, len(got[i]), got[i][:14], len(frames[i]), frames[i][:14])
					}
				}
				checkRoom(t, s, 12, 6, map[ledger.Reason]uint64{ledger.TooShort: 2, ledger.TooLarge: 4})
			})
		}
	}
}

// More frames than any ring holds, of every size, arrive once each and in order.
func TestManyFrames(t *testing.T) {
	for _, engine := range engines {
		t.Run(string(engine), func(t *testing.T) {
			if engine == EngineAFXDP {
				testnet.RequireParts(t)
			}
			pair := testnet.Pair(t, veth.Options{MTU: 9000})
			r, s := receive(t, pair.Ends[1]), open(t, pair.Ends[0], engine)
			const n = 5000 // less than the receiver holds
			size := func(i int) int { return testnet.MinNumbered + (i*i)%8900 }
			var bytesSent uint64
			for i := range n {
				f := testnet.Numbered(uint64(i), size(i), 0)
				bytesSent += uint64(len(f))
				if err := s.Send(context.Background(), f); err != nil {
					t.Fatal(err)
				}
				if i%37 == 0 {
					if err := s.Flush(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.Drain(); err != nil {
				t.Fatal(err)
			}
			checkRoom(t, s, n, n, nil)
			if s.Bytes() != bytesSent {
				t.Errorf("got %d bytes, want %d", s.Bytes(), bytesSent)
			}
			for i, f := range r.frames(t, n) {
				number, err := testnet.CheckNumbered(f)
				if err != nil || number != uint64(i) || len(f) != size(i) {
					t.Fatalf("frame %d: got number %d, %d bytes, %v; want %d bytes", i, number, len(f), err, size(i))
				}
			}
		})
	}
}

// Without a ring to be had, auto takes a packet socket and says why; afxdp says
// why not.
func TestAutoFallsBack(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	s := open(t, pair.Ends[0], EngineAuto)
	if got, why := s.Engine(); got != EngineAFXDP || !strings.Contains(why, "--engine afpacket") {
		t.Errorf("free queue: got %s, %q", got, why)
	}
	s.Close()
	var d *afxdp.Device
	testnet.Do(t, pair.Ends[0], func() (err error) {
		d, err = afxdp.Open(afxdp.Config{Interface: pair.Ends[0].Name, RingSize: 64, Frames: 128})
		return err
	})
	defer d.Close()
	s = open(t, pair.Ends[0], EngineAuto)
	if got, why := s.Engine(); got != EngineAFPacket || !strings.Contains(why, "busy") || !strings.Contains(why, "--engine afxdp") {
		t.Errorf("queue taken: got %s, %q", got, why)
	}
	err := pair.Ends[0].Do(func() error {
		_, err := Open(Options{Interface: pair.Ends[0].Name, Engine: EngineAFXDP})
		return err
	})
	if !errors.Is(err, unix.EBUSY) {
		t.Errorf("afxdp on a queue taken: got %v, want EBUSY", err)
	}
}

// A link that goes down, on either side, or an interface that vanishes, ends
// the sending with an error that says so, and with books that balance.
func TestLinkEnds(t *testing.T) {
	down := func(e *veth.End) error {
		return e.Do(func() error {
			return netlink.LinkSetDown(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: e.Index}})
		})
	}
	remove := func(e *veth.End) error {
		return e.Do(func() error { return netlink.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: e.Index}}) })
	}
	for _, tt := range []struct {
		name string
		end  func(here, there *veth.End) error
		want string
	}{
		{"down_here", func(here, _ *veth.End) error { return down(here) }, "bring it up with: ip link set xcapa0 up"},
		{"down_there", func(_, there *veth.End) error { return down(there) }, "no carrier"},
		{"removed", func(here, _ *veth.End) error { return remove(here) }, "removed"},
	} {
		for _, engine := range engines {
			t.Run(tt.name+"_"+string(engine), func(t *testing.T) {
				pair := testnet.Pair(t, veth.Options{})
				s := open(t, pair.Ends[0], engine)
				frame := testnet.Numbered(0, 60, 0)
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				var err error
				for i := 0; err == nil; i++ {
					if i == 100 {
						if err := tt.end(pair.Ends[0], pair.Ends[1]); err != nil {
							t.Fatal(err)
						}
					}
					if err = s.Send(ctx, frame); err == nil {
						err = s.Flush(ctx)
					}
				}
				if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "xcapa0") {
					t.Errorf("got %v, want it to say %q", err, tt.want)
				}
				s.Drain()
				r := s.Room()
				if r.In < 100 || r.In != r.Out+r.DroppedTotal() {
					t.Errorf("books: %+v", r)
				}
				err = pair.Ends[0].Do(func() error {
					_, err := Open(Options{Interface: "xcapa0", Engine: engine})
					return err
				})
				if err == nil {
					t.Error("a link in this state could be opened again")
				}
			})
		}
	}
}

// An interface for other frames than Ethernet is refused with words.
func TestRefusesOtherHardware(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	err := pair.Ends[0].Do(func() error {
		tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN}
		if err := netlink.LinkAdd(tun); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(tun); err != nil {
			return err
		}
		_, err := Open(Options{Interface: "tun0"})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "takes no Ethernet frames") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(Options{Interface: "no-such-if"}); err == nil || !strings.Contains(err.Error(), "ip -br link") {
		t.Errorf("no interface: got %v", err)
	}
}

// memory is a File of frames in memory.
type memory struct {
	frames []capture.Frame
	part   int
	end    error
	taken  int
}

func (m *memory) Sources() []capture.Source { return []capture.Source{m} }
func (m *memory) Part() int                 { return m.part }
func (m *memory) Release()                  {}
func (m *memory) Queue() int                { return 0 }
func (m *memory) Receive(frames []capture.Frame, _ time.Duration) (int, error) {
	n := copy(frames, m.frames[m.taken:])
	m.taken += n
	m.part = 1
	if n == 0 {
		return 0, m.end
	}
	return n, nil
}

func timed(n int, gap time.Duration) *memory {
	m := &memory{end: capture.ErrClosed}
	for i := range n {
		f := testnet.Numbered(uint64(i), 60, 0)
		m.frames = append(m.frames, capture.Frame{Data: f, OrigLen: uint32(len(f)), TimestampNanos: at0 + int64(i)*int64(gap)})
	}
	return m
}

// No frame leaves before its time, and none much later.
func TestPaceOnTheWire(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	for _, engine := range engines {
		t.Run(string(engine), func(t *testing.T) {
			s := open(t, pair.Ends[0], engine)
			const n, gap = 200, 2 * time.Millisecond
			for _, tt := range []struct {
				pace Pace
				want time.Duration
			}{
				{Pace{}, (n - 1) * gap},
				{Pace{Multiplier: 4}, (n - 1) * gap / 4},
				{Pace{PerSecond: 2000}, (n - 1) * time.Millisecond / 2},
				{Pace{Megabits: 0.96}, (n - 1) * time.Millisecond / 2}, // 480 bits a frame
			} {
				start := time.Now()
				timing, err := (&Run{File: timed(n, gap), Sender: s, Pace: tt.pace}).Frames(context.Background())
				took := time.Since(start)
				if err != nil || took < tt.want || took > tt.want+3*time.Second {
					t.Errorf("%+v: got %v in %v; want %v", tt.pace, err, took, tt.want)
				}
				if timing.Frames != n || timing.Mean <= 0 || timing.Mean > timing.Max || timing.Max > 3*time.Second {
					t.Errorf("%+v: got %+v", tt.pace, timing)
				}
			}
			checkRoom(t, s, 4*n, 4*n, nil)
		})
	}
}

// An interrupt ends a long pause at once; what was taken from the file and not
// sent is counted as that.
func TestInterrupt(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	for _, engine := range engines {
		t.Run(string(engine), func(t *testing.T) {
			s := open(t, pair.Ends[0], engine)
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			m := timed(10, time.Hour)
			start := time.Now()
			if _, err := (&Run{File: m, Sender: s}).Frames(ctx); err != nil || time.Since(start) > 10*time.Second {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
			checkRoom(t, s, 10, 1, map[ledger.Reason]uint64{ledger.Shutdown: 9})
		})
	}
}

func TestRunLimitAndErrors(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	s := open(t, pair.Ends[0], EngineAuto)
	m := timed(1000, 0)
	m.frames[3].OrigLen = 1514
	r := &Run{File: m, Sender: s, Pace: Pace{TopSpeed: true}, Limit: 100}
	if _, err := r.Frames(context.Background()); err != nil || m.taken != 100 || r.Snapped() != 1 {
		t.Errorf("limit 100: took %d, snapped %d, %v", m.taken, r.Snapped(), err)
	}
	broken := errors.New("a bad sector")
	m.end = broken
	if _, err := (&Run{File: m, Sender: s, Pace: Pace{TopSpeed: true}}).Frames(context.Background()); !errors.Is(err, broken) {
		t.Errorf("got %v, want the file's error", err)
	}
	checkRoom(t, s, 1000, 1000, nil)
}

// Nothing is allocated per frame, in either engine.
func TestSendDoesNotAllocate(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	for _, engine := range engines {
		s := open(t, pair.Ends[0], engine)
		frame := testnet.Numbered(0, 60, 0)
		ctx := context.Background()
		if n := testing.AllocsPerRun(200, func() {
			for range 64 {
				s.Send(ctx, frame)
			}
			s.Flush(ctx)
		}); n != 0 {
			t.Errorf("%s: %v allocations a batch, want 0", engine, n)
		}
	}
}
