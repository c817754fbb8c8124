package afxdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

func TestHasAddressOrDefaultRoute(t *testing.T) {
	prefixes := func(list ...string) (p []netip.Prefix) {
		for _, s := range list {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	tests := []struct {
		name      string
		addresses []netip.Prefix
		gateway   string
		want      string // in why; "": unused
	}{
		{"bare", nil, "", ""},
		{"ipv4", prefixes("192.0.2.1/24"), "", "has the address 192.0.2.1/24"},
		{"ipv6", prefixes("2001:db8::1/64"), "", "has the address 2001:db8::1/64"},
		{"ipv6_link_local", prefixes("fe80::1/64"), "", ""},
		{"ipv6_link_local_gateway", prefixes("fe80::1/64"), "fe80::2", "has the default route"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := veth.Options{Addresses: [2][]netip.Prefix{tt.addresses, nil}}
			pair := testnet.Pair(t, o)
			end := pair.Ends[0]
			testnet.Do(t, end, func() error {
				if tt.gateway != "" {
					gateway := netip.MustParseAddr(tt.gateway).AsSlice()
					if err := netlink.RouteAdd(&netlink.Route{LinkIndex: end.Index, Gw: gateway}); err != nil {
						return err
					}
				}
				used, why, err := HasAddressOrDefaultRoute(end.Name)
				if err != nil {
					return err
				}
				if used != (tt.want != "") || !strings.Contains(why, tt.want) {
					t.Errorf("got %v, %q; want %q", used, why, tt.want)
				}
				if used && !strings.HasPrefix(why, end.Name+" ") {
					t.Errorf("got %q, want the interface named", why)
				}
				return nil
			})
			d, err := tryOpen(end, Config{})
			if err == nil {
				d.Close()
			}
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), "--take-over") {
				t.Errorf("open: got %v, want refused %v", err, tt.want != "")
			}
		})
	}
	pair := testnet.Pair(t, veth.Options{})
	testnet.Do(t, pair.Ends[0], func() error {
		if _, _, err := HasAddressOrDefaultRoute("none0"); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), pair.Ends[0].Name) {
			t.Errorf("no such interface: got %v, want ENODEV and the interfaces there are", err)
		}
		return nil
	})
}

// Somebody else's program, however attached, is left in place and named.
func TestForeignProgramIsRefused(t *testing.T) {
	for _, by := range []string{"link", "netlink"} {
		t.Run(by, func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			end := pair.Ends[0]
			program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
				Name: "somebody_else", Type: ebpf.XDP, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer program.Close()
			testnet.Do(t, end, func() error {
				if by == "link" {
					l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: end.Index})
					if err == nil {
						t.Cleanup(func() { l.Close() })
					}
					return err
				}
				return netlink.LinkSetXdpFd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: end.Index}}, program.FD())
			})
			attached := func() (id uint32) {
				testnet.Do(t, end, func() error {
					l, err := netlink.LinkByIndex(end.Index)
					if err == nil && l.Attrs().Xdp != nil {
						id = l.Attrs().Xdp.ProgId
					}
					return err
				})
				return id
			}
			before := attached()
			d, err := tryOpen(end, Config{})
			if err == nil {
				d.Close()
				t.Fatal("opened over a foreign program")
			}
			for _, want := range []string{end.Name, "somebody_else", "--replace"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if after := attached(); before == 0 || after != before || !errors.Is(err, unix.EBUSY) {
				t.Errorf("program %d is attached, before it was %d; error %v, want EBUSY", after, before, err)
			}
			replaced, err := tryOpen(end, Config{Replace: true})
			if err != nil {
				t.Fatalf("replace: %v", err)
			}
			defer replaced.Close()
			if id := attached(); id == before || id == 0 {
				t.Errorf("after replace program %d is attached, before it was %d", id, before)
			}
			if notes := strings.Join(replaced.Info().Notes, "\n"); !strings.Contains(notes, "somebody_else") {
				t.Errorf("got notes %q, want the program named", notes)
			}
		})
	}
}

// A queue without a socket loses frames to the host: counted, by name.
func TestNoSocketIsCounted(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	d, err := tryOpen(pair.Ends[0], Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.hook.objects.Sockets.Delete(uint32(0)); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(100) {
		testnet.Send(t, pair.Ends[1], testnet.Numbered(i, 100, 0))
	}
	if err := d.Detach(); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Sources()[0].Receive(make([]capture.Frame, 4), 0); n != 0 || err != nil {
		t.Errorf("got %d frames, %v; want none", n, err)
	}
	l := ledger.Ledger{Final: true, Rooms: d.Rooms()}
	l.Settle()
	x := l.Rooms[0]
	if x.In != 100 || x.Out != 0 || x.Dropped[ledger.NoSocket] != 100 || !l.Balanced {
		t.Errorf("got rooms %+v, want 100 in, all no_socket", l.Rooms)
	}
}
