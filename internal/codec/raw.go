package codec

import (
	"encoding/binary"
	"fmt"

	"xcapa/internal/packet"
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
	h.TimestampNanos = int64(binary.BigEndian.Uint64(b))
	h.OrigLen = binary.BigEndian.Uint32(b[8:])
	h.LinkType = binary.BigEndian.Uint16(b[12:])
	h.Queue = binary.BigEndian.Uint16(b[14:])
	h.Sequence = binary.BigEndian.Uint64(b[16:])
	return nil
}

// AppendFlowKey appends the key of a json message: 8 bytes, a hash of
// addresses, protocol and ports that is the same for both directions, so that
// a flow stays in one partition. Fragments of a datagram have no ports and may
// stand in another. Packets without IP go by their MAC addresses.
func AppendFlowKey(dst []byte, r *record.Record) []byte {
	return binary.BigEndian.AppendUint64(dst, FlowHash(r))
}

// FlowHash is the symmetric hash of AppendFlowKey. It does not allocate; its
// values may change from version to version.
func FlowHash(r *record.Record) uint64 {
	var a, b uint64 // one for each end: exchanging them changes nothing below
	var protocol uint64
	const addresses = 1<<packet.FieldSourceAddress | 1<<packet.FieldDestinationAddress
	if r.Present&addresses == addresses {
		a, b = foldAddress(&r.SourceAddress), foldAddress(&r.DestinationAddress)
		if r.Present&groupPorts == groupPorts {
			a, b = mix(a^uint64(r.SourcePort)), mix(b^uint64(r.DestinationPort))
		}
		if r.Present.Has(packet.FieldProtocol) {
			protocol = uint64(r.Protocol)
		}
		return mix((a + b) ^ protocol)
	}
	if r.Present.Has(packet.FieldSourceMAC) {
		a = foldMAC(&r.SourceMAC)
	}
	if r.Present.Has(packet.FieldDestinationMAC) {
		b = foldMAC(&r.DestinationMAC)
	}
	return mix(a + b)
}

func foldAddress(a *[16]byte) uint64 {
	return mix(mix(binary.BigEndian.Uint64(a[:8])) ^ binary.BigEndian.Uint64(a[8:]))
}

func foldMAC(m *[6]byte) uint64 {
	return mix(uint64(binary.BigEndian.Uint16(m[:]))<<32 | uint64(binary.BigEndian.Uint32(m[2:])))
}

// mix spreads every bit of v over the result: the finaliser of MurmurHash3,
// whose constants are Austin Appleby's and in the public domain.
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15 // 0 must not stay 0
	v ^= v >> 33
	v *= 0xff51afd7ed558ccd
	v ^= v >> 33
	v *= 0xc4ceb9fe1a85ec53
	return v ^ v>>33
}
