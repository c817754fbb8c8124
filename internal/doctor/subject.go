package doctor

import (
	"context"

	"github.com/vishvananda/netlink"

	"xcapa/internal/host"
)

// Settings are those of the capture that a host is looked at for.
type Settings struct {
	Engine   string // afxdp, asavie or afpacket: what it would take
	Chunk    int    // bytes of memory for one frame
	Frames   int    // for each queue
	Generic  bool   // XDP in generic mode
	Native   bool   // native mode or none
	ZeroCopy bool   // zero copy or none
	Loops    bool   // the program keeps traffic or cuts behind headers
	TakeOver bool   // the host's traffic may be taken away
	Replace  bool   // a foreign program may be detached
	StateDir string // of what must be undone after a crash
}

// subject is one interface as its checks look at it.
type subject struct {
	*host.Interface
	Settings
	attrs  *netlink.LinkAttrs
	queues int
}

// xdp reports whether the capture would use AF_XDP.
func (s *subject) xdp() bool { return s.Engine != "afpacket" }

// stop is the finding of what stops AF_XDP: AF_PACKET starts all the same.
func (s *subject) stop(p *host.Problem) Finding {
	if s.xdp() {
		return stopping(p)
	}
	return problem(Warn, p)
}

// HostChecks look at what is the same for all interfaces. engine is that of the
// capture, "" where none is known yet.
func HostChecks(engine string) []Check {
	s := &subject{Settings: Settings{Engine: engine}}
	return []Check{
		{Name: "kernel", Why: "AF_XDP as used here begins with Linux 6.1", Look: without(s.kernel)},
		{Name: "btf", Why: "the program that asks the NIC for time and VLAN tag is checked against the kernel's types", Look: without(s.btf)},
		{Name: "jit", Why: "without it every frame goes through an interpreter", Look: without(jit)},
		{Name: "xdp", Why: "these are the parts of the kernel that AF_XDP is made of", Look: without(s.xdpParts)},
		{Name: "clock", Why: "packet times are the system's: only a synchronised clock makes two hosts comparable", Look: without(func() Finding { return clock(readClock) })},
	}
}

// InterfaceChecks look at one interface for a capture with these settings. They
// use i until they have all run.
func InterfaceChecks(i *host.Interface, settings Settings) ([]Check, error) {
	s := &subject{Interface: i, Settings: settings}
	var err error
	if s.attrs, err = i.Link(); err != nil {
		return nil, err
	}
	if s.queues, err = i.Queues(); err != nil {
		return nil, err
	}
	checks := []Check{
		{Name: "capabilities", Why: "what a process may do to interfaces is given to it piece by piece", Look: without(s.capabilities)},
		{Name: "memlock", Why: "AF_XDP shares locked memory with the kernel", Look: without(s.memlock)},
		{Name: "link", Why: "no frame arrives on an interface that is down", Look: without(s.link)},
		{Name: "driver", Why: "the driver decides what of XDP there is", Look: without(s.driver)},
		{Name: "xdp-features", Why: "native XDP runs before the kernel makes a packet of a frame, generic after", Look: without(s.features)},
		{Name: "zero-copy", Why: "with it the NIC writes where the workers read", Look: without(s.zeroCopy)},
		{Name: "program", Why: "an interface runs one XDP program", Look: without(s.program)},
		{Name: "queues", Why: "each RX queue has a worker; a queue without a socket keeps its frames from the capture", Look: without(s.queuesServed)},
		{Name: "mtu", Why: "a frame longer than a chunk of memory comes in parts or not at all", Look: without(s.mtu)},
		{Name: "offloads", Why: "LRO and GRO make one frame of several: lengths and counts are not the wire's", Look: without(func() Finding { return s.merging(i.Offloads) })},
		{Name: "rxvlan", Why: "a VLAN tag that the NIC takes off is not in the frame", Look: without(func() Finding { return s.rxvlan(i.Offloads) })},
		{Name: "promiscuous", Why: "without it the NIC drops frames to other addresses, which is all a mirror port has", Look: without(s.promiscuous)},
		{Name: "placement", Why: "workers on the cores of the NIC's interrupts lose frames, on another NUMA node they wait for memory", Look: without(func() Finding { return s.placement(machine{}) })},
		{Name: "leftover", Why: "a capture that was killed cannot set offloads back", Look: without(s.leftover)},
	}
	for n := range checks {
		checks[n].Interface = i.Name
	}
	return checks, nil
}

// without makes a Look of a question to the kernel, which answers at once.
func without(f func() Finding) func(context.Context) Finding {
	return func(context.Context) Finding { return f() }
}
