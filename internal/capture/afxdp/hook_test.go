package afxdp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
	"xcapa/internal/host"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

func TestOpenRefuses(t *testing.T) {
	testnet.RequireRoot(t)
	quiet := testnet.Pair(t, veth.Options{})
	used := testnet.Pair(t, veth.Options{Addresses: [2][]netip.Prefix{{netip.MustParsePrefix("192.0.2.1/24")}}})
	tests := []struct {
		name   string
		end    *veth.End
		config Config
		want   []string // all in the message
		is     error
	}{
		{"no_such_interface", &veth.End{Name: "nowhere0"}, Config{}, []string{"nowhere0", "there are lo, xcapa0"}, unix.ENODEV},
		{"address", used.Ends[0], Config{}, []string{"192.0.2.1/24", "--take-over", "--engine afpacket"}, nil},
		{"zero_copy", quiet.Ends[0], Config{ZeroCopy: ZeroCopyRequire}, []string{"queue 0", "no zero copy", "--zero-copy auto"}, unix.EOPNOTSUPP},
		{"ring_size", quiet.Ends[0], Config{RingSize: 1000}, []string{"ring size 1000", "power of two"}, nil},
		{"everything_at_once", quiet.Ends[0], Config{Mode: "fast", Batch: -1, Clock: "sun"}, []string{`"fast"`, "batch of -1", `"sun"`}, nil},
		{"snap_length", quiet.Ends[0], Config{SnapLen: 5}, []string{"snap length 5"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inside := tt.end
			if inside.Index == 0 {
				inside = quiet.Ends[0]
			}
			tt.config.Interface = tt.end.Name
			err := inside.Do(func() error {
				d, err := Open(tt.config)
				if err == nil {
					d.Close()
				}
				return err
			})
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to hold %q", err, want)
				}
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, which is not %v", err, tt.is)
			}
		})
	}
	if hasProgramAt(t, quiet.Ends[0]) {
		t.Error("a refused Open left a program behind")
	}
}

// A second capture of the same interface is refused, and the first goes on.
func TestSecondCapture(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := open(t, pair.Ends[0], Config{})
	if _, err := tryOpen(pair.Ends[0], Config{}); !errors.Is(err, unix.EBUSY) {
		t.Errorf("got %v, want EBUSY", err)
	}
	testnet.Send(t, pair.Ends[1], numbered(5, 100, 1)...)
	if frames, _ := finish(t, d); len(frames) != 5 {
		t.Errorf("got %d frames, want 5", len(frames))
	}
}

// The keep list reaches the host, is counted as passed, and is not captured.
func TestKeep(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := open(t, pair.Ends[0], Config{KeepPorts: []uint16{testnet.NumberedPort}})
	testnet.Send(t, pair.Ends[1], numbered(7, 100, 1)...)
	testnet.Send(t, pair.Ends[1], ipv6(0, 0), ipv6(1, 0))
	frames, rooms := finish(t, d)
	if x := rooms["xdp"]; len(frames) != 2 || x.In != 9 || x.Passed != 7 || x.Out != 2 {
		t.Errorf("got %d frames, xdp %+v; want 2 of 9, 7 passed", len(frames), x)
	}
}

// Detaching under load leaves nothing in flight, and Rooms never says more came
// out than went in.
func TestDetachUnderLoad(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			d := open(t, pair.Ends[0], Config{Mode: mode})
			sent := make(chan uint64, 1)
			go func() {
				n, err := testnet.Generate(t.Context(), pair.Ends[1], testnet.Load{For: 400 * time.Millisecond})
				if err != nil {
					t.Error(err)
				}
				sent <- n
			}()
			frames := make([]capture.Frame, 64)
			s := d.Sources()[0]
			start := time.Now()
			for time.Since(start) < 200*time.Millisecond {
				if _, err := s.Receive(frames, time.Millisecond); err != nil {
					t.Fatal(err)
				}
				s.Release()
				l := ledger.Ledger{Rooms: d.Rooms()}
				if l.Settle(); !l.Balanced {
					t.Fatalf("while running: %v", l.Imbalances())
				}
			}
			if err := d.Detach(); err != nil {
				t.Fatal(err)
			}
			atDetach := d.Rooms()[0]
			n := <-sent
			drain(t, d, 5*time.Millisecond)
			rooms := books(t, d)
			if rooms["xdp"].In != atDetach.In {
				t.Errorf("xdp room went from %d to %d after Detach", atDetach.In, rooms["xdp"].In)
			}
			if in := rooms["xdp"].In; in == 0 || in >= n {
				t.Errorf("xdp saw %d of %d frames; want some, and not those sent after Detach", in, n)
			}
		})
	}
}

