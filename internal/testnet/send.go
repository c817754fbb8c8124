package testnet

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"xcapa/internal/veth"
)

// Send puts frames on the wire at end, in order, each as it is.
func Send(t testing.TB, end *veth.End, frames ...[]byte) {
	t.Helper()
	s, err := OpenSender(end)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Send(frames); err != nil {
		t.Fatal(err)
	}
}

// Sender is an AF_PACKET socket that only sends. It is used by one goroutine.
type Sender struct {
	fd       int
	name     string
	messages []message
	vectors  []unix.Iovec
}

// message is struct mmsghdr, include/linux/socket.h.
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// sendBatch is how many frames one sendmmsg takes.
const sendBatch = 64

// OpenSender opens a sender at end; it stays inside end's namespace.
func OpenSender(end *veth.End) (*Sender, error) {
	s := &Sender{
		fd:       -1,
		name:     end.Name,
		messages: make([]message, sendBatch),
		vectors:  make([]unix.Iovec, sendBatch),
	}
	err := end.Do(func() error {
		var err error
		// Protocol 0: the socket receives nothing.
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: end.Index})
	})
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open a packet socket on %s: %w", end.Name, err)
	}
	return s, nil
}

// Send puts frames on the wire and returns how many the kernel took. It waits
// where the kernel has no room.
func (s *Sender) Send(frames [][]byte) (int, error) {
	sent := 0
	for sent < len(frames) {
		n := min(len(frames)-sent, sendBatch)
		for i, frame := range frames[sent : sent+n] {
			s.vectors[i].Base = &frame[0]
			s.vectors[i].SetLen(len(frame))
			s.messages[i].header.Iov = &s.vectors[i]
			s.messages[i].header.SetIovlen(1)
		}
		took, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.messages[0])), uintptr(n), 0, 0, 0)
		switch errno {
		case 0:
			sent += int(took)
		case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
			time.Sleep(time.Millisecond)
		default:
			return sent, fmt.Errorf("send frame %d (%d bytes) on %s: %w", sent, len(frames[sent]), s.name, errno)
		}
	}
	runtime.KeepAlive(frames)
	return sent, nil
}

// Close closes the socket.
func (s *Sender) Close() error {
	if s.fd < 0 {
		return nil
	}
	err := unix.Close(s.fd)
	s.fd = -1
	return err
}
