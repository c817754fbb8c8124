package codec

import (
	"encoding/base64"
	"math/bits"
	"slices"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// JSONOptions chooses what documents say.
type JSONOptions struct {
	Schema      record.Schema
	CommunityID bool // add community_id; SchemaLogisland only
}

// The start of every document, in the order of the table of fields.
const (
	jsonTimestamp   = `{"` + record.NameTimestamp + `":"`
	jsonID          = `","` + record.NameID + `":"`
	jsonTime        = `","` + record.NameTime + `":`
	jsonNanos       = `,"` + record.NameNanos + `":`
	jsonFrameLength = `,"` + record.NameType + `":"` + record.TypePacket + `","` +
		record.NameProcessor + `":"` + record.ProcessorName + `","` + record.NameFrameLength + `":`
	jsonCapturedLength = `,"` + record.NameCapturedLength + `":`
	jsonHost           = `,"` + record.NameHost + `":`
	jsonInterface      = `,"` + record.NameInterface + `":`
	jsonQueue          = `,"` + record.NameQueue + `":`
)

// AppendJSON appends the document of one packet: one JSON object without a
// newline, fields in the order of the table of fields, what does not apply
// absent. Integers are bare, MAC addresses aa:bb:cc:dd:ee:ff, IPv4 addresses
// dotted, IPv6 as in RFC 5952, byte strings base64. opt nil: the defaults.
//
// Does not allocate if dst has room for the document and some 5 KiB more.
func AppendJSON(dst []byte, r *record.Record, o *record.Origin, opt *JSONOptions) []byte {
	if opt != nil && opt.Schema == record.SchemaSeed {
		return appendSeedJSON(dst, r, o)
	}
	n := len(dst)
	dst = slices.Grow(dst, jsonBound(r, o))
	b := dst[:cap(dst)]

	n += copy(b[n:], jsonTimestamp)
	n = putTimestamp(b, n, r.TimestampNanos)
	n += copy(b[n:], jsonID)
	n = len(appendEscapedID(b[:n], r, o))
	n += copy(b[n:], jsonTime)
	n = putInt(b, n, floorDiv(r.TimestampNanos, 1e6))
	n += copy(b[n:], jsonNanos)
	n = putInt(b, n, r.TimestampNanos)
	n += copy(b[n:], jsonFrameLength)
	n = putUint(b, n, uint64(r.OrigLen))
	n += copy(b[n:], jsonCapturedLength)
	n = putUint(b, n, uint64(r.CapLen))
	n = putOrigin(b, n, o)

	p := uint64(r.Present) & storedFields
	for i := range jsonProgram {
		s := &jsonProgram[i]
		if m := p & s.mask; m != 0 {
			n = putFields(b, n, r, m)
		}
		switch s.then {
		case stepTCPLengths:
			n = putTCPLengths(b, n, r)
		case stepCommunityID:
			if opt != nil && opt.CommunityID {
				n = putCommunityID(b, n, r)
			}
		case stepErrors:
			n = putErrors(b, n, r)
		}
	}
	b[n] = '}'
	return b[:n+1]
}

// jsonBound is more than any document of r takes: all keys and the longest
// values, strings in which every byte is escaped (6 bytes for one), options in
// base64.
func jsonBound(r *record.Record, o *record.Origin) int {
	options := len(r.IPOptions) + len(r.IPPadding) + len(r.TCPOptions) + len(r.TCPPadding)
	return 5<<10 + 2*options + 6*(len(o.Host)+len(o.Run)+len(o.Interface)+len(o.Source))
}

// jsonStep is a run of fields whose bits ascend in document order, and what
// follows them that has no bit of its own.
type jsonStep struct {
	mask uint64
	then uint8
}

const (
	stepNothing = iota
	stepTCPLengths
	stepCommunityID
	stepErrors
)

// jsonProgram is the part of a document behind the origin, from the table.
var jsonProgram = func() (steps []jsonStep) {
	var s jsonStep
	var last packet.Field
	flush := func(then uint8) {
		s.then = then
		steps = append(steps, s)
		s, last = jsonStep{}, 0
	}
	for _, in := range record.Fields() {
		switch {
		case in.Name == record.NameSegmentLength:
			flush(stepTCPLengths)
		case in.Name == record.NameCommunityID:
			flush(stepCommunityID)
		case in.Name == record.NameErrors:
			flush(stepErrors)
		case in.Field != record.NoField && record.SchemaLogisland.Has(&in):
			if in.Field < last {
				flush(stepNothing)
			}
			s.mask |= 1 << in.Field
			last = in.Field
		}
	}
	return steps
}()

// jsonKey is `,"name":` of a field, in an array so that it is copied whole
// without a call, and how its value is written.
type jsonKey struct {
	text [46]byte
	n    uint8
	kind uint8
}

const (
	kindUint = iota
	kindMAC
	kindIPv4
	kindAddress
	kindBinary
	kindStatus
	kindChecksumStatus
)

var jsonKeys = func() (keys [64]jsonKey) {
	for _, in := range record.Fields() {
		if in.Field == record.NoField {
			continue
		}
		k := &keys[in.Field]
		text := `,"` + in.Name + `":`
		if k.n = uint8(copy(k.text[:], text)); int(k.n) != len(text) {
			panic("codec: field name " + in.Name + " is too long for jsonKey")
		}
		k.kind = jsonKind(&in)
	}
	return keys
}()

func jsonKind(in *record.Info) uint8 {
	switch in.Field {
	case packet.FieldStatus:
		return kindStatus
	case packet.FieldIPChecksumStatus, packet.FieldTransportChecksumStatus:
		return kindChecksumStatus
	case packet.FieldARPSenderIP, packet.FieldARPTargetIP:
		return kindIPv4
	}
	switch in.Arrow {
	case record.ArrowFixed6:
		return kindMAC
	case record.ArrowFixed16:
		return kindAddress
	case record.ArrowBinary:
		return kindBinary
	}
	return kindUint
}

func putKey(b []byte, n int, k *jsonKey) int {
	*(*[46]byte)(b[n:]) = k.text
	return n + int(k.n)
}

// putFields writes the fields whose bits are in m, lowest first.
func putFields(b []byte, n int, r *record.Record, m uint64) int {
	for ; m != 0; m &= m - 1 {
		f := packet.Field(bits.TrailingZeros64(m) & 63)
		k := &jsonKeys[f]
		n = putKey(b, n, k)
		switch k.kind {
		case kindUint:
			n = putUint(b, n, r.Uint(f))
		case kindMAC:
			n = putMAC(b, n, (*[6]byte)(r.Bytes(f)))
		case kindIPv4:
			v := uint32(r.Uint(f))
			b[n] = '"'
			n = putIPv4(b, n+1, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
			b[n] = '"'
			n++
		case kindAddress:
			v6 := r.Present.Has(packet.FieldIPVersion) && r.IPVersion == 6
			n = putAddress(b, n, (*[16]byte)(r.Bytes(f)), v6)
		case kindBinary:
			n = putBase64(b, n, r.Bytes(f))
		case kindStatus:
			n = putWord(b, n, packet.Status(r.Uint(f)).String())
		case kindChecksumStatus:
			n = putWord(b, n, packet.ChecksumStatus(r.Uint(f)).String())
		}
	}
	return n
}

// putOrigin writes what the records of a message share, where there is any.
func putOrigin(b []byte, n int, o *record.Origin) int {
	if o.Host != "" {
		n += copy(b[n:], jsonHost)
		n = len(appendString(b[:n], o.Host))
	}
	if o.Source != "" {
		return n
	}
	if o.Interface != "" {
		n += copy(b[n:], jsonInterface)
		n = len(appendString(b[:n], o.Interface))
	}
	n += copy(b[n:], jsonQueue)
	return putInt(b, n, int64(o.Queue))
}

// appendEscapedID appends the record's id as the inside of a JSON string. Runs
// and Kafka topics need no escaping; a name from somewhere else might.
func appendEscapedID(dst []byte, r *record.Record, o *record.Origin) []byte {
	if plain(o.Run) && plain(o.Source) {
		return record.AppendID(dst, r, o)
	}
	id := string(record.AppendID(nil, r, o))
	return appendEscaped(dst, id)
}

const (
	jsonSegmentLength = `,"` + record.NameSegmentLength + `":`
	jsonDataLength    = `,"` + record.NameDataLength + `":`
	jsonErrors        = `,"` + record.NameErrors + `":["`
)

// TCPLengths computes tcp_computed_segment_total_length and
// tcp_computed_data_length, in bytes; ok is false where r lacks what they come
// from.
func TCPLengths(r *record.Record) (segment, data uint32, ok bool) {
	const need = 1<<packet.FieldDataOffset | 1<<packet.FieldTotalLength | 1<<packet.FieldIPVersion
	if r.Present&need != need || r.IPVersion != 6 && !r.Present.Has(packet.FieldIPHeaderLen) {
		return 0, 0, false
	}
	return r.TCPSegmentLen(r.OrigLen), r.TCPDataLen(r.OrigLen), true
}

func putTCPLengths(b []byte, n int, r *record.Record) int {
	segment, data, ok := TCPLengths(r)
	if !ok {
		return n
	}
	n += copy(b[n:], jsonSegmentLength)
	n = putUint(b, n, uint64(segment))
	n += copy(b[n:], jsonDataLength)
	return putUint(b, n, uint64(data))
}

func putErrors(b []byte, n int, r *record.Record) int {
	if !r.Present.Has(packet.FieldStatus) || !r.Status.IsError() {
		return n
	}
	n += copy(b[n:], jsonErrors)
	n = len(record.AppendErrorText(b[:n], r))
	return n + copy(b[n:], `"]`)
}

func putWord(b []byte, n int, word string) int {
	b[n] = '"'
	n += 1 + copy(b[n+1:], word)
	b[n] = '"'
	return n + 1
}

func putBase64(b []byte, n int, v []byte) int {
	b[n] = '"'
	size := base64.StdEncoding.EncodedLen(len(v))
	base64.StdEncoding.Encode(b[n+1:n+1+size], v)
	n += 1 + size
	b[n] = '"'
	return n + 1
}
