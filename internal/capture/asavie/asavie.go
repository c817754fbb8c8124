// Package asavie is the engine `--engine asavie`: github.com/asavie/xdp's
// sockets and rings behind our XDP program and our bpf_link. It is what xcapa
// was asked to be built on, kept to compare with: same frames, same books.
//
// In: the same Config as package afxdp. Out: a capture.Device.
//
// Non-obvious:
//   - Its program is not used: it attaches by netlink, which survives a crash
//     and leaves the interface dead.
//   - Receive marks frames free at once, so they are held here and given to Fill
//     only at Release; GetDescs is used once, at start.
//   - Close leaves the ring mappings behind, so a second Open of the same queue
//     in one process fails with EBUSY: once per process.
//   - No need-wakeup, no frames of several parts, 2048 or 4096 byte chunks.
package asavie

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asavie/xdp"
	"golang.org/x/sys/unix"

	"xcapa/bpf"
	"xcapa/internal/capture"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/ledger"
)

// Device is an interface captured through github.com/asavie/xdp.
type Device struct {
	hook    *afxdp.Hook
	sources []*source

	mu     sync.Mutex
	closed bool
	final  ledger.Room // the ring room, once closed
}

// Open takes an interface: a socket on each RX queue, our program in front of
// them. The zero values of c mean the same as for package afxdp.
func Open(c afxdp.Config) (_ *Device, err error) {
	if c.ZeroCopy == afxdp.ZeroCopyRequire {
		return nil, errors.New("zero copy is not to be had from github.com/asavie/xdp: use --engine afxdp")
	}
	hook, err := afxdp.OpenHook(c)
	if err != nil {
		return nil, err
	}
	d := &Device{hook: hook}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	hook.Observe(d.received)
	for queue := range hook.Queues() {
		s, err := openSource(c, hook, queue)
		if err != nil {
			return nil, err
		}
		d.sources = append(d.sources, s)
		if err := hook.Register(queue, s.socket.FD()); err != nil {
			return nil, err
		}
	}
	if err := hook.Attach(false); err != nil {
		return nil, err
	}
	return d, nil
}

func orDefault(v, d int) int {
	if v == 0 {
		return d
	}
	return v
}

func openSource(c afxdp.Config, hook *afxdp.Hook, queue int) (*source, error) {
	ring := orDefault(c.RingSize, 4096)
	s, err := xdp.NewSocket(hook.Index(), queue, &xdp.SocketOptions{
		NumFrames: orDefault(c.Frames, 8192), FrameSize: orDefault(c.ChunkSize, 4096),
		FillRingNumDescs: ring, CompletionRingNumDescs: 64, RxRingNumDescs: ring, TxRingNumDescs: 64,
	})
	if err != nil {
		return nil, fmt.Errorf("open socket of github.com/asavie/xdp on %s queue %d (it opens a queue once per process): %w", c.Interface, queue, err)
	}
	s.Fill(s.GetDescs(s.NumFreeFillSlots()))
	return &source{
		queue: queue, socket: s, stamper: afxdp.NewStamper(c), ended: hook.Err,
		held: make([]xdp.Desc, 0, ring),
	}, nil
}

// source is one queue.
type source struct {
	queue    int
	socket   *xdp.Socket
	stamper  *afxdp.Stamper
	ended    func() error
	held     []xdp.Desc
	received atomic.Uint64

	// gate keeps Close from taking away what Receive reads; taken once a batch.
	gate   sync.Mutex
	closed bool
}

// Receive implements capture.Source. It waits in poll(2), as the package does.
func (s *source) Receive(frames []capture.Frame, wait time.Duration) (int, error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	switch {
	case s.closed:
		return 0, capture.ErrClosed
	case s.ended() != nil:
		return 0, s.ended()
	}
	n := s.socket.NumReceived()
	if n == 0 {
		var err error
		ms := int((wait + time.Millisecond - 1) / time.Millisecond)
		if n, _, err = s.socket.Poll(ms); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("poll queue %d: %w", s.queue, err)
		}
	}
	n = min(n, len(frames))
	if n == 0 {
		return 0, nil
	}
	s.stamper.Begin()
	descs := s.socket.Receive(n)
	for i, d := range descs {
		s.fill(&frames[i], d)
	}
	s.held = append(s.held, descs...)
	s.received.Add(uint64(len(descs)))
	return len(descs), nil
}

// fill makes a Frame of d; with its address moved back, GetFrame reaches the
// metadata area in front of the frame.
func (s *source) fill(f *capture.Frame, d xdp.Desc) {
	length := int(d.Len)
	memory := s.socket.GetFrame(xdp.Desc{Addr: d.Addr - bpf.MetaSize, Len: d.Len + bpf.MetaSize})
	s.stamper.Frame(f, memory, bpf.MetaSize, length, length)
}

// Release implements capture.Source.
func (s *source) Release() {
	s.gate.Lock()
	defer s.gate.Unlock()
	if !s.closed {
		s.socket.Fill(s.held)
	}
	s.held = s.held[:0]
}

// Queue implements capture.Source.
func (s *source) Queue() int { return s.queue }

// Sources has one entry per RX queue.
func (d *Device) Sources() []capture.Source {
	out := make([]capture.Source, len(d.sources))
	for i, s := range d.sources {
		out[i] = s
	}
	return out
}

func (d *Device) received() (n uint64) {
	for _, s := range d.sources {
		n += s.received.Load()
	}
	return n
}

// Rooms are xdp and ring.
func (d *Device) Rooms() []ledger.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	ring := d.final
	if !d.closed {
		ring = d.ring()
	}
	x := d.hook.Room()
	ring.In = x.Out
	return []ledger.Room{x, ring}
}

func (d *Device) ring() ledger.Room {
	r := ledger.Room{Room: "ring", Out: d.received()}
	for _, s := range d.sources {
		if st, err := s.socket.Stats(); err == nil {
			afxdp.Account(&r, st.KernelStats)
		}
	}
	return r
}

// Info says what was obtained.
func (d *Device) Info() capture.Info {
	i := d.hook.Info()
	i.Engine = "asavie"
	i.Notes = append(i.Notes, "github.com/asavie/xdp: plain ring indices, poll(2) at every batch, mappings kept until this process ends")
	return i
}

// Silence says why no frame has come for 5 s; "" while frames come.
func (d *Device) Silence() string { return d.hook.Silence() }

// Detach takes the program off the interface.
func (d *Device) Detach() error { return d.hook.Detach() }

// Close detaches, closes the sockets and undoes the rest. It may be called
// twice.
func (d *Device) Close() error {
	errs := []error{d.hook.Detach()}
	for _, s := range d.sources {
		s.gate.Lock()
	}
	d.mu.Lock()
	if !d.closed {
		d.final, d.closed = d.ring(), true
		for _, s := range d.sources {
			s.closed = true
			errs = append(errs, s.socket.Close())
		}
	}
	d.mu.Unlock()
	for _, s := range d.sources {
		s.gate.Unlock()
	}
	return errors.Join(append(errs, d.hook.Close())...)
}
