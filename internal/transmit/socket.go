package transmit

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketBatch is how many frames one sendmmsg takes.
const socketBatch = 64

// packetSocket sends through AF_PACKET. Frames are not copied here: the kernel
// reads them where they are.
type packetSocket struct {
	fd       int
	messages []message
	vectors  []unix.Iovec
	first, n int // messages[first:n] wait

	finished, refused uint64
}

// message is struct mmsghdr, include/linux/socket.h.
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

func openPacketSocket(l *link) (*packetSocket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w: it takes root, or CAP_NET_RAW", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.index}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind a packet socket: %w", err)
	}
	p := &packetSocket{fd: fd, messages: make([]message, socketBatch), vectors: make([]unix.Iovec, socketBatch)}
	for i := range p.messages {
		p.messages[i].header.Iov = &p.vectors[i]
		p.messages[i].header.SetIovlen(1)
	}
	return p, nil
}

func (p *packetSocket) put(frame []byte) bool {
	if p.n == len(p.vectors) {
		return false
	}
	p.vectors[p.n].Base = &frame[0]
	p.vectors[p.n].SetLen(len(frame))
	p.n++
	return true
}

// kick sends what was put, until the kernel has no room.
func (p *packetSocket) kick() (left int, err error) {
	for p.first < p.n {
		took, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(p.fd),
			uintptr(unsafe.Pointer(&p.messages[p.first])), uintptr(p.n-p.first), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == 0:
			p.settle(int(took))
		case errno == unix.EINTR:
		case errno == unix.ENOBUFS, errno == unix.EAGAIN, errno == unix.ENOMEM:
			return p.n - p.first, nil // the device's queue is full for the moment
		case isFinal(errno):
			return p.n - p.first, errno
		default: // this one frame is refused
			p.refused++
			p.settle(1)
		}
	}
	p.first, p.n = 0, 0
	return 0, nil
}

// settle counts frames that the kernel is done with.
func (p *packetSocket) settle(n int) {
	p.first += n
	p.finished += uint64(n)
}

// isFinal reports whether an error is about the interface and not one frame.
func isFinal(err error) bool {
	return errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EBADF)
}

func (p *packetSocket) done() (finished, refused uint64) { return p.finished, p.refused }

func (p *packetSocket) close() error { return unix.Close(p.fd) }
