// Package transmit sends frames out of an interface.
//
// In: frames as bytes, from the destination MAC address. Out: the wire, and an
// account of what went there.
//
// Non-obvious:
//   - A frame longer than the interface's MTU allows is counted, not sent: cut
//     or split it would be another frame.
//   - The packet socket is bound to protocol 0: it sends and never receives.
package transmit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/internal/ledger"
)

// Sender sends frames out of one interface through a packet socket. It is not
// safe for several goroutines.
type Sender struct {
	name string
	fd   int
	max  int // longest frame, bytes
	room ledger.Room
}

// The reasons for which a frame is not sent, beside ledger.TooLarge.
const sendFailed ledger.Reason = "send_failed"

// linkHeaderMax is an Ethernet header with two VLAN tags: what may stand in
// front of an MTU's worth of bytes.
const linkHeaderMax = 14 + 2*4

// Open opens an interface for sending. It takes root or CAP_NET_RAW.
func Open(name string) (*Sender, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("send on %s: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket for %s (needs root or CAP_NET_RAW): %w", name, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind packet socket to %s: %w", name, err)
	}
	return &Sender{name: name, fd: fd, max: ifi.MTU + linkHeaderMax, room: ledger.Room{Room: "wire"}}, nil
}

// Send sends one frame and counts what became of it. An error means that the
// interface itself is of no use any more.
func (s *Sender) Send(frame []byte) error {
	s.room.In++
	if len(frame) > s.max {
		s.room.Drop(ledger.TooLarge, 1)
		return nil
	}
	for {
		_, err := unix.Write(s.fd, frame)
		switch {
		case err == nil:
			s.room.Out++
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN):
			time.Sleep(50 * time.Microsecond) // the device's queue is full for the moment
		case errors.Is(err, unix.EMSGSIZE):
			s.room.Drop(ledger.TooLarge, 1)
			return nil
		case errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
			s.room.Drop(sendFailed, 1)
			return fmt.Errorf("send on %s: %w; is the link up? `ip link show %s`", s.name, err, s.name)
		default:
			s.room.Drop(sendFailed, 1)
			return nil
		}
	}
}

// Room is the account of what was sent.
func (s *Sender) Room() ledger.Room { return s.room }

// Close closes the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }

// Pacer spreads events evenly: a fixed number a second, in bursts no longer
// than a few milliseconds.
type Pacer struct {
	start time.Time
	gap   time.Duration // between two; 0: no pacing
	sent  int64
}

// NewPacer starts the clock; perSecond 0 means as fast as possible.
func NewPacer(perSecond float64) *Pacer {
	p := &Pacer{start: time.Now()}
	if perSecond > 0 {
		p.gap = time.Duration(float64(time.Second) / perSecond)
	}
	return p
}

// Wait waits until the next event is due, or ctx ends.
func (p *Pacer) Wait(ctx context.Context) error {
	p.sent++
	if p.gap == 0 {
		return ctx.Err()
	}
	ahead := time.Duration(p.sent-1)*p.gap - time.Since(p.start)
	if ahead < time.Millisecond {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(ahead):
		return nil
	}
}
