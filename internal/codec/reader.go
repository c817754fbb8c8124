package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// Encoding is a form of message values.
type Encoding uint8

const (
	EncodingAuto  Encoding = iota // recognised message by message; never raw
	EncodingArrow                 // blocks
	EncodingJSON                  // documents
	EncodingRaw                   // frames, decoded by the reader

	// Those of Logisland's serializers, for one packet each.
	EncodingSeedJSON     // JsonSerializer, repaired
	EncodingExtendedJSON // ExtendedJsonSerializer
	EncodingString       // StringSerializer; cannot be read
	EncodingAvro         // AvroSerializer with the schema of AvroSchema
)

var encodingNames = [...]string{"auto", "arrow", "json", "raw", "seed-json", "extended-json", "string", "avro"}

// String is the name used on the command line.
func (e Encoding) String() string {
	if int(e) < len(encodingNames) {
		return encodingNames[e]
	}
	return "unknown"
}

// ParseEncoding is the inverse of String; "" is EncodingAuto.
func ParseEncoding(name string) (Encoding, error) {
	for i, n := range encodingNames {
		if n == name || name == "" {
			return Encoding(i), nil
		}
	}
	return 0, fmt.Errorf("read encoding %q: use auto, arrow, json, raw, seed-json, extended-json, string or avro", name)
}

// The codes of UnreadableError.
const (
	CodeUnknownEncoding = "unknown_encoding"
	CodeBadArrow        = "bad_arrow"
	CodeBadJSON         = "bad_json"
)

// UnreadableError says that a message cannot be read, now or ever: it belongs
// into the errors topic. No row of it was given away.
type UnreadableError struct {
	Code string // CodeX
	Err  error
}

func (e *UnreadableError) Error() string { return e.Code + ": " + e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return e.Err }

func unreadable(code, format string, args ...any) error {
	return &UnreadableError{Code: code, Err: fmt.Errorf(format, args...)}
}

// Reader turns messages into rows. One goroutine at a time.
type Reader struct {
	encoding Encoding
	block    block
	row      Row
	origin   record.Origin
	ids      []byte // of all rows of the message
}

// NewReader returns a reader for one encoding, or for whatever comes.
func NewReader(e Encoding) *Reader { return &Reader{encoding: e} }

// Read calls fn for each record of m, in order. row, its ID and its options are
// valid until the next Read and as long as m's bytes are; fn may copy *row but
// must not keep the pointer. An error of fn ends the reading and comes back as
// it is; a message that cannot be read gives an *UnreadableError before fn was
// called once.
//
// Bad bytes never panic and never make Read allocate more than a small multiple
// of the message's own size.
func (rd *Reader) Read(m *message.Message, fn func(row *Row) error) error {
	rd.row = Row{Origin: &rd.origin}
	rd.origin = record.Origin{}
	rd.ids = rd.ids[:0]
	switch e := rd.recognise(m); e {
	case EncodingArrow:
		return rd.readArrow(m, fn)
	case EncodingJSON, EncodingSeedJSON, EncodingExtendedJSON:
		return rd.readJSON(m, fn)
	case EncodingRaw:
		return rd.readRaw(m, fn)
	}
	if err := CheckKryo(m); err != nil {
		return err
	}
	return unreadable(CodeUnknownEncoding, "value of %d bytes is neither an Arrow stream nor JSON; name its encoding with --encoding", len(m.Value))
}

func (rd *Reader) recognise(m *message.Message) Encoding {
	switch {
	case rd.encoding != EncodingAuto:
		return rd.encoding
	case m.Header(message.HeaderSchema) != nil, bytes.HasPrefix(m.Value, []byte{0xff, 0xff, 0xff, 0xff}):
		return EncodingArrow
	case len(m.Value) > 0 && m.Value[0] == '{':
		return EncodingJSON
	}
	return EncodingAuto
}

