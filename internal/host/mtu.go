package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Frame sizes, in bytes.
const (
	packetHeadroom = 256    // XDP_PACKET_HEADROOM: the kernel's part of each chunk
	ethernetRoom   = 14 + 8 // Ethernet header and two VLAN tags
	ordinaryMTU    = 1500
)

// Chunks is an interface beside the memory that its frames shall go into.
type Chunks struct {
	Interface string
	Driver    string
	MTU       int // of the interface
	Size      int // bytes of one chunk
	Features  Features
	Generic   bool // the program runs in generic mode, if only for want of a native one: the parts are the kernel's
}

// LargestMTU is the largest MTU whose frames fit a chunk each.
func (c Chunks) LargestMTU() int { return c.Size - packetHeadroom - ethernetRoom }

// PartlessMTU is one with which no driver need give frames in parts.
func (c Chunks) PartlessMTU() int { return min(c.LargestMTU(), ordinaryMTU) }

// Parts says whether to ask for frames of several parts, in the order to try:
// true first for a jumbo MTU, false only if every frame fits a chunk. The
// problem is an MTU for which there is no way.
func (c Chunks) Parts() ([]bool, *Problem) {
	fits := c.MTU <= c.LargestMTU()
	offered := !c.Features.Known || c.Features.XDP&XDPRXScatter != 0 || c.Generic
	switch {
	case c.MTU <= ordinaryMTU && fits:
		return []bool{false}, nil
	case fits && offered:
		return []bool{true, false}, nil
	case fits:
		return []bool{false}, nil
	case offered:
		return []bool{true}, nil
	}
	driver := "its driver"
	if c.Driver != "" {
		driver = "the driver " + c.Driver
	}
	return nil, &Problem{
		Found: fmt.Sprintf("the MTU of %s is %d, a chunk of %d bytes holds %d, and %s gives no frames of several parts",
			c.Interface, c.MTU, c.Size, c.LargestMTU(), driver),
		Why:  "longer frames would be lost",
		Mend: fmt.Sprintf("ip link set dev %s mtu %d", c.Interface, c.LargestMTU()),
		Or:   "use --engine afpacket",
		Err:  unix.EMSGSIZE,
	}
}
