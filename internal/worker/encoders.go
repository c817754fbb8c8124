package worker

import (
	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/record"
)

// JSONEncoder makes the document Elasticsearch will get; the key is the
// symmetric flow hash.
type JSONEncoder struct {
	Origin  *record.Origin
	Options codec.JSONOptions
}

// Encode implements PacketEncoder.
func (e *JSONEncoder) Encode(dst []byte, r *record.Record, _ []byte) ([]byte, int, int) {
	dst = codec.AppendFlowKey(dst, r)
	keyEnd := len(dst)
	dst = codec.AppendJSON(dst, r, e.Origin, &e.Options)
	return dst, keyEnd, len(dst)
}

// Header implements PacketEncoder: documents carry none.
func (*JSONEncoder) Header() string { return "" }

// RawEncoder makes pycapa's message: the key is the capture time in
// microseconds, the value the frame.
type RawEncoder struct {
	LinkType uint16
	Queue    int
	Extras   bool // the header beside the frame
}

// Encode implements PacketEncoder.
func (e *RawEncoder) Encode(dst []byte, r *record.Record, frame []byte) ([]byte, int, int) {
	dst = codec.AppendRawKey(dst, r.TimestampNanos)
	keyEnd := len(dst)
	dst = append(dst, frame...)
	valueEnd := len(dst)
	if e.Extras {
		dst = codec.AppendRawHeader(dst, &codec.RawHeader{
			TimestampNanos: r.TimestampNanos, OrigLen: r.OrigLen, LinkType: r.LinkType,
			Queue: uint16(e.Queue), Sequence: r.Sequence,
		})
	}
	return dst, keyEnd, valueEnd
}

// Header implements PacketEncoder.
func (e *RawEncoder) Header() string {
	if e.Extras {
		return message.HeaderRaw
	}
	return ""
}
