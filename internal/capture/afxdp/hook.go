package afxdp

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"xcapa/bpf"
	"xcapa/internal/capture"
	"xcapa/internal/host"
	"xcapa/internal/ledger"
	"xcapa/internal/record"
)

// Hook is one interface's side of a capture: the XDP program with its link and
// counters, promiscuous mode, VLAN offload, and an eye on the interface. The
// sockets are the engine's.
//
// The order is OpenHook, Register for each queue, Attach; then Detach, the
// engine closes its sockets, Close. OpenHook and Attach must run in the
// interface's network namespace; the other methods may be called from any
// goroutine.
type Hook struct {
	config   Config
	iface    *host.Interface
	features host.Features
	run      string
	queues   int

	program string // name, once attached
	mode    Mode   // obtained
	link    link.Link
	watcher *watcher
	vlan    *vlanOffload
	promisc int // socket, or -1

	received   func() uint64 // frames the engine has received; may be nil
	grown      atomic.Int64  // RX queues there are now, if more than queues
	activityMu sync.Mutex
	activity   activity

	mu       sync.Mutex
	sockets  map[int]int // queue to file descriptor
	objects  *bpf.Objects
	counters bpf.Counters // as last read
	notes    []string
	detached bool
	closed   bool
}

// OpenHook looks at the interface and changes nothing, except that it restores
// what a crashed capture left behind and, with Replace, detaches a foreign
// program. c must be valid.
//
// Errors that errors.Is os.ErrPermission or errors.ErrUnsupported name the
// missing privilege or kernel feature.
func OpenHook(c Config) (_ *Hook, err error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	loops := c.HeadersOnly || c.KeepARP || c.KeepND || len(c.KeepPorts) > 0
	what, needs := host.ForAFXDP(loops)
	if p := host.Lacks(what, needs...); p != nil {
		return nil, fmt.Errorf("open interface %s: %w", c.Interface, p)
	}
	h := &Hook{config: c, run: record.NewRun(), promisc: -1, sockets: map[int]int{}}
	if h.iface, err = host.OpenInterface(c.Interface); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.iface.Close()
		}
	}()
	if err := h.checkHost(); err != nil {
		return nil, err
	}
	restored, err := Restore(c.StateDir)
	for _, line := range restored {
		c.Logger.Info("restored after a crash", "what", line)
	}
	if err != nil {
		h.note("what a crashed capture changed could not be restored: %v", err)
	}
	h.features = h.iface.Features()
	if h.queues, err = h.iface.Queues(); err != nil {
		return nil, err
	}
	if h.queues > bpf.MaxQueues {
		return nil, fmt.Errorf("open interface %s: it has %d RX queues, %d is the most: use fewer (ethtool -L)", c.Interface, h.queues, bpf.MaxQueues)
	}
	return h, nil
}

// checkHost refuses an interface that the host or somebody's program uses, or
// that has no frames for it.
func (h *Hook) checkHost() error {
	if h.isBond() && h.config.Mode == ModeNative {
		return fmt.Errorf("open interface %s: a bond has native XDP on its ports only: capture on those, or use --xdp-mode generic", h.iface.Name)
	}
	p, err := h.iface.NotEthernet()
	if err == nil && p != nil {
		err = p
	}
	if err != nil {
		return fmt.Errorf("open interface %s: %w", h.iface.Name, err)
	}
	used, why, err := h.iface.UsedByHost()
	if err != nil {
		return err
	}
	switch {
	case used && !h.config.TakeOver:
		return fmt.Errorf("open interface %s: %w", h.iface.Name, host.InUse(why))
	case used:
		h.note("%s: what arrives for the host is captured and does not reach it, except what --keep names", why)
	}
	if !h.config.Replace {
		return h.refuseForeign()
	}
	note, err := h.iface.RemoveForeign()
	if note != "" {
		h.note("%s", note)
	}
	return err
}

// refuseForeign is the error for an interface that somebody's program is on, or
// nil.
func (h *Hook) refuseForeign() error {
	p, err := h.iface.Foreign()
	if err == nil && p != nil {
		return fmt.Errorf("attach XDP to %s: %w", h.iface.Name, p)
	}
	return err
}

// Queues is the number of RX queues; each wants a socket.
func (h *Hook) Queues() int { return h.queues }

// Index is the interface's index in its namespace.
func (h *Hook) Index() int { return h.iface.Index }

// Register puts the AF_XDP socket fd, bound to queue, behind the program. Before
// Attach it is remembered, after it takes effect at once.
func (h *Hook) Register(queue, fd int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets[queue] = fd
	if h.objects == nil {
		return nil
	}
	return putSocket(h.objects, queue, fd)
}

