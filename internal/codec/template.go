package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"xcapa/internal/record"
)

// The framing of an Arrow IPC stream: each message is the continuation marker,
// the metadata's length, the metadata padded to 8 bytes, the body.
const (
	continuation = 0xffffffff
	frameLen     = 8
)

var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// template is the part of a block that is the same in all of them, made once
// by arrow-go's writer: the schema message, and the record batch's metadata
// with the places of what differs. The metadata's length depends on the
// columns alone (for one row or more), so the places never move.
type template struct {
	schema []byte // framed schema message
	batch  []byte // framed metadata of a record batch of one row, without body

	// Offsets in batch.
	rows, bodyLength int // int64 each
	nodes, buffers   int // vectors of two int64 each

	nodeCount, bufferCount int
	patched                []span // all of them, in order
}

type span struct{ from, to int }

// blockTemplate builds the template on first use: 0.3 ms, and only programs
// that write or read blocks pay for it.
var blockTemplate = sync.OnceValue(func() *template {
	t, err := newTemplate()
	if err != nil {
		panic(err) // arrow-go wrote something that is no Arrow stream
	}
	return t
})

func newTemplate() (*template, error) {
	stream, err := oneRow()
	if err != nil {
		return nil, fmt.Errorf("write the template of a block: %w", err)
	}
	t := &template{}
	schemaLen := frameLen + int(binary.LittleEndian.Uint32(stream[4:]))
	t.schema = stream[:schemaLen:schemaLen]
	stream = stream[schemaLen:]
	t.batch = stream[: frameLen+int(binary.LittleEndian.Uint32(stream[4:])) : len(stream)]
	t.batch = t.batch[:len(t.batch):len(t.batch)]
	if !t.find() {
		return nil, fmt.Errorf("find the fields of a record batch in arrow-go's metadata: it has a layout of its own; pin the version of arrow-go that go.mod names")
	}
	return t, nil
}

// find looks up the places that differ from block to block.
func (t *template) find() bool {
	message, ok := fbRoot(t.batch[frameLen:])
	if !ok {
		return false
	}
	var batch fbTable
	var okBody, okBatch, okRows, okNodes, okBuffers bool
	t.bodyLength, okBody = message.slot(slotMessageBodyLength)
	batch, okBatch = message.table(slotMessageHeader)
	t.rows, okRows = batch.slot(slotBatchLength)
	t.nodes, t.nodeCount, okNodes = batch.vector(slotBatchNodes, 16)
	t.buffers, t.bufferCount, okBuffers = batch.vector(slotBatchBuffers, 16)
	ok = okBody && okBatch && okRows && okNodes && okBuffers && t.bodyLength != 0 && t.rows != 0
	for _, at := range []*int{&t.bodyLength, &t.rows, &t.nodes, &t.buffers} {
		*at += frameLen
	}
	t.patched = []span{
		{t.rows, t.rows + 8}, {t.bodyLength, t.bodyLength + 8},
		{t.nodes, t.nodes + 16*t.nodeCount}, {t.buffers, t.buffers + 16*t.bufferCount},
	}
	slices.SortFunc(t.patched, func(a, b span) int { return a.from - b.from })
	return ok && t.nodeCount == len(fixedColumns)+len(binaryColumns) &&
		t.bufferCount == 2*len(fixedColumns)+3*len(binaryColumns)
}

// oneRow is a stream of one row with nulls wherever the schema allows them, so
// that arrow-go omits no field of the metadata as a default.
func oneRow() ([]byte, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, ArrowSchema())
	defer b.Release()
	for i, f := range ArrowSchema().Fields() {
		if f.Nullable {
			b.Field(i).AppendNull()
		} else {
			b.Field(i).AppendEmptyValue()
		}
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(ArrowSchema()))
	if err := w.Write(batch); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// fixedColumns and binaryColumns are record.Columns in two parts.
var fixedColumns, binaryColumns = func() (fixed, binary []record.Info) {
	for _, c := range record.Columns() {
		if c.Arrow == record.ArrowBinary {
			binary = append(binary, c)
		} else {
			fixed = append(fixed, c)
		}
	}
	return
}()

// sameTemplate reports whether batch, framed metadata of a record batch,
// differs from the template in the patched places alone: then every offset in
// it is where the template has it.
func sameTemplate(t *template, batch []byte) bool {
	if len(batch) != len(t.batch) {
		return false
	}
	at := 0
	for _, p := range t.patched {
		if !bytes.Equal(batch[at:p.from], t.batch[at:p.from]) {
			return false
		}
		at = p.to
	}
	return bytes.Equal(batch[at:], t.batch[at:])
}
