package afpacket

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/record"
)

// Device is an interface opened for capture. It implements capture.Device.
type Device struct {
	info    capture.Info
	sources []*source
	wake    int // eventfd shared by the sources

	mu                 sync.Mutex // Detach against Close
	isDetached, isOver bool
}

// Open starts capturing on c.Interface in the network namespace of the calling
// thread. It takes CAP_NET_RAW.
func Open(c Config) (_ *Device, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Device{wake: -1, info: capture.Info{
		Interface: c.Interface, Run: record.NewRun(), Engine: "afpacket", Queues: c.Workers, Why: c.Why,
	}}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make an eventfd: %w", err)
	}
	var n nic
	for i := range c.Workers {
		if n, err = d.openSource(c, i); err != nil {
			return nil, err
		}
	}
	if err := d.share(); err != nil {
		return nil, err
	}
	if c.Promiscuous && n.flags&unix.IFF_LOOPBACK == 0 {
		if err := setPromiscuous(d.sources[0].fd, n.index); err != nil {
			return nil, fmt.Errorf("set interface %s promiscuous: %w", c.Interface, err)
		}
	}
	for _, s := range d.sources {
		if err := setFilter(s.fd, accept(c.SnapLen, n.flags&unix.IFF_LOOPBACK != 0)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// openSource adds a socket with its ring, bound, with a filter that refuses all.
func (d *Device) openSource(c Config, queue int) (n nic, err error) {
	s := &source{name: c.Interface, queue: queue, wake: d.wake}
	if s.fd, err = openSocket(); err != nil {
		return n, err
	}
	d.sources = append(d.sources, s)
	if n, err = lookUp(s.fd, c.Interface); err != nil {
		return n, err
	}
	if d.info.LinkType, err = linkType(c.Interface, n.hardware); err != nil {
		return n, err
	}
	if s.ring, err = newRing(s.fd, c, d.info.LinkType); err != nil {
		return n, fmt.Errorf("capture on %s: %w", c.Interface, err)
	}
	if err := setFilter(s.fd, refuseAll()); err != nil {
		return n, err
	}
	if err := bind(s.fd, n.index); err != nil {
		return n, fmt.Errorf("bind a packet socket to %s: %w", c.Interface, err)
	}
	return n, nil
}

// share joins the sockets into one fanout group, if there are several.
func (d *Device) share() (err error) {
	if len(d.sources) == 1 {
		return nil
	}
	group := newGroup
	for _, s := range d.sources {
		if group, err = joinFanout(s.fd, group); err != nil {
			return err
		}
	}
	// A CPU that was handing a frame round before the last socket joined may
	// still give it to the group and to that socket on its own. It must be
	// done before any socket accepts a frame, or two of them deliver it.
	waitForReceivePath()
	return nil
}

// Sources has one entry per worker.
func (d *Device) Sources() []capture.Source {
	out := make([]capture.Source, len(d.sources))
	for i, s := range d.sources {
		out[i] = s
	}
	return out
}

// Info says what was opened.
func (d *Device) Info() capture.Info { return d.info }

// Rooms is the one room of this engine. In counts every frame that the kernel
// had for us, Dropped those it had no room for in the ring.
func (d *Device) Rooms() []ledger.Room {
	r := ledger.Room{Room: "socket"}
	for _, s := range d.sources {
		in, out, dropped := s.count()
		r.In += in
		r.Out += out
		r.Drop(ledger.SocketFull, dropped)
	}
	return []ledger.Room{r}
}

// Detach stops new frames from arriving. When it returns, no more will be
// counted as come in, and Receive delivers those that are in the rings.
func (d *Device) Detach() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isDetached || d.isOver {
		return nil
	}
	for _, s := range d.sources {
		if err := s.detach(); err != nil {
			return fmt.Errorf("detach from %s: %w", d.info.Interface, err)
		}
	}
	waitForReceivePath()
	for _, s := range d.sources {
		s.expect()
	}
	d.isDetached = true
	return d.signal()
}

// signal wakes every goroutine inside Receive.
func (d *Device) signal() error {
	one := [8]byte{1}
	if _, err := unix.Write(d.wake, one[:]); err != nil && err != unix.EAGAIN {
		return fmt.Errorf("wake the receivers of %s: %w", d.info.Interface, err)
	}
	return nil
}

// Close unmaps the rings and closes the sockets; the kernel ends promiscuous
// mode with them. Frames received and not released are not valid any more.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isOver {
		return nil
	}
	d.isOver = true
	for _, s := range d.sources {
		s.closed.Store(true)
	}
	var errs []error
	if d.wake >= 0 {
		errs = append(errs, d.signal())
	}
	for _, s := range d.sources {
		errs = append(errs, s.close())
	}
	if d.wake >= 0 {
		errs = append(errs, unix.Close(d.wake))
	}
	return errors.Join(errs...)
}
