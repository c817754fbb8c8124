package worker

import (
	"sync/atomic"

	"xcapa/internal/ledger"
	"xcapa/internal/packet"
)

// counts are written by the worker's goroutine alone, once a packet.
type counts struct {
	received uint64
	beyond   uint64 // received after the quota was used up
	byStatus [packet.NumStatus]uint64
}

// shared is what the others read, written once a batch. Padded on both sides so
// that no two workers, and no hot field, share a cache line with it.
type shared struct {
	_        [64]byte
	received atomic.Uint64
	beyond   atomic.Uint64
	byStatus [packet.NumStatus]atomic.Uint64
	_        [64]byte
}

func (w *Worker) publish() {
	w.shown.received.Store(w.counts.received)
	w.shown.beyond.Store(w.counts.beyond)
	for i := range w.counts.byStatus {
		w.shown.byStatus[i].Store(w.counts.byStatus[i])
	}
}

// Room is the worker's account: every frame in gives one record out. Any
// goroutine may call it; it is exact once Run has returned.
func (w *Worker) Room() ledger.Room {
	r := ledger.Room{Room: "decode", Dropped: map[ledger.Reason]uint64{}}
	for i := range w.shown.byStatus {
		n := w.shown.byStatus[i].Load()
		r.Out += n
		if s := packet.Status(i); s != packet.StatusWhole && n > 0 {
			if r.ByStatus == nil {
				r.ByStatus = map[string]uint64{}
			}
			r.ByStatus[s.String()] = n
		}
	}
	r.Passed = w.shown.beyond.Load()
	// In is read last: out can then not exceed it while the worker goes on.
	r.In = w.shown.received.Load()
	return r
}
