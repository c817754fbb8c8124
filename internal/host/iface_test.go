package host

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

func usedByHost(name string) (bool, string, error) {
	i, err := OpenInterface(name)
	if err != nil {
		return false, "", err
	}
	defer i.Close()
	return i.UsedByHost()
}

func TestUsedByHost(t *testing.T) {
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
				used, why, err := usedByHost(end.Name)
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
		})
	}
	pair := testnet.Pair(t, veth.Options{})
	testnet.Do(t, pair.Ends[0], func() error {
		if _, err := OpenInterface("none0"); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), pair.Ends[0].Name) {
			t.Errorf("no such interface: got %v, want ENODEV and the interfaces there are", err)
		}
		return nil
	})
}

// Routes and bridges; addresses are TestUsedByHost's.
func TestUsedByRouteOrBridge(t *testing.T) {
	gateway := netip.MustParseAddr("192.0.2.2")
	tests := []struct {
		name    string
		prepare func(end *veth.End) error
		used    bool
		why     string
	}{
		{name: "default_route", prepare: func(end *veth.End) error {
			return netlink.RouteAdd(&netlink.Route{LinkIndex: end.Index, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Scope: netlink.SCOPE_LINK})
		}, used: true, why: "default route"},
		{name: "other_route", prepare: func(end *veth.End) error {
			return netlink.RouteAdd(&netlink.Route{LinkIndex: end.Index, Dst: &net.IPNet{IP: gateway.AsSlice(), Mask: net.CIDRMask(32, 32)}, Scope: netlink.SCOPE_LINK})
		}},
		{name: "port_of_a_bridge_with_address", prepare: func(end *veth.End) error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = "br0"
			bridge := &netlink.Bridge{LinkAttrs: attrs}
			if err := netlink.LinkAdd(bridge); err != nil {
				return err
			}
			return errors.Join(
				netlink.AddrAdd(bridge, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 9), Mask: net.CIDRMask(24, 32)}}),
				netlink.LinkSetMaster(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: end.Index}}, bridge))
		}, used: true, why: "br0 has the address 192.0.2.9/24"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			testnet.Do(t, pair.Ends[0], func() error {
				err := tt.prepare(pair.Ends[0])
				if errors.Is(err, unix.EOPNOTSUPP) {
					t.Skipf("kernel feature missing: what %s is made of: %v", tt.name, err)
				}
				if err != nil {
					return err
				}
				used, why, err := usedByHost(pair.Ends[0].Name)
				if used != tt.used || !strings.Contains(why, tt.why) {
					t.Errorf("got %v, %q; want %v, %q", used, why, tt.used, tt.why)
				}
				return err
			})
		})
	}
}
