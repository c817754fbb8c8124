package transmit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
)

// Engine is a way to the wire.
type Engine string

// The engines.
const (
	EngineAuto     Engine = "auto"     // an AF_XDP ring, else a packet socket
	EngineAFXDP    Engine = "afxdp"    // an AF_XDP TX ring, in copy mode
	EngineAFPacket Engine = "afpacket" // a packet socket
)

// Options say what Open opens.
type Options struct {
	Interface string
	Engine    Engine // default auto
}

// port is a way to the wire: an AF_XDP ring or a packet socket.
type port interface {
	// put queues a frame, whose bytes must stay as they are until kick has
	// left nothing; false: no room now.
	put(frame []byte) bool
	// kick hands the kernel what was put, and returns how many frames or parts
	// of frames it had no room for. An error is final.
	kick() (left int, err error)
	// done is how many frames the kernel is done with, and how many of those
	// it refused to send.
	done() (finished, refused uint64)
	close() error
}

// Sender sends frames out of one interface. It is used by one goroutine; Room
// and Bytes may be called from any.
type Sender struct {
	link   *link
	port   port
	engine Engine
	why    string

	n     counts // this goroutine's own
	shown shown

	stuck stuck
}

// stuck is since when a kernel without room has not moved.
type stuck struct {
	since    time.Time // zero: there was room
	finished uint64
	left     int
}

// counts of frames.
type counts struct {
	in, queued, bytes                   uint64
	tooLarge, tooShort, failed, stopped uint64
}

// shown is what other goroutines may read of counts; stored once a batch.
type shown struct {
	in, bytes, tooLarge, tooShort, failed, stopped atomic.Uint64
	finished, refused                              atomic.Uint64
}

// Open opens an interface for sending, in the network namespace of the calling
// thread. It takes root or CAP_NET_RAW.
func Open(o Options) (_ *Sender, err error) {
	s := &Sender{engine: EngineAFPacket, why: "packet socket; --engine afxdp uses an AF_XDP TX ring"}
	if s.link, err = openLink(o.Interface); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if o.Engine != EngineAFPacket {
		ring, err := openRing(s.link, o.Engine == EngineAFXDP)
		switch {
		case err == nil:
			s.engine, s.port = EngineAFXDP, ring
			s.why = "AF_XDP TX ring, past the host's queueing; --engine afpacket uses a packet socket"
			return s, nil
		case o.Engine == EngineAFXDP:
			return nil, fmt.Errorf("send on %s: %w", o.Interface, err)
		}
		s.why = fmt.Sprintf("packet socket, because there is no AF_XDP TX ring to be had (%v); --engine afxdp insists on one", err)
	}
	socket, err := openPacketSocket(s.link)
	if err != nil {
		return nil, fmt.Errorf("send on %s: %w", o.Interface, err)
	}
	s.port = socket
	return s, nil
}

// Engine is the one obtained, and in one line why.
func (s *Sender) Engine() (obtained Engine, why string) { return s.engine, s.why }

// Send queues one frame; it leaves with the next Flush at the latest, and must
// stay as it is until then. Where there is no room, Send waits. An error means
// that the interface is of no use any more, or that ctx ended; the frame is
// counted all the same.
func (s *Sender) Send(ctx context.Context, frame []byte) error {
	s.n.in++
	switch {
	case len(frame) < ethernetLen:
		s.n.tooShort++
		return nil
	case len(frame) > s.link.longest(frame):
		s.n.tooLarge++
		return nil
	}
	for !s.port.put(frame) {
		if err := s.push(ctx); err != nil {
			s.give(1, err)
			return err
		}
	}
	s.stuck.since = time.Time{}
	s.n.queued++
	s.n.bytes += uint64(len(frame))
	return nil
}

// Refuse counts n frames that there was no more time or no more link for,
// because of err.
func (s *Sender) Refuse(n int, err error) {
	s.n.in += uint64(n)
	s.give(n, err)
	s.publish()
}