// Close from another goroutine ends a Receive that waits.
func TestCloseEndsReceive(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := open(t, pair.Ends[0], Config{})
	result := make(chan error, 1)
	go func() {
		_, err := d.Sources()[0].Receive(make([]capture.Frame, 1), time.Minute)
		result <- err
	}()
	time.Sleep(20 * time.Millisecond) // it polls by now
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-result:
		if err != capture.ErrClosed {
			t.Errorf("got %v, want ErrClosed", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Receive still waits after Close")
	}
}

// A removed interface ends Receive with an error that says so; Close copes.
func TestInterfaceRemoved(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			d := open(t, pair.Ends[0], Config{Mode: mode, Promiscuous: true, StateDir: t.TempDir()})
			testnet.Send(t, pair.Ends[1], numbered(3, 100, 1)...)
			go func() {
				time.Sleep(20 * time.Millisecond)
				if err := pair.Close(); err != nil {
					t.Error(err)
				}
			}()
			frames := make([]capture.Frame, 8)
			received := 0
			deadline := time.Now().Add(5 * time.Second)
			for {
				n, err := d.Sources()[0].Receive(frames, 5*time.Second)
				received += n
				d.Sources()[0].Release()
				if err != nil {
					if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "xcapa0 is gone") {
						t.Errorf("got %v, want ENODEV: interface xcapa0 is gone", err)
					}
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("no error within 5 s of the removal")
				}
			}
			if received != 3 {
				t.Errorf("got %d frames before the removal, want 3", received)
			}
			books(t, d)
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// Link down and up: the capture goes on by itself.
func TestLinkDownUp(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := open(t, pair.Ends[0], Config{})
	for _, end := range pair.Ends {
		testnet.Do(t, end, func() error {
			l := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: end.Index}}
			return errors.Join(netlink.LinkSetDown(l), netlink.LinkSetUp(l))
		})
	}
	testnet.Send(t, pair.Ends[1], numbered(50, 100, 1)...)
	if frames, _ := finish(t, d); len(frames) != 50 {
		t.Errorf("got %d frames, want 50", len(frames))
	}
}

// pushTags has every frame that end sends tagged with vid, as a VLAN interface
// would: with the offload on, the tag stays beside the frame.
func pushTags(t *testing.T, end *veth.End, vid int32) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "push_tag", Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R2, 0x0081), // 0x8100 in network byte order
			asm.Mov.Imm(asm.R3, vid),
			asm.FnSkbVlanPush.Call(),
			asm.Mov.Imm(asm.R0, 0), // TCX_PASS
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	testnet.Do(t, end, func() error {
		l, err := link.AttachTCX(link.TCXOptions{Interface: end.Index, Program: p, Attach: ebpf.AttachTCXEgress})
		if errors.Is(err, ebpf.ErrNotSupported) {
			t.Skip("kernel feature missing: tcx (Linux 6.6)")
		}
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
}

// A tag that the peer's offload carries beside the frame is put back where the
// program is told of it, and said to be lost where it is not.
func TestHiddenTag(t *testing.T) {
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{KeepOffloads: true})
			d := open(t, pair.Ends[0], Config{Mode: mode})
			pushTags(t, pair.Ends[1], 100)
			frame := testnet.Numbered(1, 100, 0)
			testnet.Send(t, pair.Ends[1], frame)
			frames, _ := finish(t, d)
			if len(frames) != 1 {
				t.Fatalf("got %d frames, want 1", len(frames))
			}
			info := d.Info()
			if info.Program == "xsk_redirect_meta" {
				want := vlan(frame, 0x81000064)
				if got := frames[0]; string(got.Data) != string(want) || got.OrigLen != 104 {
					t.Errorf("got % x (%d), want % x (104)", got.Data, got.OrigLen, want)
				}
				return
			}
			if string(frames[0].Data) != string(frame) {
				t.Errorf("got % x, want % x", frames[0].Data, frame)
			}
			if !strings.Contains(fmt.Sprint(info.Notes), "VLAN tags") {
				t.Errorf("the tag is gone and no note says so: %q", info.Notes)
			}
		})
	}
}

