package host

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Interface is a network interface and the sockets by which it is asked and
// set. They belong to the network namespace in which it was opened; its methods
// may be called from any thread and goroutine.
type Interface struct {
	Name   string
	Index  int
	Driver string // "" where it does not say

	mu    sync.Mutex // one request at a time
	route *netlink.Handle
	tool  *ethtool.Ethtool
}

// OpenInterface finds an interface of the calling thread's network namespace.
// The error for one that is not there is unix.ENODEV and lists those that are.
func OpenInterface(name string) (_ *Interface, err error) {
	i := &Interface{Name: name}
	defer func() {
		if err != nil {
			i.Close()
		}
	}()
	if i.route, err = netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_GENERIC); err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	link, err := i.route.LinkByName(name)
	if err != nil {
		return nil, i.explainMissing(err)
	}
	i.Index = link.Attrs().Index
	if i.tool, err = ethtool.NewEthtool(); err != nil {
		return nil, fmt.Errorf("open an ethtool socket: %w", err)
	}
	i.Driver, _ = i.tool.DriverName(name) // "" where it does not say
	return i, nil
}

// explainMissing lists the interfaces that there are.
func (i *Interface) explainMissing(err error) error {
	var missing netlink.LinkNotFoundError
	if !errors.As(err, &missing) {
		return fmt.Errorf("look up interface %s: %w", i.Name, err)
	}
	links, _ := i.route.LinkList()
	var names []string
	for _, l := range links {
		names = append(names, l.Attrs().Name)
	}
	return fmt.Errorf("open interface %s: %w: there are %s", i.Name, unix.ENODEV, strings.Join(names, ", "))
}

// Link asks the kernel for the interface as it is now.
func (i *Interface) Link() (*netlink.LinkAttrs, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	link, err := i.route.LinkByIndex(i.Index)
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", i.Name, err)
	}
	return link.Attrs(), nil
}

// Queues is the number of RX queues in use.
func (i *Interface) Queues() (int, error) {
	channels, err := i.tool.GetChannels(i.Name)
	if n := int(channels.RxCount + channels.CombinedCount); err == nil && n > 0 {
		return n, nil
	}
	// The driver does not say. Sysfs does, if it is mounted for this network
	// namespace; else it is as many as the interface was made with.
	if dir := i.Sysfs(); dir != "" {
		if found, err := filepath.Glob(filepath.Join(dir, "queues", "rx-*")); err == nil && len(found) > 0 {
			return len(found), nil
		}
	}
	link, err := i.Link()
	if err != nil {
		return 0, err
	}
	return max(link.NumRxQueues, 1), nil
}

// Feature reports whether an offload is on; false where there is none of that
// name.
func (i *Interface) Feature(name string) (bool, error) {
	features, err := i.tool.Features(i.Name)
	return features[name], err
}

// SetFeature switches an offload, and reports a driver that keeps it.
func (i *Interface) SetFeature(name string, on bool) error {
	if err := i.tool.Change(i.Name, map[string]bool{name: on}); err != nil {
		return err
	}
	// A driver may keep an offload that it was told to drop.
	if got, err := i.Feature(name); err != nil || got != on {
		return fmt.Errorf("the driver keeps it %s", map[bool]string{true: "on", false: "off"}[got])
	}
	return nil
}

// Promiscuous makes the interface take frames to all addresses for as long as
// the returned socket is open: the kernel undoes it when this process dies.
func (i *Interface) Promiscuous() (fd int, err error) {
	// Protocol 0: the socket itself receives nothing.
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make %s promiscuous: %w", i.Name, err)
	}
	mreq := unix.PacketMreq{Ifindex: int32(i.Index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("make %s promiscuous: %w", i.Name, err)
	}
	return fd, nil
}

// Down is the problem of an interface that is switched off.
func Down(name string) *Problem {
	return &Problem{
		Found: fmt.Sprintf("interface %s is down", name),
		Why:   "no frame arrives on it",
		Mend:  fmt.Sprintf("ip link set dev %s up", name),
		Err:   unix.ENETDOWN,
	}
}

// Close closes the sockets.
func (i *Interface) Close() {
	if i.route != nil {
		i.route.Close()
	}
	if i.tool != nil {
		i.tool.Close()
	}
}

// UsedByHost reports whether the host itself uses the interface: AF_XDP would
// take its traffic away. why says by what, for people. Link-local IPv6
// addresses do not count: the kernel gives them to every interface that is up.
// A port of a bridge or bond is used if the bridge or bond is.
func (i *Interface) UsedByHost() (used bool, why string, err error) {
	attrs, err := i.Link()
	if err != nil {
		return false, "", err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	devices := []*netlink.LinkAttrs{attrs}
	if attrs.MasterIndex != 0 {
		if master, err := i.route.LinkByIndex(attrs.MasterIndex); err == nil {
			devices = append(devices, master.Attrs())
		}
	}
	for _, device := range devices {
		addresses, err := i.route.AddrList(&netlink.Dummy{LinkAttrs: *device}, netlink.FAMILY_ALL)
		if err != nil {
			return false, "", fmt.Errorf("list addresses of %s: %w", device.Name, err)
		}
		for _, a := range addresses {
			if a.IP.To4() == nil && a.IP.IsLinkLocalUnicast() {
				continue
			}
			return true, fmt.Sprintf("%s has the address %s", device.Name, a.IPNet), nil
		}
	}
	routes, err := i.route.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return false, "", fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		for _, device := range devices {
			if isDefault(r.Dst) && leadsTo(r, device.Index) {
				return true, fmt.Sprintf("%s has the default route", device.Name), nil
			}
		}
	}
	return false, "", nil
}

func isDefault(destination *net.IPNet) bool {
	if destination == nil {
		return true
	}
	ones, _ := destination.Mask.Size()
	return ones == 0
}

func leadsTo(r netlink.Route, index int) bool {
	for _, hop := range r.MultiPath {
		if hop.LinkIndex == index {
			return true
		}
	}
	return r.LinkIndex == index
}

// InUse is the problem of AF_XDP on an interface that the host itself uses; why
// is UsedByHost's.
func InUse(why string) *Problem {
	return &Problem{
		Found: why,
		Why:   "AF_XDP would take its traffic away from the host",
		Or:    "use --engine afpacket, or --take-over if that is what you want (--keep arp,nd,22 lets named traffic pass)",
	}
}

// NotEthernet is the problem of an interface whose frames begin with something
// else than an Ethernet header, such as a tunnel's; nil for all others. Loopback
// frames have one.
func (i *Interface) NotEthernet() (*Problem, error) {
	attrs, err := i.Link()
	if err != nil || attrs.EncapType == "ether" || attrs.EncapType == "loopback" {
		return nil, err
	}
	return &Problem{
		Found: fmt.Sprintf("%s carries no Ethernet frames (link/%s)", i.Name, attrs.EncapType),
		Why:   "the XDP program reads each frame from its Ethernet header on",
		Or:    "use --engine afpacket",
		Err:   errors.ErrUnsupported,
	}, nil
}

// OnlySends reports whether frames pass the interface in the direction that XDP
// does not see alone: whatever is sent into a dummy ends there, and nothing
// comes back.
func (i *Interface) OnlySends() bool { return i.Driver == "dummy" }
