package fanout

import (
	"fmt"
	"sync"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
)

// Device is a capture.Device whose queues are shared out among more workers than
// there are queues.
type Device struct {
	capture.Device
	sources   []capture.Source
	receivers []*receiver
	close     sync.Once
	closed    error
}

// New shares the queues of d out among so many workers, more than there are
// queues, and takes d over: closing the result closes it. batch is how many
// frames are taken from a queue at once. Queues get as many workers as each
// other, or one more; a queue with one worker needs no receiver and is that
// worker's own.
//
// After an error d is as it was.
func New(d capture.Device, workers, batch int) (*Device, error) {
	queues := d.Sources()
	if workers < len(queues) {
		return nil, fmt.Errorf("%d workers for %d queues of %s: each queue needs one at least; use fewer queues (ethtool -L) or more workers", workers, len(queues), d.Info().Interface)
	}
	lenders := make([]capture.Lender, len(queues))
	for i, s := range queues {
		lender, ok := s.(capture.Lender)
		if !ok {
			return nil, fmt.Errorf("%d workers for %d queues of %s: the engine %s cannot share a queue out: use --engine afxdp or afpacket", workers, len(queues), d.Info().Interface, d.Info().Engine)
		}
		lenders[i] = lender
	}
	f := &Device{Device: d}
	for i, lender := range lenders {
		n := workers / len(queues)
		if i < workers%len(queues) {
			n++
		}
		if n == 1 {
			f.sources = append(f.sources, lender)
			continue
		}
		r := newReceiver(lender, d.Info().LinkType, n, batch)
		f.receivers = append(f.receivers, r)
		for _, ring := range r.rings {
			f.sources = append(f.sources, newSource(r, ring))
		}
	}
	for _, r := range f.receivers {
		go r.run()
	}
	return f, nil
}

// Sources has one entry per worker; those of one queue have its number.
func (f *Device) Sources() []capture.Source { return f.sources }

// Rooms are the engine's. What found its worker's ring full is a loss of the
// last of them.
func (f *Device) Rooms() []ledger.Room {
	var lost uint64
	for _, r := range f.receivers {
		lost += r.lost.Load()
	}
	rooms := f.Device.Rooms()
	last := &rooms[len(rooms)-1]
	last.Out -= lost
	last.Drop(ledger.WorkerFull, lost)
	return rooms
}

// Info is the engine's, with the number of workers.
func (f *Device) Info() capture.Info {
	info := f.Device.Info()
	info.Workers = len(f.sources)
	return info
}

// Silence says why no frame has come, where the engine can.
func (f *Device) Silence() string {
	if s, ok := f.Device.(interface{ Silence() string }); ok {
		return s.Silence()
	}
	return ""
}

// Detach stops new frames from arriving. The receivers go on until the queues
// are empty; a source is drained when its Receive returns 0, nil twice.
func (f *Device) Detach() error {
	err := f.Device.Detach()
	for _, r := range f.receivers {
		r.detached.Store(true)
	}
	return err
}

// Close ends the receivers and closes the engine; frames received are gone with
// it. It may be called twice.
func (f *Device) Close() error {
	f.close.Do(func() {
		for _, r := range f.receivers {
			r.stop.Store(true)
		}
		// Before the memory goes: a receiver reads frames.
		for _, r := range f.receivers {
			<-r.ended
		}
		f.closed = f.Device.Close()
	})
	return f.closed
}
