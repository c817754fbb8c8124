package e2e

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// beside is another interface in the namespace of end.
func beside(t *testing.T, end *veth.End, name string) *veth.End {
	t.Helper()
	other := *end
	testnet.Do(t, end, func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			other.Name, other.Index, other.MAC = name, link.Attrs().Index, link.Attrs().HardwareAddr
		}
		return err
	})
	return &other
}

// addLink makes link in end's namespace and brings it up. A kernel without that
// kind of device skips the test.
func addLink(t *testing.T, end *veth.End, link netlink.Link) {
	t.Helper()
	testnet.Do(t, end, func() error {
		err := netlink.LinkAdd(link)
		if errors.Is(err, unix.EOPNOTSUPP) {
			t.Skipf("kernel feature missing: %s devices", link.Type())
		}
		if err != nil {
			return err
		}
		if err := netlink.LinkSetIP6AddrGenMode(link, 1); err != nil && link.Type() != "tuntap" { // no noise of its own
			return err
		}
		return netlink.LinkSetUp(link)
	})
}

func named(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// enslave makes end's own interface a port of the bridge or bond.
func enslave(t *testing.T, end *veth.End, master netlink.Link) {
	t.Helper()
	testnet.Do(t, end, func() error {
		port := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: end.Index}}
		return errors.Join(netlink.LinkSetDown(port), netlink.LinkSetMaster(port, master), netlink.LinkSetUp(port))
	})
}

// TestEveryKindOfDevice captures on each kind of interface with --engine auto:
// it must say which engine it took and why, and show the frame that passes.
func TestEveryKindOfDevice(t *testing.T) {
	testnet.RequireRoot(t)
	frame := testnet.Numbered(1, 100, 0)
	const shown = "192.0.2.1.20000 > 192.0.2.2.4789"
	// peer sends over the wire; own into a device on this side of it.
	peer := func(t *testing.T, pair *veth.Pair) func() { return func() { testnet.Send(t, pair.Ends[0], frame) } }
	own := func(t *testing.T, pair *veth.Pair, name string) func() {
		return func() { testnet.Send(t, beside(t, pair.Ends[1], name), frame) }
	}
	for _, tt := range []struct {
		name  string
		flags []string
		want  []string // words of the banner
		// make makes the device; send has the frame pass it.
		make func(t *testing.T, pair *veth.Pair) (device string, send func())
	}{
		{
			name: "veth_native", want: []string{"engine afxdp, native", "AF_XDP, because the host does not use this interface"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) { return pair.Ends[1].Name, peer(t, pair) },
		},
		{
			name: "veth_generic", flags: []string{"--xdp-mode", "generic"}, want: []string{"engine afxdp, generic"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) { return pair.Ends[1].Name, peer(t, pair) },
		},
		{
			name: "loopback", want: []string{"engine afpacket", "because lo has the address 127.0.0.1/8"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) { return "lo", own(t, pair, "lo") },
		},
		{
			name: "dummy", want: []string{"engine afpacket", "because what passes dummy0 is sent into it"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) {
				addLink(t, pair.Ends[1], &netlink.Dummy{LinkAttrs: named("dummy0")})
				return "dummy0", own(t, pair, "dummy0")
			},
		},
		{
			name: "bridge", want: []string{"engine afxdp, generic", "native mode refused"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) {
				bridge := &netlink.Bridge{LinkAttrs: named("bridge0")}
				addLink(t, pair.Ends[1], bridge)
				enslave(t, pair.Ends[1], bridge)
				return "bridge0", peer(t, pair)
			},
		},
		{
			name: "vlan", want: []string{"engine afxdp, generic", "native mode refused"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) {
				attrs := named("vlan0")
				attrs.ParentIndex = pair.Ends[1].Index
				addLink(t, pair.Ends[1], &netlink.Vlan{LinkAttrs: attrs, VlanId: 100})
				return "vlan0", func() { testnet.Send(t, pair.Ends[0], withTags(frame, "81000064")) }
			},
		},
		{
			name: "bond", want: []string{"engine afxdp, generic", "native mode refused (a bond has it on its ports only"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) {
				bond := netlink.NewLinkBond(named("bond0"))
				bond.Mode = netlink.BOND_MODE_ACTIVE_BACKUP
				bond.Miimon = 10
				addLink(t, pair.Ends[1], bond)
				enslave(t, pair.Ends[1], bond)
				return "bond0", peer(t, pair)
			},
		},
		{
			name: "tun", want: []string{"engine afpacket", "because tun0 carries no Ethernet frames (link/none)"},
			make: func(t *testing.T, pair *veth.Pair) (string, func()) {
				tun := addTun(t, pair.Ends[1])
				return "tun0", func() {
					if _, err := tun.Write(frame[14:]); err != nil {
						t.Fatal(err)
					}
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			device, send := tt.make(t, pair)
			p := start(t, pair.Ends[1], append([]string{"capture", "-i", device}, tt.flags...)...)
			p.ready(t)
			for _, want := range tt.want {
				if !strings.Contains(p.words.String(), want) {
					t.Errorf("the banner does not say %q:\n%s", want, p.words.String())
				}
			}
			p.saysOn(t, shown, send) // the port of a bridge or bond may need a moment
			p.stop(t)
			p.final(t)
		})
	}
}

// addTun makes the device tun0; what is written into it arrives there.
func addTun(t *testing.T, end *veth.End) *os.File {
	t.Helper()
	tun := &netlink.Tuntap{LinkAttrs: named("tun0"), Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI, Queues: 1}
	addLink(t, end, tun)
	t.Cleanup(func() { tun.Fds[0].Close() })
	return tun.Fds[0]
}

// TestTunRefusesXDP wants the engine that does it named.
func TestTunRefusesXDP(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	addTun(t, pair.Ends[1])
	for _, engine := range []string{"afxdp", "asavie"} {
		p := start(t, pair.Ends[1], "capture", "-i", "tun0", "--engine", engine)
		<-p.done
		const want = "tun0 carries no Ethernet frames (link/none): the XDP program reads each frame from its Ethernet header on: use --engine afpacket"
		if code := p.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(p.words.String(), want) {
			t.Errorf("%s: exit status %d: %s; want 2 and %q", engine, code, p.words.String(), want)
		}
	}
}