// give counts frames that were not queued.
func (s *Sender) give(n int, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		s.n.stopped += uint64(n)
		return
	}
	s.n.failed += uint64(n)
}

// Flush hands everything queued to the kernel and waits until it was taken.
func (s *Sender) Flush(ctx context.Context) error {
	defer s.publish()
	if err := s.link.check(); err != nil {
		return err
	}
	for {
		left, err := s.port.kick()
		if err != nil {
			return s.link.explain(err)
		}
		if left == 0 {
			s.stuck.since = time.Time{}
			return nil
		}
		if err := s.wait(ctx, left); err != nil {
			return err
		}
	}
}

// push makes room: it hands over what is queued, and waits a moment if that
// changes nothing.
func (s *Sender) push(ctx context.Context) error {
	left, err := s.port.kick()
	if err != nil {
		return s.link.explain(err)
	}
	return s.wait(ctx, left)
}

// The waits for a kernel that has no room.
const (
	roomNap     = 20 * time.Microsecond
	stuckAfter  = 5 * time.Second
	drainAtMost = 2 * time.Second
)

// wait waits for the kernel to have room again: not longer than ctx, and not
// for a wire that takes nothing at all.
func (s *Sender) wait(ctx context.Context, left int) error {
	finished, _ := s.port.done()
	now := time.Now()
	if s.stuck.since.IsZero() || s.stuck.finished != finished || s.stuck.left != left {
		s.stuck = stuck{now, finished, left}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.link.check(); err != nil {
		return err
	}
	if now.Sub(s.stuck.since) > stuckAfter {
		return fmt.Errorf("send on %s: the interface has taken no frame for %v, %d wait: is it paused by its peer? `ip -s link show %s`",
			s.link.name, stuckAfter, left, s.link.name)
	}
	capture.Nap(roomNap)
	return nil
}

// Drain flushes and waits until the kernel is done with every frame, not longer
// than two seconds: those it is not done with count as not sent.
func (s *Sender) Drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainAtMost)
	defer cancel()
	err := s.Flush(ctx)
	for err == nil {
		finished, _ := s.port.done()
		if finished == s.n.queued {
			break
		}
		err = s.push(ctx)
	}
	_, _ = s.port.kick() // also behind an error: what came home meanwhile counts
	finished, _ := s.port.done()
	s.n.failed += s.n.queued - finished
	s.publish()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("send on %s: %d frames were still on their way after %v", s.link.name, s.n.queued-finished, drainAtMost)
	}
	return err
}

// publish shows the counts to other goroutines.
func (s *Sender) publish() {
	finished, refused := s.port.done()
	v := &s.shown
	v.in.Store(s.n.in) // before what became of them
	v.bytes.Store(s.n.bytes)
	v.tooLarge.Store(s.n.tooLarge)
	v.tooShort.Store(s.n.tooShort)
	v.failed.Store(s.n.failed)
	v.stopped.Store(s.n.stopped)
	v.refused.Store(refused)
	v.finished.Store(finished)
}

// Room is the account of what was sent.
func (s *Sender) Room() ledger.Room {
	v := &s.shown
	// In last: what moves on in between shows as in flight.
	refused := v.refused.Load()
	r := ledger.Room{Room: "wire", Out: v.finished.Load() - refused}
	r.Drop(ledger.TooLarge, v.tooLarge.Load())
	r.Drop(ledger.TooShort, v.tooShort.Load())
	r.Drop(ledger.SendFailed, v.failed.Load()+refused)
	r.Drop(ledger.Shutdown, v.stopped.Load())
	r.In = v.in.Load()
	return r
}

// Bytes is how many bytes of frames were queued.
func (s *Sender) Bytes() uint64 { return s.shown.bytes.Load() }

// Close closes the way to the wire.
func (s *Sender) Close() error {
	var errs []error
	if s.port != nil {
		errs = append(errs, s.port.close())
	}
	return errors.Join(append(errs, s.link.close())...)
}
