package codec

import (
	"encoding/binary"
	"fmt"

	"xcapa/internal/record"
)

// AppendRawKey appends the key of a raw message: 8 bytes big endian,
// microseconds since 1970, as pycapa and fastcapa have it. Times before 1970,
// which the unsigned key cannot hold, become 0.
func AppendRawKey(dst []byte, nanos int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(max(nanos, 0)/1000))
}

// ParseRawKey is the inverse of AppendRawKey, to the microsecond; false for a
// key of another length, or of a time that int64 nanoseconds cannot hold (after
// the year 2262).
func ParseRawKey(key []byte) (nanos int64, ok bool) {
	if len(key) != 8 {
		return 0, false
	}
	micros := binary.BigEndian.Uint64(key)
	if micros > (1<<63-1)/1000 {
		return 0, false
	}
	return int64(micros) * 1000, true
}

// RawHeaderLen is the length of the header xcapa puts beside a raw frame.
const RawHeaderLen = 24

// RawHeader is what a raw message's key and value cannot say. On the wire, big
// endian:
//
//	0                  8                 12          14      16                 24
//	+------------------+-----------------+-----------+-------+------------------+
//	| TimestampNanos   | OrigLen         | LinkType  | Queue | Sequence         |
//	+------------------+-----------------+-----------+-------+------------------+
type RawHeader struct {
	TimestampNanos int64  // ns since 1970, UTC
	OrigLen        uint32 // bytes on the wire
	LinkType       uint16 // LINKTYPE number
	Queue          uint16 // RX queue
	Sequence       uint64 // number of the frame on its queue
}

// AppendRawHeader appends the 24 bytes of h.
func AppendRawHeader(dst []byte, h *RawHeader) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.TimestampNanos))
	dst = binary.BigEndian.AppendUint32(dst, h.OrigLen)
	dst = binary.BigEndian.AppendUint16(dst, h.LinkType)
	dst = binary.BigEndian.AppendUint16(dst, h.Queue)
	return binary.BigEndian.AppendUint64(dst, h.Sequence)
}

// ParseRawHeader is the inverse of AppendRawHeader. Bytes behind the 24 are a
// later version's and are ignored.
func ParseRawHeader(b []byte, h *RawHeader) error {
	if len(b) < RawHeaderLen {
		return fmt.Errorf("read the header of a raw message: %d bytes, want %d; it was not written by xcapa, ignore it", len(b), RawHeaderLen)
	}
	parseRawHeader(b, h)
	return nil
}

func parseRawHeader(b []byte, h *RawHeader) {
	_ = b[RawHeaderLen-1]
	h.TimestampNanos = int64(binary.BigEndian.Uint64(b))
	h.OrigLen = binary.BigEndian.Uint32(b[8:])
	h.LinkType = binary.BigEndian.Uint16(b[12:])
	h.Queue = binary.BigEndian.Uint16(b[14:])
	h.Sequence = binary.BigEndian.Uint64(b[16:])
}

// AppendFlowKey appends the key of a json message: 8 bytes, the flow hash of
// the packet, which is the same for both directions and for all fragments of a
// datagram, so that a flow stays in one partition.
func AppendFlowKey(dst []byte, r *record.Record) []byte {
	return binary.BigEndian.AppendUint64(dst, r.FlowHash())
}
