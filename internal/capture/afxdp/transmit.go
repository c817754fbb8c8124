package afxdp

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// TransmitConfig says what OpenTransmitter opens. The zero value of every field
// but Interface is the default.
type TransmitConfig struct {
	Interface string
	Queue     int // TX queue
	// LongestFrame in bytes. Above a chunk, 4096, frames go in several parts,
	// which takes Linux 6.6. Default: a chunk.
	LongestFrame int
	// Frames is how many chunks there are, and entries in the rings: a power of
	// two. Default 512. More do not make it faster: they leave the cache.
	Frames int
	// Patience is how long a queue that is busy is asked for again. Default 3 s.
	Patience time.Duration
}

func (c TransmitConfig) withDefaults() TransmitConfig {
	setDefault(&c.LongestFrame, largestChunk)
	setDefault(&c.Frames, 512)
	setDefault(&c.Patience, bindPatience)
	return c
}

// Chunk sizes, in bytes. The smaller one is taken where it holds every frame.
const (
	smallestChunk = 2048
	largestChunk  = 4096
)

// xmitBudget is how many frames the kernel sends in one system call, where it
// lets itself be told (Linux 6.18, XDP_MAX_TX_SKB_BUDGET); else it is 32.
const (
	xmitBudgetOption = 9 // include/uapi/linux/if_xdp.h
	xmitBudget       = 64
)

// Transmitter sends frames out of one TX queue of an interface, in copy mode:
// with zero copy it would take the queue's receive buffers away from the host.
// It is used by one goroutine.
//
// Frames sent this way pass the host's queueing discipline and its packet
// sockets (tcpdump) by.
type Transmitter struct {
	socket *socket
	free   []uint64 // chunks that are ours, offsets in UMEM
	last   []bool   // by chunk: it holds the last part of its frame
	home   []uint64 // scratch of Reap

	finished, refused uint64 // frames
}

// chunk is how many bytes a chunk has.
func (c TransmitConfig) chunk() int {
	if c.LongestFrame <= smallestChunk {
		return smallestChunk
	}
	return largestChunk
}

// OpenTransmitter opens the TX queue. It must run in the interface's network
// namespace; the transmitter may be used from any other.
//
// An error that errors.Is os.ErrPermission or errors.ErrUnsupported is about
// this host and not about the settings.
func OpenTransmitter(c TransmitConfig) (_ *Transmitter, err error) {
	c = c.withDefaults()
	if !isPowerOfTwo(c.Frames) || c.Frames > maxRingSize {
		return nil, fmt.Errorf("open AF_XDP TX ring on %s: %d frames: want a power of two up to %d", c.Interface, c.Frames, maxRingSize)
	}
	nic, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return nil, fmt.Errorf("open AF_XDP TX ring on %s: %w", c.Interface, err)
	}
	s := &socket{fd: -1, queue: c.Queue}
	t := &Transmitter{socket: s}
	defer func() {
		if err != nil {
			s.close()
			err = fmt.Errorf("open AF_XDP TX ring on %s queue %d: %w", c.Interface, c.Queue, err)
		}
	}()
	if s.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, explainSocket(err)
	}
	if s.umem, err = newUMEM(c.Frames, c.chunk(), false); err != nil {
		return nil, err
	}
	if err := registerUMEM(s.fd, s.umem); err != nil {
		return nil, err
	}
	size := uint32(c.Frames)
	if err := s.mapRings(ringSizes{fill: unusedRing, complete: size, tx: size}); err != nil {
		return nil, err
	}
	flags := uint16(unix.XDP_USE_NEED_WAKEUP | unix.XDP_COPY)
	if c.LongestFrame > largestChunk {
		flags |= unix.XDP_USE_SG
	}
	if err := s.bind(nic.Index, flags, c.Patience); err != nil {
		if flags&unix.XDP_USE_SG != 0 && errors.Is(err, unix.EINVAL) {
			err = fmt.Errorf("%w: frames of several parts, for an MTU of %d, take Linux 6.6: %w", err, nic.MTU, errors.ErrUnsupported)
		}
		return nil, err
	}
	_ = unix.SetsockoptInt(s.fd, unix.SOL_XDP, xmitBudgetOption, xmitBudget) // only ever faster
	t.last = make([]bool, c.Frames)
	t.home = make([]uint64, 0, c.Frames)
	for i := range c.Frames {
		t.free = append(t.free, uint64(i)*s.umem.stride)
	}
	return t, nil
}

// Put copies a frame and queues it. false: there is no room now; Kick, then
// Reap, then try again. It must not be longer than LongestFrame, nor empty.
func (t *Transmitter) Put(frame []byte) bool {
	s, chunk := t.socket, t.socket.umem.chunk
	parts := (len(frame) + int(chunk) - 1) / int(chunk)
	if len(t.free) < parts {
		t.Reap()
	}
	if len(t.free) < parts || s.tx.room(uint32(parts)) < uint32(parts) {
		return false
	}
	for len(frame) > 0 {
		addr := t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
		n := copy(s.umem.memory[addr:addr+chunk], frame)
		frame = frame[n:]
		d := unix.XDPDesc{Addr: addr, Len: uint32(n)}
		if len(frame) > 0 {
			d.Options = unix.XDP_PKT_CONTD
		}
		t.last[addr/chunk] = len(frame) == 0
		s.tx.put(d)
	}
	return true
}

// Kick has the kernel send what was put, as much of it as it can at once, and
// returns how many descriptors it left. An error is final: the interface is down
// or gone.
func (t *Transmitter) Kick() (left int, err error) {
	s := t.socket
	s.tx.submit()
	if s.tx.needWakeup() {
		_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0, unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM:
		case unix.EBUSY: // one frame was completed and not sent
			t.refused++
		default:
			return int(s.tx.waiting()), errno
		}
	}
	return int(s.tx.waiting()), nil
}

// Reap takes home the chunks of frames that were sent.
func (t *Transmitter) Reap() {
	t.home = t.socket.complete.take(t.home[:0])
	for _, addr := range t.home {
		if t.last[addr/t.socket.umem.chunk] {
			t.finished++
		}
	}
	t.free = append(t.free, t.home...)
}

// Finished is how many frames the kernel was done with when Reap was called
// last.
func (t *Transmitter) Finished() uint64 { return t.finished }

// Refused is how many of the frames finished the kernel did not send.
func (t *Transmitter) Refused() uint64 { return t.refused }

// Close closes the socket. What was not finished may or may not be sent.
func (t *Transmitter) Close() error { return t.socket.close() }
