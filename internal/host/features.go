package host

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Features is what the kernel says that an interface's driver can do, by the
// generic netlink family "netdev" (Linux 6.3, include/uapi/linux/netdev.h). All
// is zero where the kernel does not say.
type Features struct {
	Known      bool   // the kernel said
	XDP        uint64 // XDP*
	RXMetadata uint64 // Metadata*
}

// The bits of Features.
const (
	XDPBasic     = 1 << 0 // NETDEV_XDP_ACT_BASIC: native mode
	XDPRedirect  = 1 << 1 // NETDEV_XDP_ACT_REDIRECT
	XDPZeroCopy  = 1 << 3 // NETDEV_XDP_ACT_XSK_ZEROCOPY
	XDPRXScatter = 1 << 5 // NETDEV_XDP_ACT_RX_SG: frames in several buffers

	MetadataTimestamp = 1 << 0 // NETDEV_XDP_RX_METADATA_TIMESTAMP
	MetadataHash      = 1 << 1 // NETDEV_XDP_RX_METADATA_HASH
	MetadataVLAN      = 1 << 2 // NETDEV_XDP_RX_METADATA_VLAN_TAG
)

const (
	// netdevDevGet is NETDEV_CMD_DEV_GET, the others NETDEV_A_DEV_*.
	netdevDevGet            = 1
	netdevAttrIfindex       = 1
	netdevAttrXDPFeatures   = 3
	netdevAttrXDPRXMetadata = 5
)

// NoNative reports whether the driver is known to have no native XDP: a program
// then runs in generic mode.
func (f Features) NoNative() bool { return f.Known && f.XDP&XDPBasic == 0 }

// Features asks the kernel. A kernel that does not know gives the zero value.
func (i *Interface) Features() (f Features) {
	i.mu.Lock()
	defer i.mu.Unlock()
	family, err := i.route.GenlFamilyGet("netdev")
	if err != nil {
		return f
	}
	request := nl.NewNetlinkRequest(int(family.ID), 0)
	request.AddData(genericHeader{netdevDevGet, 1, 0, 0})
	request.AddData(nl.NewRtAttr(netdevAttrIfindex, nl.Uint32Attr(uint32(i.Index))))
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
			f.Known, f.XDP = true, nl.NativeEndian().Uint64(a.Value)
		case netdevAttrXDPRXMetadata:
			f.RXMetadata = nl.NativeEndian().Uint64(a.Value)
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

// NoNativeMode is the problem of native mode where the driver has none.
func NoNativeMode(name string) *Problem {
	return &Problem{
		Found: "the driver of " + name + " has no native XDP",
		Why:   "native mode was asked for",
		Or:    "use --xdp-mode generic",
		Err:   unix.EOPNOTSUPP,
	}
}

// NoZeroCopy is the problem of zero copy where the driver has none.
func NoZeroCopy(name string) *Problem {
	return &Problem{
		Found: "the driver of " + name + " has no zero copy",
		Why:   "it was required",
		Or:    "use --zero-copy auto",
		Err:   unix.EOPNOTSUPP,
	}
}