// readJSON gives the document itself. It is checked to be one JSON object and,
// if it has line breaks between its fields, put on one line: a bulk request
// must not take it for more than one.
func (rd *Reader) readJSON(m *message.Message, fn func(row *Row) error) error {
	row := &rd.row
	haveTime, seed := false, false
	doc := m.Value
	field := func(key, value []byte) (err error) {
		switch string(key) {
		case keyCreationDate:
			seed = true
		case record.NameID:
			id, ok := jsonString(value)
			if !ok || len(id) == 0 {
				return fmt.Errorf("field %s: %.40s is no id", key, value)
			}
			row.ID = id
		case record.NameNanos:
			haveTime = true
			row.TimestampNanos, err = strconv.ParseInt(string(value), 10, 64)
		case record.NameTimestamp:
			if !haveTime {
				row.TimestampNanos, err = parseTime(value)
			}
		}
		return err
	}
	err := scanObject(doc, field)
	if seed { // of Logisland's: the fields count, not what stands around them
		if doc = flatten(m.Value); doc == nil {
			return unreadable(CodeBadJSON, "a document of Logisland's without a time")
		}
		row.ID, haveTime = nil, false
		err = scanObject(doc, field)
	}
	if err != nil {
		return &UnreadableError{CodeBadJSON, err}
	}
	if row.JSON = doc; bytes.IndexByte(row.JSON, '\n') >= 0 {
		var line bytes.Buffer
		if err := json.Compact(&line, doc); err != nil {
			return &UnreadableError{CodeBadJSON, err}
		}
		row.JSON = line.Bytes()
	}
	if row.ID == nil {
		row.ID = appendPosition(nil, m)
	}
	return fn(row)
}

// appendPosition appends topic-partition-offset.
func appendPosition(dst []byte, m *message.Message) []byte {
	return strconv.AppendInt(append(appendPartition(dst, m), '-'), m.Offset, 10)
}

// appendPartition appends topic-partition: the source of what is read there.
func appendPartition(dst []byte, m *message.Message) []byte {
	dst = append(append(dst, m.Topic...), '-')
	return strconv.AppendInt(dst, int64(m.Partition), 10)
}

// readRaw decodes the frame, with what key and header say of it.
func (rd *Reader) readRaw(m *message.Message, fn func(row *Row) error) error {
	r := &rd.row.Record
	ParseRaw(m, r)
	rd.origin.Source = string(appendPartition(nil, m))
	rd.ids = record.AppendID(rd.ids, r, &rd.origin)
	rd.row.ID = rd.ids
	return fn(&rd.row)
}

// ParseRaw decodes the frame of a raw message into r, replacing every field. Time,
// length on the wire, link type and sequence come from the header beside it; a
// message without one is pycapa's or fastcapa's: time from the key, an Ethernet
// frame as long as the value. Without a usable key the message's own time
// counts. The origin of r is topic-partition; its offset is set.
//
// Slices of r are views into m.Value.
func ParseRaw(m *message.Message, r *record.Record) {
	h, haveHeader := rawHeaderOf(m)
	r.SetPacket(h.LinkType, m.Value, max(h.OrigLen, uint32(len(m.Value))), h.TimestampNanos)
	r.SourceOffset = m.Offset
	r.Present |= 1 << record.FieldSourceOffset
	if haveHeader {
		r.Sequence = h.Sequence
		r.Present |= 1 << record.FieldSequence
	}
}

// RawHeaderOf is what a raw message says of its frame; see ParseRaw for where
// it comes from.
func RawHeaderOf(m *message.Message) RawHeader {
	h, _ := rawHeaderOf(m)
	return h
}

func rawHeaderOf(m *message.Message) (h RawHeader, complete bool) {
	h = RawHeader{LinkType: packet.LinkTypeEthernet, OrigLen: uint32(len(m.Value))}
	// No error is made where it is absent, as in every message of other probes.
	if beside := m.Header(message.HeaderRaw); len(beside) >= RawHeaderLen {
		parseRawHeader(beside, &h)
		return h, true
	}
	var ok bool
	if h.TimestampNanos, ok = ParseRawKey(m.Key); !ok {
		h.TimestampNanos = m.Time.UnixNano()
	}
	return h, false
}