// The metadata program is what native mode gives on a kernel that has it.
func TestMetadataProgram(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d := open(t, pair.Ends[0], Config{Mode: ModeNative})
	want := "xsk_redirect"
	if d.hook.features.RXMetadata != 0 {
		want = "xsk_redirect_meta"
	}
	if got := d.Info().Program; got != want {
		t.Errorf("got program %s, want %s", got, want)
	}
}

func rxVLANOn(t *testing.T, end *veth.End) bool {
	t.Helper()
	var on bool
	testnet.Do(t, end, func() error {
		i, err := host.OpenInterface(end.Name)
		if err != nil {
			return err
		}
		defer i.Close()
		on, err = i.Feature(host.RXVLAN)
		return err
	})
	return on
}

// The VLAN offload is off while capturing and on again afterwards; after a
// crash Restore, or the next start, switches it on.
func TestVLANOffloadRestored(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{KeepOffloads: true})
	end, dir := pair.Ends[0], t.TempDir()
	stateFiles := func() int {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	restore := func() (done []string) {
		testnet.Do(t, end, func() (err error) {
			done, err = Restore(dir)
			return err
		})
		return done
	}
	if !rxVLANOn(t, end) {
		t.Fatalf("%s is off from the start", host.RXVLAN)
	}
	d := open(t, end, Config{Mode: ModeGeneric, StateDir: dir})
	if rxVLANOn(t, end) || stateFiles() != 1 {
		t.Errorf("while capturing: on %v, %d state files; want off, 1", rxVLANOn(t, end), stateFiles())
	}
	if done := restore(); len(done) != 0 || rxVLANOn(t, end) {
		t.Errorf("Restore touched a living capture: %q", done)
	}
	d.Close()
	if !rxVLANOn(t, end) || stateFiles() != 0 {
		t.Errorf("after close: on %v, %d state files; want on, 0", rxVLANOn(t, end), stateFiles())
	}
	for _, next := range []string{"cleanup", "start"} {
		child := startChild(t, end, ModeGeneric, dir)
		child.Process.Kill()
		child.Wait()
		if rxVLANOn(t, end) || stateFiles() != 1 {
			t.Fatalf("after SIGKILL: on %v, %d state files; want off, 1", rxVLANOn(t, end), stateFiles())
		}
		if other, err := Restore(dir); len(other) != 0 || err != nil {
			t.Errorf("Restore from another namespace: got %q, %v; want nothing done", other, err)
		}
		if next == "cleanup" {
			if done := restore(); len(done) != 1 || !strings.Contains(done[0], end.Name) {
				t.Errorf("got %q, want one line about %s", done, end.Name)
			}
		} else {
			open(t, end, Config{Mode: ModeGeneric, StateDir: dir}).Close()
		}
		if !rxVLANOn(t, end) || stateFiles() != 0 {
			t.Errorf("after %s: on %v, %d state files; want on, 0", next, rxVLANOn(t, end), stateFiles())
		}
	}
}

// A state file that is damaged or of another boot is removed and touches
// nothing.
func TestRestoreDamaged(t *testing.T) {
	testnet.RequireRoot(t)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"rxvlan-a.json": `{"interface":"lo","ind`,
		"rxvlan-b.json": `{"interface":"lo","index":1,"boot":"another","feature":"rx-vlan-hw-parse"}`,
		"other.json":    `{}`,
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := Restore(dir); len(done) != 0 || err != nil {
		t.Errorf("got %q, %v; want nothing done", done, err)
	}
	list, _ := os.ReadDir(dir)
	if len(list) != 1 || list[0].Name() != "other.json" {
		t.Errorf("got %v left, want other.json alone", list)
	}
	if done, err := Restore(dir + "/none"); done != nil || err != nil {
		t.Errorf("no folder: got %q, %v", done, err)
	}
}

