package afxdp

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/internal/host"
)

// socket is one AF_XDP socket, bound to one RX queue, with its memory.
type socket struct {
	fd       int
	queue    int
	umem     umem
	fill     fillRing
	complete completionRing
	rx       rxRing // of a socket that receives
	tx       txRing // of one that sends
	zeroCopy bool
}

// ringSizes are numbers of entries, powers of two. bind asks for a fill and a
// completion ring, also of a socket that never uses one of them; it does without
// RX or TX ring where that is 0.
type ringSizes struct{ fill, complete, rx, tx uint32 }

// unusedRing is the size of a ring that bind asks for and nobody uses.
const unusedRing = 64

// bindPatience is how long a queue that is still held by a socket just closed
// is asked for again.
const (
	bindPatience = 3 * time.Second
	bindPause    = 50 * time.Millisecond
)

// openSocket makes a socket on queue of the interface ifindex and lends all its
// frames to the kernel. scatter asks for frames in several parts, copying says
// that there is no zero copy to be had.
func openSocket(c Config, ifindex, queue int, scatter, copying bool) (_ *socket, err error) {
	s := &socket{fd: -1, queue: queue}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open AF_XDP socket on %s queue %d: %w", c.Interface, queue, err)
			s.close()
		}
	}()
	if s.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, explainSocket(err)
	}
	if s.umem, err = newUMEM(c.Frames, c.ChunkSize, copying); err != nil {
		return nil, err
	}
	if err := registerUMEM(s.fd, s.umem); err != nil {
		return nil, err
	}
	if err := s.mapRings(ringSizes{fill: nextPowerOfTwo(c.Frames), complete: unusedRing, rx: uint32(c.RingSize)}); err != nil {
		return nil, err
	}
	// Before bind: some drivers take a queue without frames for broken and
	// stay deaf.
	s.lendAll(c.Frames)
	err = s.bind(ifindex, bindFlags(c, scatter, copying), bindPatience)
	if c.ZeroCopy == ZeroCopyRequire && errors.Is(err, unix.EOPNOTSUPP) {
		err = host.NoZeroCopy(c.Interface)
	}
	if err != nil {
		return nil, err
	}
	var options uint32
	if _, err := getsockopt(s.fd, unix.XDP_OPTIONS, &options); err != nil {
		return nil, fmt.Errorf("read what was obtained: %w", err)
	}
	s.zeroCopy = options&unix.XDP_OPTIONS_ZEROCOPY != 0
	return s, nil
}

func nextPowerOfTwo(n int) uint32 { return 1 << bits.Len32(uint32(n-1)) }

// explainSocket says what a refused AF_XDP socket means.
func explainSocket(err error) error {
	if p := host.SocketRefused(err); p != nil {
		return p
	}
	if errors.Is(err, unix.EPERM) {
		if p := host.Lacks("AF_XDP", host.AFXDPNeeds...); p != nil {
			return p
		}
	}
	return err
}

// mapRings sizes the rings and maps them.
func (s *socket) mapRings(sizes ringSizes) error {
	const addrSize, descSize = 8, 16
	rings := []struct {
		name   string
		option int
		page   int64
		size   uint32
		entry  uint64 // bytes
		at     func(*unix.XDPMmapOffsets) unix.XDPRingOffset
		use    func(memory []byte, at unix.XDPRingOffset, size uint32)
	}{
		{"fill", unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_PGOFF_FILL_RING, sizes.fill, addrSize,
			func(o *unix.XDPMmapOffsets) unix.XDPRingOffset { return o.Fr },
			func(m []byte, at unix.XDPRingOffset, n uint32) { s.fill = newFillRing(m, at, n) }},
		{"completion", unix.XDP_UMEM_COMPLETION_RING, unix.XDP_UMEM_PGOFF_COMPLETION_RING, sizes.complete, addrSize,
			func(o *unix.XDPMmapOffsets) unix.XDPRingOffset { return o.Cr },
			func(m []byte, at unix.XDPRingOffset, n uint32) { s.complete = newCompletionRing(m, at, n) }},
		{"RX", unix.XDP_RX_RING, unix.XDP_PGOFF_RX_RING, sizes.rx, descSize,
			func(o *unix.XDPMmapOffsets) unix.XDPRingOffset { return o.Rx },
			func(m []byte, at unix.XDPRingOffset, n uint32) { s.rx = newRXRing(m, at, n) }},
		{"TX", unix.XDP_TX_RING, unix.XDP_PGOFF_TX_RING, sizes.tx, descSize,
			func(o *unix.XDPMmapOffsets) unix.XDPRingOffset { return o.Tx },
			func(m []byte, at unix.XDPRingOffset, n uint32) { s.tx = newTXRing(m, at, n) }},
	}
	for _, ring := range rings {
		if ring.size == 0 {
			continue
		}
		if err := unix.SetsockoptInt(s.fd, unix.SOL_XDP, ring.option, int(ring.size)); err != nil {
			return fmt.Errorf("make %s ring of %d entries: %w: use smaller rings or fewer frames", ring.name, ring.size, err)
		}
	}
	var offsets unix.XDPMmapOffsets
	if _, err := getsockopt(s.fd, unix.XDP_MMAP_OFFSETS, &offsets); err != nil {
		return fmt.Errorf("read the layout of the rings: %w", err)
	}
	for _, ring := range rings {
		if ring.size == 0 {
			continue
		}
		at := ring.at(&offsets)
		memory, err := s.mapRing(ring.name, ring.page, at.Desc+uint64(ring.size)*ring.entry)
		if err != nil {
			return err
		}
		ring.use(memory, at, ring.size)
	}
	return nil
}