// forgetSockets undoes Register, with nothing attached.
func (h *Hook) forgetSockets() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.sockets)
}

func putSocket(o *bpf.Objects, queue, fd int) error {
	if err := o.Sockets.Put(uint32(queue), uint32(fd)); err != nil {
		return fmt.Errorf("register the AF_XDP socket of queue %d: %w", queue, err)
	}
	return nil
}

// Attach loads the program, puts the sockets behind it and attaches it: the
// one with the NIC's metadata, else the one without, native, else generic, as
// far as the Config allows. frags lets frames arrive in several buffers.
//
// After an error nothing is attached, and Attach may be called again.
func (h *Hook) Attach(frags bool) error {
	if err := h.attachProgram(frags); err != nil {
		return err
	}
	h.mu.Lock()
	h.detached = false
	h.mu.Unlock()
	var err error
	if h.config.Promiscuous && h.promisc < 0 {
		if h.promisc, err = h.iface.Promiscuous(); err != nil {
			return errors.Join(err, h.Detach())
		}
	}
	if h.vlan == nil {
		h.keepTags()
	}
	h.markActivity(0)
	if h.watcher == nil {
		if h.watcher, err = watch(h); err != nil {
			return errors.Join(err, h.Detach())
		}
	}
	return nil
}

// way is one way to attach.
type way struct {
	meta bool
	mode Mode
}

func (h *Hook) ways() []way {
	var ways []way
	if h.config.Mode != ModeGeneric && !h.isBond() {
		if h.config.programStamp() != bpf.StampNone {
			ways = append(ways, way{true, ModeNative})
		}
		ways = append(ways, way{false, ModeNative})
	}
	if h.config.Mode != ModeNative {
		ways = append(ways, way{false, ModeGeneric})
	}
	return ways
}

// isBond reports whether the interface is a bond. Its native XDP runs on the
// ports, and the kernel refuses frames of a port to a socket of the bond: they
// would be redirected and never arrive.
func (h *Hook) isBond() bool { return h.iface.Driver == "bonding" }

// attachProgram tries the ways in turn.
func (h *Hook) attachProgram(frags bool) error {
	var noMeta, noNative, last error
	if h.isBond() {
		noNative = errors.New("a bond has it on its ports only: capture on those for it")
	}
	for _, w := range h.ways() {
		last = h.attachOnce(w, frags)
		switch {
		case last == nil:
			h.attachNotes(noMeta, noNative)
			return nil
		case errors.Is(last, syscall.EPERM), errors.Is(last, syscall.EBUSY), errors.Is(last, syscall.EEXIST):
			return h.explainAttach(last)
		case w.meta:
			noMeta = last
		case w.mode == ModeNative:
			noNative = last
		}
	}
	return h.explainAttach(last)
}

func (h *Hook) attachOnce(w way, frags bool) error {
	settings := h.config.settings(frags)
	settings.ShareClock = h.sharesClock(w)
	objects, err := bpf.Load(settings, w.meta, h.iface.Index)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for queue, fd := range h.sockets {
		if err := putSocket(objects, queue, fd); err != nil {
			objects.Close()
			return err
		}
	}
	flags := link.XDPDriverMode
	if w.mode == ModeGeneric {
		flags = link.XDPGenericMode
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: objects.Program, Interface: h.iface.Index, Flags: flags})
	if err != nil {
		objects.Close()
		return fmt.Errorf("attach XDP to %s in %s mode: %w", h.iface.Name, w.mode, err)
	}
	if h.objects != nil { // of an earlier Attach
		h.objects.Close()
	}
	h.objects, h.link, h.mode = objects, l, w.mode
	h.program = bpf.ProgramRedirect
	if w.meta {
		h.program = bpf.ProgramRedirectMeta
	}
	return nil
}

// sharesClock reports whether frames may share readings of the clock: where a
// NAPI poll brings them. Frames of a tun device come by their writer's system
// calls, and generic mode has slower things to mind.
func (h *Hook) sharesClock(w way) bool {
	return h.config.programStamp() == bpf.StampClock && w.mode == ModeNative && h.iface.Driver != "tun"
}

// attachNotes says what was not obtained, and what is lost by it.
func (h *Hook) attachNotes(noMeta, noNative error) {
	if noNative != nil {
		h.note("native mode refused (%s): generic mode is used, which costs the kernel more for each frame", brief(noNative))
		return // generic mode has no metadata anyway
	}
	if noMeta != nil && h.config.Clock == ClockNIC {
		h.note("no NIC metadata (%s): packet times are the system's, not the NIC's", brief(noMeta))
	}
}

