package indexer

import (
	"sync/atomic"

	"xcapa/internal/ledger"
	"xcapa/internal/packet"
)

// books count packets: fetch takes in what the worker takes, decode gives rows
// to the destination and failures to the errors topic.
type books struct {
	messages atomic.Uint64 // read, or found unreadable
	in       atomic.Uint64 // packets taken
	rows     atomic.Uint64 // of them, handed to the destination
	failed   atomic.Uint64 // of them, in the errors topic
	back     atomic.Uint64 // of rows, not taken by the destination
	byStatus [packet.NumStatus]atomic.Uint64
	ended    atomic.Bool
}

// read counts messages whose packets are handed on.
func (b *books) read(t *Tally) {
	for s, n := range t.ByStatus {
		if n > 0 && s != int(packet.StatusWhole) {
			b.byStatus[s].Add(n)
		}
	}
	b.messages.Add(t.Messages)
	b.in.Add(t.Packets)
	b.rows.Add(t.Packets)
}

// unreadable counts what cannot be read, recorded that it is in the errors topic.
func (b *books) unreadable(n uint64) { b.messages.Add(1); b.in.Add(n) }
func (b *books) recorded(n uint64)   { b.failed.Add(n) }

// notTaken corrects the books after a Write that failed: taken is how many rows
// the destination has counted so far, all of them from here.
func (b *books) notTaken(taken uint64) {
	if rows := b.rows.Load(); rows > taken {
		b.back.Store(rows - taken)
	}
}

// end says that nothing more will come: what is missing stays uncommitted.
func (b *books) end() { b.ended.Store(true) }

// Rooms is the account of the stage and what it writes to: fetch, decode, and
// kafka, elastic or parquet. While running, or after Run before the destination is closed, what
// is not settled stands in flight. Passed are packets handed back: their offsets
// stay uncommitted, Kafka delivers them again.
func (s *Stage) Rooms() []ledger.Room {
	dest := s.room() // from the back: a packet is counted in front first
	b := &s.books
	failed, rows, back := b.failed.Load(), b.rows.Load(), b.back.Load()
	in := b.in.Load()
	fetch := ledger.Room{Room: "fetch", In: in, Out: in, Messages: b.messages.Load()}
	decode := ledger.Room{Room: "decode", In: in, Out: rows - back + failed, Passed: back}
	for s := range b.byStatus {
		if n := b.byStatus[s].Load(); n > 0 {
			if decode.ByStatus == nil {
				decode.ByStatus = map[string]uint64{}
			}
			decode.ByStatus[packet.Status(s).String()] = n
		}
	}
	if b.ended.Load() {
		decode.Passed = decode.In - decode.Out
	}
	decode.Counts = map[string]uint64{}
	for name, n := range map[string]uint64{ledger.ErrorsTopic: failed, "given_back": decode.Passed} {
		if n > 0 {
			decode.Counts[name] = n
		}
	}
	return []ledger.Room{fetch, decode, dest}
}
