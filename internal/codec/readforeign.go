package codec

import (
	"encoding/binary"
	"fmt"

	"xcapa/internal/record"
)

// parseAny reads a stream that has the columns of a block in another layout:
// another order, missing or unknown columns, another writer. Not by arrow-go's
// reader: it believes the lengths in the metadata, and a few hostile bytes make
// it ask for gigabytes, which no recover undoes.
//
// What blocks do not use is refused: nesting, dictionaries, views, compression,
// big endian, more than one batch.
func (b *block) parseAny(stream []byte) error {
	*b = block{}
	meta, body, rest, err := nextMessage(stream, headerTypeSchema)
	if err != nil || len(body) != 0 {
		return fmt.Errorf("read the schema of an Arrow stream: %w", orMalformed(err))
	}
	fields, err := foreignSchema(meta)
	if err != nil {
		return fmt.Errorf("read the schema of an Arrow stream: %w", err)
	}
	meta, body, rest, err = nextMessage(rest, headerTypeRecordBatch)
	if err != nil {
		return fmt.Errorf("read the record batch of an Arrow stream: %w", err)
	}
	if len(rest) != 0 && string(rest) != string(endOfStream) {
		return fmt.Errorf("read an Arrow stream: %d bytes follow its first record batch; send each batch as a message of its own", len(rest))
	}
	if err := b.takeBatch(meta, body, fields); err != nil {
		return fmt.Errorf("read the record batch of an Arrow stream: %w", err)
	}
	return nil
}

var errMalformed = fmt.Errorf("malformed metadata; write the message anew")

func orMalformed(err error) error {
	if err == nil {
		return errMalformed
	}
	return err
}

// nextMessage takes one framed message of a kind from the front of stream: its
// header table and its body.
func nextMessage(stream []byte, kind byte) (header fbTable, body, rest []byte, err error) {
	if len(stream) < frameLen || binary.LittleEndian.Uint32(stream) != continuation {
		return header, nil, nil, fmt.Errorf("no message begins with ff ff ff ff at %d bytes before the end", len(stream))
	}
	size := binary.LittleEndian.Uint32(stream[4:])
	if stream = stream[frameLen:]; uint64(size) > uint64(len(stream)) {
		return header, nil, nil, fmt.Errorf("metadata of %d bytes, %d are left", size, len(stream))
	}
	meta, rest := stream[:size], stream[size:]
	message, ok := fbRoot(meta)
	typ, ok2 := message.byte(slotMessageHeaderType)
	length, ok3 := message.int64(slotMessageBodyLength)
	header, ok4 := message.table(slotMessageHeader)
	if !ok || !ok2 || !ok3 || !ok4 || typ != kind {
		return header, nil, nil, errMalformed
	}
	if length < 0 || length > int64(len(rest)) {
		return header, nil, nil, fmt.Errorf("body of %d bytes, %d are left", length, len(rest))
	}
	return header, rest[:length], rest[length:], nil
}

// foreignField is one column of a foreign schema: which of ours it is, or -1,
// and how many buffers it has.
type foreignField struct {
	column  int
	buffers int
}

// The types of Arrow format/Schema.fbs, by their number in the union Type.
const (
	typeNull            = 1
	typeInt             = 2
	typeFloat           = 3
	typeBinary          = 4
	typeUtf8            = 5
	typeBool            = 6
	typeDecimal         = 7
	typeDate            = 8
	typeTime            = 9
	typeTimestamp       = 10
	typeInterval        = 11
	typeFixedSizeBinary = 15
	typeDuration        = 18
	typeLargeBinary     = 19
	typeLargeUtf8       = 20
)

// buffersOf is the number of buffers of a column of each flat type.
var buffersOf = map[byte]int{
	typeNull: 0, typeInt: 2, typeFloat: 2, typeBool: 2, typeDecimal: 2, typeDate: 2, typeTime: 2, typeTimestamp: 2,
	typeInterval: 2, typeFixedSizeBinary: 2, typeDuration: 2, typeBinary: 3, typeUtf8: 3, typeLargeBinary: 3, typeLargeUtf8: 3,
}

// maxForeignColumns bounds what one message makes us look at.
const maxForeignColumns = 4096

