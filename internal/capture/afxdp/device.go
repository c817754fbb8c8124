package afxdp

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
	"xcapa/internal/host"
	"xcapa/internal/ledger"
)

// Device is an interface captured with AF_XDP. Its methods may be called from
// any goroutine.
type Device struct {
	hook *Hook

	mu      sync.Mutex
	sources []*source
	sockets []*socket
	scatter bool
	closed  bool
	rings   []ringCounts // final, once closed
}

// Open takes an interface: a socket on each of its RX queues, and the program
// that feeds them. All queues or none: half of the traffic is not a capture.
//
// It must run in the interface's network namespace; the device may be used from
// any other. An error that errors.Is os.ErrPermission or errors.ErrUnsupported
// is about this host and not about the settings.
func Open(c Config) (_ *Device, err error) {
	c = c.withDefaults()
	hook, err := OpenHook(c)
	if err != nil {
		return nil, err
	}
	d := &Device{hook: hook}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	hook.Observe(d.Received)
	plan, err := planParts(hook)
	if err != nil {
		return nil, err
	}
	for i, scatter := range plan {
		err = d.start(c, scatter)
		if err == nil || i == len(plan)-1 || isPrivilegeOrBusy(err) {
			break
		}
		d.closeSockets()
		hook.note("frames of several parts refused (%s): one longer than a chunk would be lost", brief(err))
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// isPrivilegeOrBusy reports whether another way to open makes no difference.
func isPrivilegeOrBusy(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOBUFS)
}

// planParts says whether to ask for frames of several parts: host.Chunks.
func planParts(h *Hook) ([]bool, error) {
	attrs, err := h.iface.Link()
	if err != nil {
		return nil, err
	}
	plan, p := h.chunks(attrs.MTU).Parts()
	if p != nil {
		return nil, fmt.Errorf("open interface %s: %w", h.iface.Name, p)
	}
	return plan, nil
}

func (h *Hook) chunks(mtu int) host.Chunks {
	return host.Chunks{
		Interface: h.iface.Name, Driver: h.iface.Driver, MTU: mtu, Size: h.config.ChunkSize,
		Features: h.features, Generic: h.config.Mode == ModeGeneric || h.config.Mode == ModeAuto && h.features.NoNative(),
	}
}

// start opens the sockets, then attaches the program in front of them.
func (d *Device) start(c Config, scatter bool) error {
	if err := d.openSockets(c, scatter); err != nil {
		return d.explainParts(err, scatter)
	}
	if err := d.hook.Attach(scatter); err != nil {
		return d.explainParts(err, scatter)
	}
	if d.hook.mode == ModeGeneric && d.anyZeroCopy() {
		// The driver could zero copy but not run this program: such sockets
		// get nothing from a generic one.
		if err := d.hook.Detach(); err != nil {
			return err
		}
		d.closeSockets()
		c.Mode = ModeGeneric
		d.hook.config.Mode = ModeGeneric
		return d.start(c, scatter)
	}
	if err := d.serveNewQueues(c, scatter); err != nil {
		return err
	}
	for _, s := range d.sources {
		s.ended = d.hook.Err
		s.idle.poll = []unix.PollFd{
			{Fd: int32(d.sockets[s.queue].fd), Events: unix.POLLIN},
			{Fd: int32(d.hook.Gone()), Events: unix.POLLIN},
		}
	}
	return nil
}

// explainParts adds what to do if jumbo frames are the trouble.
func (d *Device) explainParts(err error, scatter bool) error {
	if !scatter || isPrivilegeOrBusy(err) {
		return err
	}
	enough := d.hook.chunks(0).PartlessMTU()
	return fmt.Errorf("%w: frames of several parts take Linux 6.6 and a driver that gives them; with an MTU of %d or less they are not needed (ip link set dev %s mtu %d)",
		err, enough, d.hook.iface.Name, enough)
}

// copies reports whether it is certain that frames will be copied: zero copy is
// not wanted, or the driver has none and the kernel says so.
func (h *Hook) copies(c Config) bool {
	if c.ZeroCopy == ZeroCopyOff || c.Mode == ModeGeneric {
		return true
	}
	return c.ZeroCopy == ZeroCopyAuto && h.features.Known && h.features.XDP&host.XDPZeroCopy == 0
}

func (d *Device) openSockets(c Config, scatter bool) error {
	d.mu.Lock()
	d.scatter = scatter
	d.mu.Unlock()
	for queue := len(d.sockets); queue < d.hook.queues; queue++ {
		s, err := openSocket(c, d.hook.Index(), queue, scatter, d.hook.copies(c))
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.sockets = append(d.sockets, s)
		d.sources = append(d.sources, newSource(c, s, scatter))
		d.mu.Unlock()
		if err := d.hook.Register(queue, s.fd); err != nil {
			return err
		}
	}
	return nil
}

// serveNewQueues opens sockets on queues that came to be as the program was
// attached: some drivers do that.
func (d *Device) serveNewQueues(c Config, scatter bool) error {
	n, err := d.hook.iface.Queues()
	if err != nil {
		return err
	}
	if n <= d.hook.queues {
		return nil
	}
	d.hook.queues = n
	return d.openSockets(c, scatter)
}

func (d *Device) anyZeroCopy() bool {
	for _, s := range d.sockets {
		if s.zeroCopy {
			return true
		}
	}
	return false
}

// closeSockets undoes openSockets, with nothing attached.
func (d *Device) closeSockets() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, s := range d.sockets {
		errs = append(errs, s.close())
	}
	d.sources, d.sockets = nil, nil
	d.hook.forgetSockets()
	return errors.Join(errs...)
}

