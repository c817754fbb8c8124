package veth

import (
	"errors"
	"fmt"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addrGenModeNone: no link-local address is made (IN6_ADDR_GEN_MODE_NONE,
// linux/if_link.h); without one there is no discovery and no multicast report.
const addrGenModeNone = 1

// ifaFlagNoDAD is IFA_F_NODAD: the address is used without looking for others
// that have it.
const ifaFlagNoDAD = unix.IFA_F_NODAD

// silence stops the kernel from sending anything of its own over link.
func silence(link netlink.Link) error {
	if err := netlink.LinkSetIP6AddrGenMode(link, addrGenModeNone); err != nil && !noIPv6(err) {
		return fmt.Errorf("turn IPv6 autoconfiguration off: %w", err)
	}
	if err := netlink.LinkSetARPOff(link); err != nil {
		return fmt.Errorf("turn ARP off: %w", err)
	}
	return nil
}

// noIPv6 reports whether err says that this kernel has no IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP)
}

// isGone reports whether err says that there is no such interface any more.
func isGone(err error) bool { return errors.Is(err, unix.ENODEV) }

// offloads are the features of veth that change what a receiver sees.
var offloads = []string{
	"tx-checksum-ip-generic", "tx-checksum-sctp",
	"tx-vlan-hw-insert", "tx-vlan-stag-hw-insert",
	"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation",
	"tx-generic-segmentation", "tx-udp-segmentation", "rx-gro",
}

// offloadsOff turns off what this kernel's veth has of offloads.
func offloadsOff(name string) error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open an ethtool socket: %w", err)
	}
	defer tool.Close()
	known, err := tool.Features(name)
	if err != nil {
		return fmt.Errorf("read offloads: %w", err)
	}
	change := map[string]bool{}
	for _, feature := range offloads {
		if _, ok := known[feature]; ok {
			change[feature] = false
		}
	}
	if err := tool.Change(name, change); err != nil {
		return fmt.Errorf("turn offloads off: %w", err)
	}
	return nil
}

// setChannels uses n of the queues that name was made with.
func setChannels(name string, n int) error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open an ethtool socket: %w", err)
	}
	defer tool.Close()
	channels, err := tool.GetChannels(name)
	if err != nil {
		return fmt.Errorf("read queue count: %w", err)
	}
	channels.RxCount, channels.TxCount, channels.CombinedCount = uint32(n), uint32(n), 0
	if channels.MaxCombined > 0 {
		channels.RxCount, channels.TxCount, channels.CombinedCount = 0, 0, uint32(n)
	}
	if _, err := tool.SetChannels(name, channels); err != nil {
		return fmt.Errorf("set %d queues: %w", n, err)
	}
	return nil
}
