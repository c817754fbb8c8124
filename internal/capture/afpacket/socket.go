package afpacket

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/internal/host"
)

// nic is what the kernel says about the interface, asked through the socket: it
// is the socket's network namespace that counts.
type nic struct {
	index    int
	hardware uint16 // ARPHRD_
	flags    uint16 // IFF_
}

// openSocket opens a packet socket that receives nothing yet.
func openSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EPERM) {
		if p := host.Lacks("AF_PACKET", host.AFPacketNeeds...); p != nil {
			err = p
		}
	}
	if err != nil {
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	return fd, nil
}

// lookUp finds the interface called name.
func lookUp(fd int, name string) (nic, error) {
	var n nic
	ifreq, err := unix.NewIfreq(name)
	if err != nil {
		return n, fmt.Errorf("no interface is called %q: a name has 1 to 15 bytes", name)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifreq); err != nil {
		return n, fmt.Errorf("no interface is called %q here: %w: xcapa capture -D lists those that are", name, err)
	}
	n.index = int(ifreq.Uint32())
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifreq); err != nil {
		return n, fmt.Errorf("read the flags of interface %s: %w", name, err)
	}
	n.flags = ifreq.Uint16()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifreq); err != nil {
		return n, fmt.Errorf("read the hardware type of interface %s: %w", name, err)
	}
	n.hardware = ifreq.Uint16() // sa_family of ifr_hwaddr
	if n.flags&unix.IFF_UP == 0 {
		return n, host.Down(name)
	}
	return n, nil
}

// Classic BPF, linux/filter.h. The packet's kind is ancillary data.
const (
	skfAdOff     = 0xfffff000 // SKF_AD_OFF, -0x1000
	skfAdPktType = 4
	packetOut    = 4 // PACKET_OUTGOING
)

// refuseAll is the filter of a socket that must not get anything.
func refuseAll() []unix.SockFilter {
	return []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
}

// accept takes the first snapLen bytes of every frame, or of every frame that
// comes in.
func accept(snapLen int, incomingOnly bool) []unix.SockFilter {
	take := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(snapLen)}
	if !incomingOnly {
		return []unix.SockFilter{take}
	}
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: skfAdOff + skfAdPktType},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: packetOut, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		take,
	}
}

func setFilter(fd int, f []unix.SockFilter) error {
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		return fmt.Errorf("attach a filter to the packet socket: %w", err)
	}
	return nil
}

// bind connects the socket to the interface: from here on frames arrive.
func bind(fd, index int) error {
	all := uint16(unix.ETH_P_ALL)
	if nativeIsLittle() {
		all = bits.ReverseBytes16(all)
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
}

func setPromiscuous(fd, index int) error {
	m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	return unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m)
}

// newGroup asks joinFanout for a group of its own. It is no group's number: 0
// is, the first that the kernel gives away after it booted.
const newGroup = -1

// joinFanout makes fd share its interface's frames with the sockets of the same
// group, by a hash over the flow that is the same in both directions. It returns
// the group's number, 0 to 65535.
func joinFanout(fd, group int) (int, error) {
	arg := group | unix.PACKET_FANOUT_HASH<<16
	if group == newGroup {
		arg = (unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_UNIQUEID) << 16
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, arg); err != nil {
		return 0, fmt.Errorf("join the workers' fanout group: %w", err)
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return 0, fmt.Errorf("read the workers' fanout group: %w", err)
	}
	return got & 0xffff, nil
}

// isGone reports whether the socket's interface was removed: the kernel then
// sets its index to -1.
func isGone(fd int) bool {
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	link, ok := addr.(*unix.SockaddrLinklayer)
	return ok && link.Ifindex == -1
}

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of linux/membarrier.h.
const membarrierGlobal = 1

// waitForReceivePath returns when no CPU is still handling a frame that came
// before the call: MEMBARRIER_CMD_GLOBAL is synchronize_rcu, and the kernel
// runs packet sockets' receive functions inside an RCU section. Where it is not
// to be had (nohz_full) a pause longer than any such section stands in.
func waitForReceivePath() {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(50 * time.Millisecond)
	}
}
