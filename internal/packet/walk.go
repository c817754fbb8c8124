package packet

import "math"

// walk is the state of decodeAny: where the bytes that may be read end, and why.
// All offsets are bytes from the start of the frame; they cannot wrap, since the
// largest is some 100,000 above the length of a frame.
type walk struct {
	p       *Packet
	frame   []byte
	present FieldSet

	end   int // bytes readable as a header: the frame, later its datagram's part of it
	limit int // where the datagram ends by its own length; noLimit: not known
	wire  int // length on the wire

	zeroLayer  Layer // with zeroOffset
	zeroOffset int   // of a total or payload length of 0; 0: none was
}

const noLimit = math.MaxInt32

// decodeAny is Decode for every kind of frame.
func decodeAny(p *Packet, linkType uint16, frame []byte, origLen uint32) {
	p.Status = StatusWhole
	p.NetworkOffset, p.TransportOffset = 0, 0
	w := walk{
		p: p, frame: frame, end: len(frame), limit: noLimit,
		wire: max(len(frame), int(min(origLen, noLimit))),
	}
	w.link(linkType)
	if w.zeroOffset != 0 && p.Status == StatusWhole {
		w.stop(StatusZeroTotalLength, w.zeroLayer, w.zeroOffset, 0, 0)
	}
	p.Present = w.present
}

// stop records why decoding ends here, see Packet.
func (w *walk) stop(s Status, layer Layer, offset, need, have int) {
	w.present |= 1 << FieldStatus
	w.p.Status, w.p.StatusLayer = s, layer
	w.p.StatusOffset, w.p.StatusNeed, w.p.StatusHave = uint32(offset), uint32(need), uint32(have)
}

// whole reports whether the n bytes of a header at offset at can be read. If
// not, it records which end they crossed: snapped where the wire had them,
// truncated where the datagram or the frame itself ends before.
func (w *walk) whole(layer Layer, at, n int) bool {
	if at+n <= w.end {
		return true
	}
	s := StatusTruncated
	if at+n <= min(w.limit, w.wire) {
		s = StatusSnapped
	}
	w.stop(s, layer, at, n, w.end-at)
	return false
}

// fieldEnd says how many bytes of its header a field needs.
type fieldEnd struct {
	end   int
	field Field
}

// cut copies what there is of a header at offset at into a scratch header h, so
// that the function for whole headers can read it, and marks the fields that
// are whole.
func (w *walk) cut(h []byte, at int, fields []fieldEnd) {
	n := copy(h, w.frame[at:w.end])
	for _, f := range fields {
		if f.end <= n {
			w.present |= 1 << f.field
		}
	}
}
