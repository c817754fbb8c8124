package afxdp

import (
	"fmt"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// features is what the kernel says that an interface's driver can do, by the
// generic netlink family "netdev" (Linux 6.3, include/uapi/linux/netdev.h). All
// is zero where the kernel does not say.
type features struct {
	known      bool
	xdp        uint64 // xdp*
	rxMetadata uint64 // metadata*
}

const (
	xdpRXScatter = 1 << 5 // NETDEV_XDP_ACT_RX_SG: frames in several buffers
	metadataVLAN = 1 << 2 // NETDEV_XDP_RX_METADATA_VLAN_TAG
	// netdevDevGet is NETDEV_CMD_DEV_GET, the others NETDEV_A_DEV_*.
	netdevDevGet            = 1
	netdevAttrIfindex       = 1
	netdevAttrXDPFeatures   = 3
	netdevAttrXDPRXMetadata = 5
)

// features asks the kernel. A kernel that does not know gives the zero value.
func (i *iface) features() (f features) {
	i.mu.Lock()
	defer i.mu.Unlock()
	family, err := i.route.GenlFamilyGet("netdev")
	if err != nil {
		return f
	}
	request := nl.NewNetlinkRequest(int(family.ID), 0)
	request.AddData(genericHeader{netdevDevGet, 1, 0, 0})
	request.AddData(nl.NewRtAttr(netdevAttrIfindex, nl.Uint32Attr(uint32(i.index))))
	messages, err := request.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil || len(messages) != 1 || len(messages[0]) < nl.SizeofGenlmsg {
		return f
	}
	attrs, err := nl.ParseRouteAttr(messages[0][nl.SizeofGenlmsg:])
	if err != nil {
		return f
	}
	for _, a := range attrs {
		if len(a.Value) < 8 {
			continue
		}
		switch a.Attr.Type {
		case netdevAttrXDPFeatures:
			f.known, f.xdp = true, nl.NativeEndian().Uint64(a.Value)
		case netdevAttrXDPRXMetadata:
			f.rxMetadata = nl.NativeEndian().Uint64(a.Value)
		}
	}
	return f
}

// genericHeader is struct genlmsghdr, include/uapi/linux/genetlink.h: command,
// version, two reserved bytes. nl.Genlmsg leaves those two to chance, and the
// kernel refuses them unless they are zero.
type genericHeader [nl.SizeofGenlmsg]byte

func (h genericHeader) Len() int { return len(h) }

func (h genericHeader) Serialize() []byte { return h[:] }

// needed are the capabilities without which Open cannot succeed.
var needed = []capability.Cap{capability.CAP_BPF, capability.CAP_NET_ADMIN, capability.CAP_NET_RAW}

// checkPrivileges names the capabilities that this process lacks. CAP_SYS_ADMIN
// stands for CAP_BPF, as in the kernel.
func checkPrivileges() error {
	caps, err := capability.NewPid2(0)
	if err != nil {
		return nil // the kernel will say
	}
	if err := caps.Load(); err != nil {
		return nil
	}
	has := func(c capability.Cap) bool { return caps.Get(capability.EFFECTIVE, c) }
	var missing []string
	for _, c := range needed {
		if !has(c) && (c != capability.CAP_BPF || !has(capability.CAP_SYS_ADMIN)) {
			missing = append(missing, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: XDP takes %s; run as root, or give them (setcap, AmbientCapabilities=)", unix.EPERM, strings.Join(missing, ", "))
}

// hasProgram reports whether an XDP program is attached, in any mode.
func hasProgram(a *netlink.LinkAttrs) bool { return a.Xdp != nil && a.Xdp.Attached }