// Sources has one entry per RX queue.
func (d *Device) Sources() []capture.Source {
	sources := make([]capture.Source, len(d.sources))
	for i, s := range d.sources {
		sources[i] = s
	}
	return sources
}

// Received is how many frames the sources gave out.
func (d *Device) Received() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.received()
}

// received is Received with mu held.
func (d *Device) received() uint64 {
	var n uint64
	for _, s := range d.sources {
		n += s.received.Load()
	}
	return n
}

// Rooms are xdp and ring. They are read against the stream, so that a frame on
// its way is in flight and never counted twice.
func (d *Device) Rooms() []ledger.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	ring := ledger.Room{Room: "ring", Out: d.received()}
	for _, c := range d.ringCounts() {
		c.account(&ring)
	}
	xdp := d.hook.Room()
	ring.In = xdp.Out
	return []ledger.Room{xdp, ring}
}

// ringCounts are the losses of one queue's rings.
type ringCounts struct {
	kernel   unix.XDPStatistics
	invalid  uint64 // descriptors refused here
	zeroCopy bool
	scatter  bool
}

// ringCounts reads the sockets, or what was read of them last.
func (d *Device) ringCounts() []ringCounts {
	if d.closed {
		return d.rings
	}
	counts := make([]ringCounts, 0, len(d.sockets))
	for i, s := range d.sockets {
		v, err := s.statistics()
		if err != nil {
			d.hook.note("%v", err)
		}
		counts = append(counts, ringCounts{v, d.sources[i].invalid.Load(), s.zeroCopy, d.scatter})
	}
	return counts
}

// account adds the losses to the ring room.
//
// A frame that finds the RX ring full moves rx_ring_full alone. One that finds
// the fill ring empty moves rx_dropped and, unless it has several parts,
// rx_fill_ring_empty_descs; one longer than a chunk moves rx_dropped alone.
// With zero copy the driver counts the empty fill ring without a frame at hand:
// that loss is the NIC's, before XDP. net/xdp/xsk.c.
func (c ringCounts) account(r *ledger.Room) {
	dropped, empty := c.kernel.Rx_dropped, c.kernel.Rx_fill_ring_empty_descs
	r.Drop(ledger.RingFull, c.kernel.Rx_ring_full)
	r.Drop(ledger.InvalidDescriptor, c.invalid)
	switch {
	case c.zeroCopy:
		r.Drop(ledger.TooLarge, dropped)
	case c.scatter: // no frame is too large
		r.Drop(ledger.FillRingEmpty, dropped)
	default:
		empty = min(empty, dropped)
		r.Drop(ledger.FillRingEmpty, empty)
		r.Drop(ledger.TooLarge, dropped-empty)
	}
}

// Info says what was asked for and what was obtained.
func (d *Device) Info() capture.Info {
	info := d.hook.Info()
	info.Engine = "afxdp"
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sockets {
		info.ZeroCopy = info.ZeroCopy || s.zeroCopy
	}
	var refused uint64
	for _, s := range d.sources {
		refused += s.stamper.Refused()
	}
	if refused > 0 {
		info.Notes = append(info.Notes, fmt.Sprintf("%d frames got the system's time: the NIC's clock was more than 1 ms off; synchronise it (ptp4l, phc2sys)", refused))
	}
	return info
}

// Silence says why no frame has come for 5 s; "" while frames come.
func (d *Device) Silence() string { return d.hook.Silence() }

// Detach takes the program off the interface: no frame enters the rings any
// more. What is in them can still be received.
func (d *Device) Detach() error { return d.hook.Detach() }

// Close detaches, closes the sockets, unmaps their memory and restores the
// interface. A Receive under way ends; Frames received are gone with the
// memory. It may be called twice.
func (d *Device) Close() error {
	errs := []error{d.hook.Detach()}
	for _, s := range d.sources {
		s.stopping.Store(true)
	}
	d.hook.Wake()
	for _, s := range d.sources {
		s.close()
	}
	errs = append(errs, d.release())
	// Without mu: the hook's watcher asks for the frames received until it ends.
	return errors.Join(append(errs, d.hook.Close())...)
}

// release closes the sockets, once, and keeps the last of their counters.
func (d *Device) release() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.rings = d.ringCounts()
	d.closed = true
	var errs []error
	for _, s := range d.sockets {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
