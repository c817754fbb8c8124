package kafka

import (
	"sync/atomic"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// books counts what passes a producer, in packets and in messages.
type books struct {
	in, out     atomic.Uint64 // packets
	outMessages atomic.Uint64
	lost        [len(lossReasons)]atomic.Uint64 // packets, by index in lossReasons
	lostErr     atomic.Pointer[error]
}

// lossReasons are the reasons of this room.
var lossReasons = [...]ledger.Reason{ledger.BufferFull, ledger.DeliveryFailed, ledger.TooLarge, ledger.Shutdown}

func (b *books) handed(m *message.Message) { b.in.Add(uint64(m.Packets)) }

func (b *books) acked(m *message.Message) {
	b.out.Add(uint64(m.Packets))
	b.outMessages.Add(1)
}

func (b *books) dropped(m *message.Message, err error) {
	reason := Reason(err)
	for i, r := range lossReasons {
		if r == reason {
			b.lost[i].Add(uint64(m.Packets))
		}
	}
	// A full buffer is the consequence, not the cause: keep the cause.
	if reason != ledger.BufferFull {
		cause := err // only this one is moved to the heap
		b.lostErr.Store(&cause)
	}
}

func (b *books) last() error {
	if p := b.lostErr.Load(); p != nil {
		return *p
	}
	return nil
}

// room reads the outcomes before the intake: a message settled in between would
// otherwise show as more out than in.
func (b *books) room() ledger.Room {
	r := ledger.Room{Room: "kafka", Out: b.out.Load(), Messages: b.outMessages.Load(), Dropped: map[ledger.Reason]uint64{}}
	for i, reason := range lossReasons {
		r.Drop(reason, b.lost[i].Load())
	}
	r.In = b.in.Load()
	return r
}
