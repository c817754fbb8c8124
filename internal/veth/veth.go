package veth

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"sync"

	"github.com/vishvananda/netlink"
)

// Options say what Open makes. The zero value is a pair with one queue, an MTU
// of 1500, no addresses and no offloads.
type Options struct {
	// Names of the two interfaces, at most 15 bytes each. Default xcapa0, xcapa1.
	Names [2]string
	// Queues is the number of RX and of TX queues of each end. Default 1. It
	// cannot grow later. A sender's TX queue is the receiver's RX queue.
	Queues int
	// SpareQueues are made beside Queues but not used until the channel count
	// of an end is raised (ethtool -L).
	SpareQueues int
	// MTU in bytes, without the Ethernet header. Default 1500.
	MTU int
	// KeepOffloads leaves checksum, segmentation and VLAN offloads as the
	// kernel sets them: frames then carry partial checksums and hidden tags.
	KeepOffloads bool
	// Addresses are given to the ends. With any of them the link is not quiet:
	// ARP or neighbour discovery works.
	Addresses [2][]netip.Prefix
	// Gateways are the default routes of the ends, where valid.
	Gateways [2]netip.Addr
}

func (o Options) withDefaults() Options {
	for i, name := range []string{"xcapa0", "xcapa1"} {
		if o.Names[i] == "" {
			o.Names[i] = name
		}
	}
	if o.Queues == 0 {
		o.Queues = 1
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	return o
}

// Pair is two connected interfaces, each in its own namespace.
type Pair struct {
	Ends [2]*End

	closed sync.Once
}

// End is one interface of a Pair.
type End struct {
	Name  string
	Index int // interface index inside its namespace
	MAC   net.HardwareAddr

	ns *namespace
}

// Open makes a pair. Both ends are up and have carrier when it returns. It
// takes root, or CAP_SYS_ADMIN and CAP_NET_ADMIN.
func Open(options Options) (_ *Pair, err error) {
	o := options.withDefaults()
	p := &Pair{}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	for i := range p.Ends {
		ns, err := newNamespace()
		if err != nil {
			return nil, err
		}
		p.Ends[i] = &End{Name: o.Names[i], ns: ns}
	}
	if err := p.Ends[0].Do(func() error { return addPair(o, p.Ends[1].ns) }); err != nil {
		return nil, fmt.Errorf("make veth pair %s, %s: %w", o.Names[0], o.Names[1], err)
	}
	for _, e := range p.Ends {
		if err := e.Do(func() error { return e.prepare(o) }); err != nil {
			return nil, fmt.Errorf("prepare veth %s: %w", e.Name, err)
		}
	}
	// Routes and addresses need both ends up.
	for i, e := range p.Ends {
		if err := e.Do(func() error { return e.address(o.Addresses[i], o.Gateways[i]) }); err != nil {
			return nil, fmt.Errorf("give veth %s its addresses: %w", e.Name, err)
		}
	}
	return p, nil
}

// addPair makes the pair from inside the first namespace.
func addPair(o Options, peer *namespace) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = o.Names[0]
	attrs.MTU = o.MTU
	attrs.NumRxQueues = o.Queues + o.SpareQueues
	attrs.NumTxQueues = o.Queues + o.SpareQueues
	link := netlink.NewVeth(attrs)
	link.PeerName = o.Names[1]
	link.PeerMTU = uint32(o.MTU)
	link.PeerNumRxQueues = uint32(attrs.NumRxQueues)
	link.PeerNumTxQueues = uint32(attrs.NumTxQueues)
	link.PeerNamespace = netlink.NsFd(peer.file.Fd())
	return netlink.LinkAdd(link)
}

// prepare makes one end quiet and brings it up. It runs inside the namespace.
func (e *End) prepare(o Options) error {
	link, err := netlink.LinkByName(e.Name)
	if err != nil {
		return err
	}
	e.Index = link.Attrs().Index
	e.MAC = link.Attrs().HardwareAddr
	if err := silence(link); err != nil {
		return err
	}
	if !o.KeepOffloads {
		if err := offloadsOff(e.Name); err != nil {
			return err
		}
	}
	if o.SpareQueues > 0 {
		if err := setChannels(e.Name, o.Queues); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring it up: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// address gives the end its addresses and default route. It runs inside the
// namespace.
func (e *End) address(prefixes []netip.Prefix, gateway netip.Addr) error {
	if len(prefixes) == 0 && !gateway.IsValid() {
		return nil
	}
	link, err := netlink.LinkByIndex(e.Index)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetARPOn(link); err != nil {
		return err
	}
	for _, prefix := range prefixes {
		addr := &netlink.Addr{IPNet: &net.IPNet{
			IP:   prefix.Addr().AsSlice(),
			Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
		}}
		if prefix.Addr().Is6() {
			addr.Flags = ifaFlagNoDAD // usable at once
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("address %s: %w", prefix, err)
		}
	}
	if !gateway.IsValid() {
		return nil
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: e.Index, Gw: gateway.AsSlice()}); err != nil {
		return fmt.Errorf("default route by %s: %w", gateway, err)
	}
	return nil
}

// Do runs fn on a thread inside the end's namespace and returns its error. What
// fn opens there stays there; goroutines that fn starts run outside. fn runs on
// the caller's goroutine.
func (e *End) Do(fn func() error) error { return e.ns.do(fn) }

// Start starts a child process inside the end's namespace.
func (e *End) Start(cmd *exec.Cmd) error { return e.Do(cmd.Start) }

// Close removes the pair and lets go of the namespaces. A process started in
// one of them keeps it alive, without the interface. It may be called twice.
func (p *Pair) Close() error {
	var errs []error
	p.closed.Do(func() {
		if e := p.Ends[0]; e != nil && e.Index != 0 {
			err := e.Do(func() error {
				return netlink.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: e.Index}})
			})
			if err != nil && !isGone(err) {
				errs = append(errs, fmt.Errorf("remove veth %s: %w", e.Name, err))
			}
		}
		for _, e := range p.Ends {
			if e != nil {
				errs = append(errs, e.ns.close())
			}
		}
	})
	return errors.Join(errs...)
}
