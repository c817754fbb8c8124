// Package codec turns records into the bytes of Kafka messages and documents,
// and back: Arrow blocks, JSON documents, raw frames, error records.
//
// In: one reused record.Record at a time. Out: bytes appended to the caller's
// buffer (AppendX functions append to dst and return it).
package codec

import (
	"xcapa/internal/record"
)

// Row is one record read back from a message. It is valid until the reader
// reads the next message.
type Row struct {
	record.Record
	Origin *record.Origin
	ID     []byte // record_id
	JSON   []byte // the document as it came, when the message was JSON; nil: make it with AppendJSON
}

// Failure is one entry of the errors topic: a bad packet, a message that could
// not be read, or a document that was refused for good.
type Failure struct {
	TimestampNanos int64  // of the packet; without one, when the failure was noticed
	Stage          string // capture, parse, import, index
	Code           string // a decode status, or the stage's own reason
	Layer          string // "" where there is none
	Offset         int    // byte offset in the frame; -1 where there is none
	Message        string // one sentence
	Frame          []byte // the bytes of the frame or message, base64 on the wire; nil: none

	// Where it came from: a Kafka position (Topic not empty; Row -1 for the
	// whole message) or a place in a file (File not empty).
	Topic     string
	Partition int32
	Position  int64
	Row       int
	File      string
	Byte      int64

	Record   *record.Record // what did decode; nil: nothing
	Origin   *record.Origin // with Record
	Document []byte         // a refused document, as sent
	Index    string         // where it was to go
}
