package load

import (
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"xcapa/bpf"
)

// Ceiling is the capture program on an interface, dropping where it would
// redirect: the most that the kernel's side of a capture can do here.
type Ceiling struct {
	objects *bpf.Objects
	link    link.Link
	fd      int
}

// OpenCeiling attaches it, native, to an interface in the calling thread's
// network namespace that has one RX queue.
func OpenCeiling(name string, stamp bpf.Stamp) (_ *Ceiling, err error) {
	c := &Ceiling{fd: -1}
	defer func() {
		if err != nil {
			c.Close()
			err = fmt.Errorf("measure the ceiling on %s: %w", name, err)
		}
	}()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	if c.objects, err = bpf.LoadCeiling(bpf.Settings{Stamp: stamp, ShareClock: stamp == bpf.StampClock}, ifi.Index); err != nil {
		return nil, err
	}
	// A queue without a socket passes its frames; one that is not bound will do.
	if c.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if err := c.objects.Sockets.Put(uint32(0), uint32(c.fd)); err != nil {
		return nil, err
	}
	c.link, err = link.AttachXDP(link.XDPOptions{Program: c.objects.Program, Interface: ifi.Index, Flags: link.XDPDriverMode})
	return c, err
}

// Frames is how many the program would have redirected.
func (c *Ceiling) Frames() (uint64, error) {
	n, err := c.objects.Counters()
	return n.Redirected, err
}

// Close takes the program off the interface.
func (c *Ceiling) Close() error {
	var errs []error
	if c.link != nil {
		errs = append(errs, c.link.Close())
	}
	if c.fd >= 0 {
		errs = append(errs, unix.Close(c.fd))
	}
	if c.objects != nil {
		errs = append(errs, c.objects.Close())
	}
	c.link, c.fd, c.objects = nil, -1, nil
	return errors.Join(errs...)
}
