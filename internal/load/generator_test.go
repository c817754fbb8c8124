package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xcapa/bpf"
	"xcapa/internal/capture"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/packet"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRefused(t *testing.T) {
	for _, c := range []Config{
		{Sizes: []int{49}}, {Sizes: []int{3001}}, {Sizes: []int{60}, IPv6: true}, {Sizes: make([]int, 17)},
		{Flows: -1}, {Flows: 1<<24 + 1}, {Rate: -1}, {VLAN: 4095}, {Sizes: []int{60}, TCP: true, VLAN: 1, IPv6: true},
	} {
		if _, err := newTemplate(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

// receive runs the generator at one end and gives f every frame that arrives at
// the other.
func receive(t *testing.T, c Config, d time.Duration, f func(capture.Frame)) (sent uint64, took time.Duration) {
	t.Helper()
	pair := testnet.Pair(t, veth.Options{})
	var device *afxdp.Device
	testnet.Do(t, pair.Ends[1], func() (err error) {
		device, err = afxdp.Open(afxdp.Config{Interface: pair.Ends[1].Name})
		return err
	})
	defer device.Close()
	type answer struct {
		sent uint64
		took time.Duration
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		a.err = pair.Ends[0].Do(func() error {
			g, err := Open(pair.Ends[0].Name, c)
			if err != nil {
				return err
			}
			defer g.Close()
			a.sent, a.took, err = g.Run(context.Background(), d)
			return err
		})
		done <- a
	}()
	source := device.Sources()[0]
	frames := make([]capture.Frame, 64)
	var over *answer
	for empty := 0; over == nil || empty < 3; {
		n, err := source.Receive(frames, 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for i := range frames[:n] {
			f(frames[i])
		}
		source.Release()
		if empty++; n > 0 {
			empty = 0
		}
		select {
		case a := <-done:
			over = &a
		default:
		}
	}
	if over.err != nil {
		t.Fatal(over.err)
	}
	return over.sent, over.took
}

// TestFrames sends every kind of frame slowly enough that none is lost, and
// wants each number once, in order, checksums and lengths right.
func TestFrames(t *testing.T) {
	testnet.RequireRoot(t)
	for _, c := range []Config{
		{}, {TCP: true}, {Sizes: []int{512}}, {Sizes: []int{1514}, TCP: true}, {Sizes: IMIX}, {Sizes: IMIX, TCP: true, VLAN: 7},
		{Sizes: []int{100}, IPv6: true, Flows: 1000}, {Sizes: []int{101, 1514}, IPv6: true, TCP: true, VLAN: 4094},
		{Flows: 1 << 20, VLAN: 100, Sizes: []int{64}},
	} {
		t.Run(fmt.Sprintf("%v_ip6_%v_tcp_%v_vlan_%d_flows_%d", len(c.Sizes), c.IPv6, c.TCP, c.VLAN, c.Flows), func(t *testing.T) {
			c.Rate = 20_000
			sizes := c.Sizes
			if len(sizes) == 0 {
				sizes = []int{60}
			}
			var got uint64
			ports := map[uint16]bool{}
			sent, took := receive(t, c, 200*time.Millisecond, func(f capture.Frame) {
				n, err := Check(f.Data)
				if err != nil || n != got {
					t.Fatalf("got frame %d, %v; want frame %d: % x", n, err, got, f.Data)
				}
				if want := sizes[n%uint64(len(sizes))]; len(f.Data) != want {
					t.Fatalf("frame %d has %d bytes, want %d", n, len(f.Data), want)
				}
				var p packet.Packet
				packet.Decode(&p, packet.LinkTypeEthernet, f.Data, f.OrigLen)
				if p.Status != packet.StatusWhole || p.VLANID != c.VLAN && c.VLAN > 0 {
					t.Fatalf("frame %d: status %v, VLAN %d", n, p.Status, p.VLANID)
				}
				ports[p.SourcePort] = true
				got++
			})
			if got != sent || sent < 64 {
				t.Errorf("%d frames arrived of %d, want all, and about 4,000 on an idle machine", got, sent)
			}
			if rate := float64(sent) / took.Seconds(); rate > 1.05*c.Rate {
				t.Errorf("%.0f frames/s over %v, asked for %.0f", rate, took, c.Rate)
			}
			if want := min(max(c.Flows, 1), int(sent), 1<<portBits); len(ports) < want*9/10 {
				t.Errorf("%d source ports, want about %d", len(ports), want)
			}
		})
	}
}

// TestFlatOut only wants more than any other way of sending gives.
func TestFlatOut(t *testing.T) {
	testnet.RequireRoot(t)
	var got uint64
	sent, took := receive(t, Config{}, 300*time.Millisecond, func(capture.Frame) { got++ })
	rate := float64(sent) / took.Seconds() / 1e6
	t.Logf("%.1f M frames/s offered, %.1f %% received", rate, 100*float64(got)/float64(sent))
	if sent < 1000 || got == 0 || got > sent {
		t.Errorf("sent %d, received %d", sent, got)
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []Config{{}, {TCP: true}, {IPv6: true, Sizes: []int{70}}} {
		tmpl, err := newTemplate(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Check(tmpl.frame); err == nil || errors.Is(err, ErrNotNumbered) {
			t.Errorf("%+v: a frame without checksums: %v", c, err)
		}
	}
	if _, err := Check(make([]byte, 60)); !errors.Is(err, ErrNotNumbered) {
		t.Errorf("zeros: %v, want ErrNotNumbered", err)
	}
	if !slices.Contains(IMIX, 1514) || len(IMIX) != 12 {
		t.Error("IMIX is 7:4:1 of 12")
	}
}

// TestCeiling: what it counts is what was sent, and it leaves the interface as
// it was.
func TestCeiling(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	for range 2 {
		var c *Ceiling
		testnet.Do(t, pair.Ends[1], func() (err error) {
			c, err = OpenCeiling(pair.Ends[1].Name, bpf.StampClock)
			return err
		})
		var sent uint64
		testnet.Do(t, pair.Ends[0], func() error {
			g, err := Open(pair.Ends[0].Name, Config{Rate: 20_000})
			if err != nil {
				return err
			}
			defer g.Close()
			sent, _, err = g.Run(context.Background(), 100*time.Millisecond)
			return err
		})
		got, err := c.Frames()
		if err != nil || got != sent || sent == 0 {
			t.Errorf("%d frames of %d, %v", got, sent, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Where no frame gets out in the time there is, there is no rate: an error says
// so. A run that was called off says nothing.
func TestNothingSent(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	testnet.Do(t, pair.Ends[0], func() error {
		g, err := Open(pair.Ends[0].Name, Config{})
		if err != nil {
			return err
		}
		defer g.Close()
		if _, took, err := g.Run(context.Background(), time.Nanosecond); took != 0 || err == nil || !strings.Contains(err.Error(), "busy") {
			t.Errorf("a run over before it began: %v, %v; want an error", took, err)
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if n, _, err := g.Run(ended, time.Second); n != 0 || err != nil {
			t.Errorf("a run called off: %d frames, %v", n, err)
		}
		return nil
	})
}
