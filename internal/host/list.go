package host

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Interfaces are the names of all interfaces of the calling thread's network
// namespace, in the kernel's order.
func Interfaces() ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	names := make([]string, len(links))
	for n, l := range links {
		names[n] = l.Attrs().Name
	}
	return names, nil
}

// Addresses are the interface's own, with their prefix length.
func (i *Interface) Addresses() ([]*net.IPNet, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	list, err := i.route.AddrList(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: i.Index}}, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", i.Name, err)
	}
	nets := make([]*net.IPNet, len(list))
	for n, a := range list {
		nets[n] = a.IPNet
	}
	return nets, nil
}

// State is the interface's state in a word or two, as `ip link` has it.
func State(a *netlink.LinkAttrs) string {
	switch {
	case a.Flags&net.FlagUp == 0:
		return "down"
	case a.OperState == netlink.OperDown, a.OperState == netlink.OperLowerLayerDown:
		return "up, no link"
	}
	return "up"
}
