// Package capture is the contract between the engines that take frames from an
// interface (or a file) and the workers that decode them.
//
// In: an engine (afxdp, asavie, afpacket, replay) opens a Device with one
// Source per RX queue. Out: batches of Frames, views into the engine's memory.
//
// Non-obvious:
//   - A Frame's bytes belong to the engine until Release. Refilling earlier
//     lets the kernel overwrite what is being read.
//   - A VLAN tag the NIC stripped is put back by the engine: Frame.Data is the
//     frame as it was on the wire.
//   - Detach comes before Close: first no new frames, then drain, then unmap.
package capture

import (
	"errors"
	"time"

	"xcapa/internal/ledger"
)

// Frame is one captured frame. Data starts at the link-layer header (Ethernet:
// the destination MAC address) and holds CapLen = len(Data) bytes.
type Frame struct {
	Data           []byte
	TimestampNanos int64  // ns since the Unix epoch, UTC
	Sequence       uint64 // number of the frame on its queue; a hole is a loss
	OrigLen        uint32 // bytes on the wire
}

// ErrClosed is returned by Receive once the source is exhausted (a file at its
// end) or closed; no frame will come any more.
var ErrClosed = errors.New("capture source closed")

// Source is one RX queue of a Device, used by one goroutine.
type Source interface {
	// Receive fills frames from the queue and returns how many; it waits up to
	// wait for the first one and then takes what is there. 0, nil means that
	// wait passed. The frames are valid until Release. An error is final.
	Receive(frames []Frame, wait time.Duration) (int, error)
	// Release gives every frame received so far back to the engine.
	Release()
	// Queue is the RX queue number; 0 where there is only one.
	Queue() int
}

// Lender is a Source whose frames can come home one by one and in any order, for
// a receiver that shares them out among several workers.
type Lender interface {
	Source
	// Lend says that frames will come home by Return, and not by Release. It
	// comes before the first Receive.
	Lend()
	// Return gives frames back to the engine, each of them once; Data is as
	// Receive gave it. The receiver's goroutine calls it.
	Return(frames []Frame)
	// Frames is how many frames the engine has memory for.
	Frames() int
}

// Device is an opened interface (or file): its sources, its books, its end.
type Device interface {
	// Sources has one entry per RX queue; their number does not change.
	Sources() []Source
	// Rooms are the rooms this engine accounts for, in order: xdp and ring, or
	// socket, or file. Exact after Detach and after every source is drained.
	// May be called from any goroutine at any time.
	Rooms() []ledger.Room
	// Info says what was asked for and what was obtained.
	Info() Info
	// Detach stops new frames from arriving. Frames already in the rings can
	// still be received: a source is drained when Receive returns 0, nil twice.
	Detach() error
	// Close undoes everything Open did. It may be called twice.
	Close() error
}

// Info describes an opened device, for the banner, doctor and the page.
type Info struct {
	Interface string
	Run       string   // 12 hex digits drawn at this attach; part of every record_id
	LinkType  uint16   // LINKTYPE number of Frame.Data
	Engine    string   // afxdp, asavie, afpacket, file
	Mode      string   // native, generic, or "" where it does not apply
	ZeroCopy  bool     // obtained, not asked for
	Queues    int      //
	Workers   int      // goroutines that share the queues' frames out among them; 0: one for each queue
	Program   string   // xsk_redirect or xsk_redirect_meta
	Why       string   // one line: why this engine was taken and which flag changes it
	Notes     []string // one line each: what was not obtained and what is lost by it
}
