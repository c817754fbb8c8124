package transmit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Lengths in bytes, IEEE 802.3 and 802.1Q.
const (
	ethernetLen = 14
	vlanTagLen  = 4
	etherTypeAt = 12
)

// tagged reports whether an Ethernet frame has a VLAN tag that the kernel lets
// it be longer for: 802.1Q alone, net/packet/af_packet.c
// packet_extra_vlan_len_allowed.
func tagged(frame []byte) bool {
	return binary.BigEndian.Uint16(frame[etherTypeAt:]) == unix.ETH_P_8021Q
}

// linkEvery is how often the link is looked at.
const linkEvery = 100 * time.Millisecond

// link is the interface frames leave by.
type link struct {
	name  string
	index int
	mtu   int
	fd    int // a socket to ask the kernel through: its namespace counts
	seen  time.Time
	state error // as last seen
}

// openLink looks an interface up: it must be one for Ethernet frames, and its
// link must be up.
func openLink(name string) (_ *link, err error) {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("send on %s: %w; `ip -br link` lists what there is", name, err)
	}
	l := &link{name: name, index: nic.Index, mtu: nic.MTU, fd: -1}
	// A UNIX socket: every kernel has it, and it needs no privilege.
	if l.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("send on %s: open a socket: %w", name, err)
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	hardware, err := l.ask(unix.SIOCGIFHWADDR)
	if err != nil {
		return nil, err
	}
	if hardware != unix.ARPHRD_ETHER && hardware != unix.ARPHRD_LOOPBACK {
		return nil, fmt.Errorf("send on %s: it has hardware type %d and takes no Ethernet frames: use the interface above or below it", name, hardware)
	}
	return l, l.awaitCarrier()
}

// carrierPatience is how long a link that was just brought up may take until the
// kernel says that it runs: linkwatch tells once a second, copper negotiates for
// some three.
const carrierPatience = 4 * time.Second

// awaitCarrier is look, with patience for a link that is coming up.
func (l *link) awaitCarrier() error {
	deadline := time.Now().Add(carrierPatience)
	for {
		err := l.look()
		if !errors.Is(err, errNoCarrier) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var errNoCarrier = errors.New("no carrier")

// longest is the length that the interface takes of a frame like this one,
// which holds an Ethernet header.
func (l *link) longest(frame []byte) int {
	if tagged(frame) {
		return l.mtu + ethernetLen + vlanTagLen
	}
	return l.mtu + ethernetLen
}

// check is look, but not more often than every linkEvery.
func (l *link) check() error {
	if now := time.Now(); now.Sub(l.seen) >= linkEvery {
		l.seen = now
		l.state = l.look()
	}
	return l.state
}

// look asks the kernel for the state of the link; an error says what is wrong.
func (l *link) look() error {
	flags, err := l.ask(unix.SIOCGIFFLAGS)
	switch {
	case err != nil:
		return err
	case flags&unix.IFF_UP == 0:
		return fmt.Errorf("send on %s: %w: bring it up with: ip link set %s up", l.name, unix.ENETDOWN, l.name)
	case flags&unix.IFF_RUNNING == 0:
		return fmt.Errorf("send on %s: %w, nothing sent would arrive: look at the cable and the other end (ip link show %s)", l.name, errNoCarrier, l.name)
	}
	return nil
}

// ask makes one of the requests of netdevice(7) whose answer has 16 bits.
func (l *link) ask(request uint) (uint16, error) {
	ifreq, err := unix.NewIfreq(l.name)
	if err != nil {
		return 0, fmt.Errorf("send on %q: %w", l.name, err)
	}
	if err := unix.IoctlIfreq(l.fd, request, ifreq); err != nil {
		return 0, l.explain(err)
	}
	return ifreq.Uint16(), nil
}

// explain says what the kernel's error means for this interface.
func (l *link) explain(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("send on %s: %w: the interface was removed; start again when it is back", l.name, err)
	case errors.Is(err, unix.ENETDOWN):
		if state := l.look(); state != nil {
			return state
		}
	}
	return fmt.Errorf("send on %s: %w; is the link up? `ip link show %s`", l.name, err, l.name)
}

func (l *link) close() error { return unix.Close(l.fd) }
