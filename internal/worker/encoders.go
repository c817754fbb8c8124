package worker

import (
	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/record"
)

// DocumentEncoder makes a document of each packet: the one Elasticsearch will
// get, or one of Logisland's serializers. The key is the symmetric flow hash.
type DocumentEncoder struct {
	Origin    *record.Origin
	Documents *codec.Documents
}

// NewJSONEncoder makes the document Elasticsearch will get.
func NewJSONEncoder(o *record.Origin, options codec.JSONOptions) *DocumentEncoder {
	return &DocumentEncoder{o, codec.NewDocuments(codec.EncodingJSON, options)}
}

// Encode implements PacketEncoder.
func (e *DocumentEncoder) Encode(dst []byte, r *record.Record, frame []byte) ([]byte, int, int) {
	dst = codec.AppendFlowKey(dst, r)
	keyEnd := len(dst)
	dst = e.Documents.Append(dst, r, e.Origin, frame)
	return dst, keyEnd, len(dst)
}

// Header implements PacketEncoder: documents carry none.
func (*DocumentEncoder) Header() string { return "" }

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