// brief is the kernel's word alone, without the verifier's.
func brief(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// explainAttach says what a refused attach means.
func (h *Hook) explainAttach(err error) error {
	switch {
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EEXIST):
		if foreign := h.refuseForeign(); foreign != nil {
			return foreign
		}
	case errors.Is(err, syscall.ERANGE):
		return fmt.Errorf("%w: the MTU is too large for XDP on this driver; lower it (ip link set dev %s mtu 1500), or use --xdp-mode generic", err, h.iface.Name)
	case errors.Is(err, syscall.EOPNOTSUPP):
		return fmt.Errorf("%w: %w", err, host.NoNativeMode(h.iface.Name))
	}
	return err
}

// note adds a line to Info's notes, once.
func (h *Hook) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	if !slices.Contains(h.notes, line) {
		h.notes = append(h.notes, line)
	}
}

// Counters are the program's verdicts so far; after Detach, and after Close,
// the final ones.
func (h *Hook) Counters() bpf.Counters {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.objects != nil && !h.closed {
		if c, err := h.objects.Counters(); err == nil {
			h.counters = c
		}
	}
	return h.counters
}

// Room is the xdp room of the books.
func (h *Hook) Room() ledger.Room {
	c := h.Counters()
	r := ledger.Room{Room: "xdp", In: c.Total(), Out: c.Redirected, Passed: c.Kept}
	r.Drop(ledger.NoSocket, c.NoSocket)
	r.Drop(ledger.NoMetadata, c.NoMetadata)
	r.Drop(ledger.SnapFailed, c.SnapFailed)
	return r
}

// Info says what was obtained; Engine and ZeroCopy are for the engine to say.
func (h *Hook) Info() capture.Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	const linkTypeEthernet = 1
	return capture.Info{
		Interface: h.iface.Name,
		Run:       h.run,
		LinkType:  linkTypeEthernet,
		Mode:      string(h.mode),
		Queues:    h.queues,
		Program:   h.program,
		Why:       h.config.Why,
		Notes:     slices.Clone(h.notes),
	}
}

// Err is why nothing will come any more: the interface is gone. nil otherwise.
func (h *Hook) Err() error {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.err()
}

// Gone becomes readable (POLLIN) when Err does, or on Close: a file descriptor
// to poll beside a socket's. -1 before Attach.
func (h *Hook) Gone() int {
	if h.watcher == nil {
		return -1
	}
	return h.watcher.goneFD
}

// Detach takes the program off the interface. When it returns, no frame is on
// its way through the program any more and Counters are final. It may be called
// twice.
func (h *Hook) Detach() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.detached || h.link == nil {
		return nil
	}
	h.detached = true
	// Detach and not only Close: a child process that is just being started
	// still has the descriptor for a moment. Where the privilege for it was
	// dropped, closing has to do.
	err := h.link.Detach()
	if errors.Is(err, syscall.EPERM) || isInterfaceGone(err) {
		err = nil
	}
	err = errors.Join(err, h.link.Close())
	h.link = nil
	gracePeriod()
	if c, errRead := h.objects.Counters(); errRead == nil {
		h.counters = c
	}
	if err != nil {
		return fmt.Errorf("detach XDP from %s: %w", h.iface.Name, err)
	}
	return nil
}

// isInterfaceGone reports whether a link could not be detached because there is
// no interface any more.
func isInterfaceGone(err error) bool {
	return errors.Is(err, syscall.ENOLINK) || errors.Is(err, syscall.ENODEV)
}

// gracePeriod waits until every core has left the batch of frames it was in
// when gracePeriod was called (RCU), with those frames redirected and counted.
func gracePeriod() {
	const membarrierGlobal = 1 // MEMBARRIER_CMD_GLOBAL, include/uapi/linux/membarrier.h
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(50 * time.Millisecond) // nohz_full kernels refuse
	}
}

// Wake makes Gone readable, so that nobody waits for frames any more.
func (h *Hook) Wake() {
	if h.watcher != nil {
		h.watcher.wake()
	}
}

// Close detaches and undoes the rest. The engine's sockets should be closed
// before. It may be called twice.
func (h *Hook) Close() error {
	err := h.Detach()
	if h.watcher != nil {
		h.watcher.close()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return err
	}
	h.closed = true
	errs := []error{err}
	if h.objects != nil {
		errs = append(errs, h.objects.Close())
	}
	if h.promisc >= 0 {
		errs = append(errs, unix.Close(h.promisc))
	}
	if h.vlan != nil {
		errs = append(errs, h.vlan.restore())
	}
	h.iface.Close()
	return errors.Join(errs...)
}