func (s *socket) mapRing(name string, offset int64, size uint64) ([]byte, error) {
	memory, err := unix.Mmap(s.fd, offset, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map %s ring: %w", name, err)
	}
	return memory, nil
}

// lendAll puts every frame on the fill ring.
func (s *socket) lendAll(frames int) {
	addrs := make([]uint64, frames)
	for i := range addrs {
		addrs[i] = uint64(i) * s.umem.stride
	}
	s.fill.put(addrs)
}

func bindFlags(c Config, scatter, copying bool) uint16 {
	flags := uint16(unix.XDP_USE_NEED_WAKEUP)
	switch {
	case c.ZeroCopy == ZeroCopyRequire:
		flags |= unix.XDP_ZEROCOPY
	case copying:
		flags |= unix.XDP_COPY
	}
	if scatter {
		flags |= unix.XDP_USE_SG
	}
	return flags
}

// bind takes the queue; one that is busy is asked for again until patience is
// over.
func (s *socket) bind(ifindex int, flags uint16, patience time.Duration) error {
	address := &unix.SockaddrXDP{Flags: flags, Ifindex: uint32(ifindex), QueueID: uint32(s.queue)}
	deadline := time.Now().Add(patience)
	for {
		err := unix.Bind(s.fd, address)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EBUSY) && time.Now().Before(deadline):
			time.Sleep(bindPause)
		case errors.Is(err, unix.EBUSY):
			return fmt.Errorf("bind: %w: another process has an AF_XDP socket on this queue; stop it (ss --xdp lists them)", err)
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			return fmt.Errorf("bind: %w: use fewer frames or smaller rings", err)
		default:
			return fmt.Errorf("bind: %w", err)
		}
	}
}

// wake lets the kernel go on receiving where it asked to be told.
func (s *socket) wake() {
	// What it answers does not matter: a kernel that cannot go on sets the
	// flag again, and the next batch or poll asks once more.
	unix.Syscall6(unix.SYS_RECVFROM, uintptr(s.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
}

// statistics reads XDP_STATISTICS. Kernels before 5.9 fill in the first three
// fields only; the others stay 0.
func (s *socket) statistics() (unix.XDPStatistics, error) {
	var v unix.XDPStatistics
	if _, err := getsockopt(s.fd, unix.XDP_STATISTICS, &v); err != nil {
		return v, fmt.Errorf("read AF_XDP statistics of queue %d: %w", s.queue, err)
	}
	return v, nil
}

// close closes the socket and unmaps everything. The program must not redirect
// to it any more.
func (s *socket) close() error {
	var errs []error
	if s.fd >= 0 {
		errs = append(errs, unix.Close(s.fd))
		s.fd = -1
	}
	for _, memory := range []*[]byte{&s.fill.memory, &s.complete.memory, &s.rx.memory, &s.tx.memory, &s.umem.memory} {
		if *memory != nil {
			errs = append(errs, unix.Munmap(*memory))
			*memory = nil
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close AF_XDP socket of queue %d: %w", s.queue, err)
	}
	return nil
}