// Promiscuous mode is on while capturing only.
func TestPromiscuous(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	count := func() (n int) {
		testnet.Do(t, pair.Ends[0], func() error {
			l, err := netlink.LinkByIndex(pair.Ends[0].Index)
			n = l.Attrs().Promisc
			return err
		})
		return n
	}
	for _, on := range []bool{true, false} {
		d := open(t, pair.Ends[0], Config{Promiscuous: on})
		if got := count() > 0; got != on {
			t.Errorf("asked for %v: promiscuous is %v", on, got)
		}
		d.Close()
		if count() != 0 {
			t.Errorf("asked for %v: promiscuous is still on after close", on)
		}
	}
}

// The reasons for silence, without the five seconds.
func TestSilence(t *testing.T) {
	setDown := func(t *testing.T, end *veth.End) {
		testnet.Do(t, end, func() error {
			return netlink.LinkSetDown(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: end.Index}})
		})
	}
	tests := []struct {
		name    string
		options veth.Options
		config  Config
		act     func(t *testing.T, p *veth.Pair, d *Device)
		want    string
	}{
		{"nothing_sent", veth.Options{}, Config{Promiscuous: true}, nil, "nothing is sent to this port"},
		{"not_promiscuous", veth.Options{}, Config{}, nil, "promiscuous mode is off"},
		{"down", veth.Options{}, Config{}, func(t *testing.T, p *veth.Pair, _ *Device) { setDown(t, p.Ends[0]) }, "ip link set dev xcapa0 up"},
		{"peer_down", veth.Options{}, Config{}, func(t *testing.T, p *veth.Pair, _ *Device) { setDown(t, p.Ends[1]) }, "the link is down"},
		{"all_kept", veth.Options{}, Config{KeepPorts: []uint16{testnet.NumberedPort}}, func(t *testing.T, p *veth.Pair, _ *Device) {
			testnet.Send(t, p.Ends[1], numbered(3, 100, 1)...)
		}, "all 3 frames seen are on the keep list"},
		{"not_received", veth.Options{}, Config{}, func(t *testing.T, p *veth.Pair, _ *Device) {
			testnet.Send(t, p.Ends[1], numbered(3, 100, 1)...)
		}, "3 frames were handed to the socket"},
		{"queues_grown", veth.Options{SpareQueues: 1}, Config{}, func(t *testing.T, p *veth.Pair, d *Device) {
			for _, end := range []*veth.End{p.Ends[0], p.Ends[1]} {
				testnet.Do(t, end, func() error {
					tool, err := ethtool.NewEthtool()
					if err != nil {
						return err
					}
					defer tool.Close()
					c, err := tool.GetChannels(end.Name)
					if err != nil {
						return err
					}
					if c.MaxCombined > 0 {
						c.CombinedCount, c.RxCount, c.TxCount = 2, 0, 0
					} else {
						c.RxCount, c.TxCount = 2, 2
					}
					_, err = tool.SetChannels(end.Name, c)
					return err
				})
			}
			d.hook.look()
			frames := numbered(64, 100, 64)
			testnet.Send(t, p.Ends[1], frames...)
			drain(t, d, time.Millisecond) // those of queue 0
			before := d.hook.activity
			before.received = d.Received()
			before.verdicts.Redirected = d.hook.Counters().Redirected
			d.hook.activity = before
		}, "grown from 1 to 2 RX queues"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pair := testnet.Pair(t, tt.options)
			d := open(t, pair.Ends[0], tt.config)
			if got := d.Silence(); got != "" {
				t.Errorf("just opened: got %q", got)
			}
			if tt.act != nil {
				tt.act(t, pair, d)
			}
			d.hook.activityMu.Lock()
			d.hook.activity.since = time.Now().Add(-silenceAfter)
			d.hook.activityMu.Unlock()
			got := d.Silence()
			// A link's end is told up to a second late: linkwatch gathers events.
			for end := time.Now().Add(3 * time.Second); !strings.Contains(got, tt.want) && time.Now().Before(end); got = d.Silence() {
				time.Sleep(50 * time.Millisecond)
			}
			if !strings.Contains(got, tt.want) || !strings.Contains(got, "no frame from xcapa0 for 5 s") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			d.hook.look()
		})
	}
}
