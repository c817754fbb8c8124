package afxdp

import (
	"errors"
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
