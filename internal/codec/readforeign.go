package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"xcapa/internal/record"
)

// parseAny reads a stream that has the columns of a block in another layout:
// another order, missing or unknown columns, another writer. Its framing and
// sizes are checked before arrow-go sees it, so that nothing in it makes
// arrow-go allocate more than the message is long.
func (b *block) parseAny(stream []byte) (err error) {
	if err := checkStream(stream); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // arrow-go trusts offsets inside the metadata
			err = fmt.Errorf("read an Arrow stream: malformed metadata: %v", p)
		}
	}()
	rd, err := ipc.NewReader(bytes.NewReader(stream))
	if err != nil {
		return fmt.Errorf("read an Arrow stream: %w", err)
	}
	batch, err := rd.Read()
	if err != nil {
		return fmt.Errorf("read an Arrow stream: %w", err)
	}
	if batch.NumRows() == 0 {
		return errors.New("read an Arrow stream: it has no rows")
	}
	return b.take(batch) // its memory is Go's own: the block keeps it, nobody releases it
}

// take finds the block's columns in a batch by name.
func (b *block) take(batch arrow.RecordBatch) error {
	*b = block{rows: int(batch.NumRows())}
	schema := batch.Schema()
	for k, in := range record.Columns() {
		at := schema.FieldIndices(in.Name)
		if len(at) == 0 {
			continue
		}
		data := batch.Column(at[0]).Data()
		if len(at) > 1 || !arrow.TypeEqual(data.DataType(), arrowType(in.Arrow)) || data.Offset() != 0 || data.Len() != b.rows {
			return fmt.Errorf("read an Arrow stream: column %s is %s, want %s once", in.Name, data.DataType(), in.Arrow)
		}
		var buffers [3][]byte
		for i, buf := range data.Buffers() {
			if buf != nil && i < len(buffers) {
				buffers[i] = buf.Bytes()
			}
		}
		validity, offsets, values := buffers[0], []byte(nil), buffers[1]
		if in.Arrow == record.ArrowBinary {
			offsets, values = buffers[1], buffers[2]
		}
		if !b.columns[k].set(b.rows, data.NullN(), in.Arrow.Width(), validity, offsets, values) {
			return fmt.Errorf("read an Arrow stream: column %s has buffers too short for %d rows", in.Name, b.rows)
		}
	}
	if b.columns[nanosColumn].state != columnFull {
		return fmt.Errorf("read an Arrow stream: column %s is missing or has nulls", record.NameNanos)
	}
	return nil
}

// Slots of the tables Schema and Field, Arrow format/Schema.fbs.
const (
	slotSchemaFields    = 1
	slotSchemaMetadata  = 2
	slotSchemaFeatures  = 3
	slotFieldDictionary = 4
	slotFieldChildren   = 5
	slotFieldMetadata   = 6
)

// checkStream checks that a stream is one schema of flat columns and record
// batches without compression, with all vectors of the metadata and all bodies
// inside it.
func checkStream(stream []byte) error {
	for n := 0; len(stream) > 0; n++ {
		if len(stream) < frameLen || binary.LittleEndian.Uint32(stream) != continuation {
			return fmt.Errorf("read an Arrow stream: message %d does not begin with ff ff ff ff", n)
		}
		size := binary.LittleEndian.Uint32(stream[4:])
		if size == 0 && n > 1 {
			return nil // end of stream
		}
		if uint64(size) > uint64(len(stream)-frameLen) {
			return fmt.Errorf("read an Arrow stream: message %d says %d bytes of metadata, %d are left", n, size, len(stream)-frameLen)
		}
		meta := stream[frameLen : frameLen+int(size)]
		stream = stream[frameLen+int(size):]
		body, ok := checkMessage(meta, n)
		if !ok {
			return fmt.Errorf("read an Arrow stream: message %d is malformed, or uses nesting, dictionaries or compression, which blocks do not", n)
		}
		if body > int64(len(stream)) {
			return fmt.Errorf("read an Arrow stream: message %d says a body of %d bytes, %d are left", n, body, len(stream))
		}
		stream = stream[body:]
	}
	return nil
}

// checkMessage checks one message's metadata and returns its body's length. The
// first is a schema, the others are record batches.
func checkMessage(meta []byte, n int) (body int64, ok bool) {
	message, ok := fbRoot(meta)
	if !ok {
		return 0, false
	}
	if at, ok := message.slot(slotMessageBodyLength); !ok {
		return 0, false
	} else if at != 0 {
		if body, ok = fbI64(meta, at); !ok || body < 0 {
			return 0, false
		}
	}
	kind, ok := message.slot(slotMessageHeaderType)
	header, ok2 := message.table(slotMessageHeader)
	if !ok || !ok2 || kind == 0 || kind >= len(meta) {
		return 0, false
	}
	if n == 0 {
		return body, meta[kind] == headerTypeSchema && checkSchema(header)
	}
	compression, ok := header.slot(slotBatchCompression)
	_, _, okNodes := header.vector(slotBatchNodes, 16)
	_, _, okBuffers := header.vector(slotBatchBuffers, 16)
	return body, meta[kind] == headerTypeRecordBatch && ok && compression == 0 && okNodes && okBuffers
}

func checkSchema(schema fbTable) bool {
	_, _, okMeta := schema.vector(slotSchemaMetadata, 4)
	_, _, okFeatures := schema.vector(slotSchemaFeatures, 8)
	at, n, ok := schema.vector(slotSchemaFields, 4)
	if !ok || !okMeta || !okFeatures || n > 4096 {
		return false
	}
	for i := range n {
		off, ok := fbU32(schema.buf, at+4*i)
		field := fbTable{schema.buf, at + 4*i + off}
		dictionary, okDict := field.slot(slotFieldDictionary)
		_, children, okChildren := field.vector(slotFieldChildren, 4)
		_, _, okMeta := field.vector(slotFieldMetadata, 4)
		if !ok || !okDict || dictionary != 0 || !okChildren || children != 0 || !okMeta {
			return false
		}
	}
	return true
}
