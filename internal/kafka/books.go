package kafka

import (
	"sync/atomic"

	"xcapa/internal/ledger"
)

// books counts what passes a producer. What the goroutines that hand over write
// and what the client's promise goroutine writes stand on cache lines of their
// own, and neither side reads the other's per message: shared counters cost
// more than everything else here when each packet is a message.
type books struct {
	_      cacheLine
	handed intake
	_      cacheLine
	told   outcome
	_      cacheLine
	lost   atomic.Pointer[error] // why the latest loss that is a cause
}

// A cacheLine keeps its neighbours apart: 64 bytes, and the next line, which
// the processor fetches along.
type cacheLine [128]byte

// intake is written by those who hand messages over.
type intake struct {
	packets  atomic.Uint64 // all that were handed over
	bytes    atomic.Int64  // charged to the buffer, ever
	messages atomic.Int64  // admitted, ever
	released atomic.Int64  // outcome.bytes when last looked at
	entering atomic.Int64  // goroutines between the closing check and the client
	refused  losses        // without having been admitted
}

// outcome is written by the client's promise goroutine.
type outcome struct {
	packets  atomic.Uint64 // acknowledged
	acked    atomic.Uint64 // messages
	bytes    atomic.Int64  // given back to the buffer, ever
	messages atomic.Int64  // settled, ever
	failed   losses
}

// losses are packets by index in lossReasons.
type losses [len(lossReasons)]atomic.Uint64

// lossReasons are the reasons of this room.
var lossReasons = [...]ledger.Reason{ledger.BufferFull, ledger.DeliveryFailed, ledger.TooLarge, ledger.Shutdown}

// admit charges size to the buffer of limit bytes if it fits.
func (b *books) admit(size, limit int64) bool {
	charged := b.handed.bytes.Add(size)
	if charged-b.handed.released.Load() <= limit {
		return true
	}
	released := b.told.bytes.Load()
	b.handed.released.Store(released)
	if charged-released <= limit {
		return true
	}
	b.handed.bytes.Add(-size)
	return false
}

// fits is whether admit would have a chance, without trying.
func (b *books) fits(size, limit int64) bool { return b.buffered()+size <= limit }

// buffered and pending are what is admitted and not settled. The outcome is
// read first, so that neither is ever too small.
func (b *books) buffered() int64 {
	released := b.told.bytes.Load()
	return b.handed.bytes.Load() - released
}

func (b *books) pending() int64 {
	settled := b.told.messages.Load()
	return b.handed.messages.Load() - settled
}

func (b *books) drop(to *losses, packets uint64, err error) {
	reason := Reason(err)
	for i, r := range lossReasons {
		if r == reason {
			to[i].Add(packets)
		}
	}
	// A full buffer is the consequence, not the cause: keep the cause.
	if reason != ledger.BufferFull {
		cause := err // only this one is moved to the heap
		b.lost.Store(&cause)
	}
}

func (b *books) lastLoss() error {
	if p := b.lost.Load(); p != nil {
		return *p
	}
	return nil
}

// room reads the outcomes before the intake: a message settled in between would
// otherwise show as more out than in.
func (b *books) room() ledger.Room {
	r := ledger.Room{Room: "kafka", Out: b.told.packets.Load(), Messages: b.told.acked.Load(), Dropped: map[ledger.Reason]uint64{}}
	for i, reason := range lossReasons {
		r.Drop(reason, b.told.failed[i].Load()+b.handed.refused[i].Load())
	}
	r.In = b.handed.packets.Load()
	return r
}