func foreignSchema(schema fbTable) ([]foreignField, error) {
	endianness, ok := schema.int16(slotSchemaEndianness)
	at, n, ok2 := schema.vector(slotSchemaFields, 4)
	if !ok || !ok2 || endianness != 0 || n > maxForeignColumns {
		return nil, errMalformed
	}
	fields := make([]foreignField, 0, n)
	seen := [maxColumns]bool{}
	for i := range n {
		off, ok := fbU32(schema.buf, at+4*i)
		field := fbTable{schema.buf, at + 4*i + off}
		name, okName := field.string(slotFieldName)
		typ, okType := field.byte(slotFieldType)
		dictionary, okDict := field.slot(slotFieldDictionary)
		_, children, okChildren := field.vector(slotFieldChildren, 4)
		buffers, flat := buffersOf[typ]
		if !ok || !okName || !okType || !okDict || !okChildren {
			return nil, errMalformed
		}
		if !flat || dictionary != 0 || children != 0 {
			return nil, fmt.Errorf("column %.40q is nested, a view or a dictionary; write it flat", name)
		}
		f := foreignField{column: -1, buffers: buffers}
		if k, ours := columnIndex[string(name)]; ours {
			want := columnTypes[k]
			if !hasType(field, typ, want) || seen[k] {
				return nil, fmt.Errorf("column %s stands there twice or with another type; write it once, as %s", name, want)
			}
			f.column, seen[k] = k, true
		}
		fields = append(fields, f)
	}
	if !seen[nanosColumn] {
		return nil, fmt.Errorf("column %s is missing", record.NameNanos)
	}
	return fields, nil
}

var columnIndex = func() map[string]int {
	m := map[string]int{}
	for k, in := range record.Columns() {
		m[in.Name] = k
	}
	return m
}()

var columnTypes = func() (t []record.ArrowType) {
	for _, in := range record.Columns() {
		t = append(t, in.Arrow)
	}
	return t
}()

// hasType reports whether a field's type is ours.
func hasType(field fbTable, typ byte, want record.ArrowType) bool {
	t, ok := field.table(slotFieldTypeTable)
	if !ok {
		return false
	}
	switch want {
	case record.ArrowBinary:
		return typ == typeBinary
	case record.ArrowFixed6, record.ArrowFixed16:
		width, ok := t.int32(0)
		return typ == typeFixedSizeBinary && ok && int(width) == want.Width()
	case record.ArrowTimestamp: // {unit, timezone}
		unit, ok := t.int16(0)
		const nanosecond = 3
		return typ == typeTimestamp && ok && unit == nanosecond
	}
	bits, ok := t.int32(0) // {bitWidth, is_signed}
	signed, ok2 := t.byte(1)
	return typ == typeInt && ok && ok2 && int(bits) == 8*want.Width() && (signed != 0) == (want == record.ArrowInt64)
}

// takeBatch finds the block's columns among a batch's nodes and buffers.
func (b *block) takeBatch(batch fbTable, body []byte, fields []foreignField) error {
	rows, ok := batch.int64(slotBatchLength)
	compression, ok2 := batch.slot(slotBatchCompression)
	if !ok || !ok2 || rows <= 0 || rows > int64(len(body))/8 { // each row has at least a time
		return fmt.Errorf("no rows, or %d of them in %d bytes", rows, len(body))
	}
	if compression != 0 {
		return fmt.Errorf("its buffers are compressed; let Kafka compress the message instead")
	}
	b.rows = int(rows)
	nodeAt, nodes, ok := batch.vector(slotBatchNodes, 16)
	bufferAt, buffers, ok2 := batch.vector(slotBatchBuffers, 16)
	if !ok || !ok2 || nodes != len(fields) {
		return errMalformed
	}
	p := bufferWalk{meta: batch.buf, body: body, rows: uint64(rows), node: nodeAt, buffer: bufferAt}
	left := buffers
	for _, f := range fields {
		if left -= f.buffers; left < 0 {
			return errMalformed
		}
		if f.column < 0 {
			p.node += 16
			p.buffer += 16 * f.buffers
			continue
		}
		nulls, validity, ok := p.column()
		var offsets []byte
		ok2 := true
		if f.buffers == 3 {
			offsets, ok2 = p.next()
		}
		data, ok3 := p.next()
		if !ok || !ok2 || !ok3 || !b.columns[f.column].set(b.rows, nulls, columnTypes[f.column].Width(), validity, offsets, data) {
			return fmt.Errorf("column %s has buffers too short for %d rows", record.Columns()[f.column].Name, rows)
		}
	}
	if b.columns[nanosColumn].state != columnFull {
		return fmt.Errorf("column %s has nulls", record.NameNanos)
	}
	return nil
}
