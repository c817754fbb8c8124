package codec

import (
	"encoding/binary"
	"math/bits"

	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// block is a message's columns, checked: every row of every column is inside
// its buffers.
type block struct {
	rows    int
	columns [maxColumns]column // in the order of record.Columns
}

const maxColumns = 64

// column is one column as bytes.
type column struct {
	data     []byte // values, or the bytes that offsets point into
	offsets  []byte // rows+1 uint32, variable width only
	validity []byte // a bit a row; nil: see state
	state    uint8
}

const (
	columnAbsent = iota // null in every row, or not in the block
	columnFull          // null in no row
	columnMixed         // see validity
)

// set checks the buffers against the rows and takes them. nulls is what the
// block says of the column.
func (c *column) set(rows, nulls, width int, validity, offsets, data []byte) bool {
	*c = column{data: data, offsets: offsets, validity: validity, state: columnMixed}
	switch {
	case nulls < 0 || nulls > rows:
		return false
	case nulls == rows:
		c.state = columnAbsent
		return true
	case nulls == 0:
		c.state = columnFull
	case len(validity) < (rows+7)/8:
		return false
	}
	if width > 0 {
		return len(data) >= rows*width
	}
	if len(offsets) < 4*(rows+1) {
		return false
	}
	last := uint32(0)
	for i := 0; i <= rows; i++ {
		end := binary.LittleEndian.Uint32(offsets[4*i:])
		if end < last {
			return false
		}
		last = end
	}
	return int64(last) <= int64(len(data))
}

// word returns the validity bits of rows 64*g to 64*g+63.
func (c *column) word(g int) uint64 {
	switch {
	case c.state == columnAbsent:
		return 0
	case c.state == columnFull:
		return ^uint64(0)
	case len(c.validity) >= 8*(g+1):
		return binary.LittleEndian.Uint64(c.validity[8*g:])
	}
	var last [8]byte
	copy(last[:], c.validity[8*g:])
	return binary.LittleEndian.Uint64(last[:])
}

// Where the columns without a bit stand.
var nanosColumn, frameLengthColumn, capturedLengthColumn = columnNamed(record.NameNanos), columnNamed(record.NameFrameLength), columnNamed(record.NameCapturedLength)

func columnNamed(name string) int {
	for k, in := range record.Columns() {
		if in.Name == name {
			return k
		}
	}
	panic("codec: no column " + name)
}

func (rd *Reader) readArrow(m *message.Message, fn func(row *Row) error) error {
	if _, _, err := ParseHeaders(m.Headers, &rd.origin); err != nil {
		return &UnreadableError{CodeBadArrow, err}
	}
	// Our own layout is recognised by comparing bytes, any other is walked.
	if !rd.block.parseOwn(m.Value) {
		if err := rd.block.parseAny(m.Value); err != nil {
			return &UnreadableError{CodeBadArrow, err}
		}
	}
	return rd.rows(m, fn)
}

// rows calls fn for each row of the block.
func (rd *Reader) rows(m *message.Message, fn func(row *Row) error) error {
	if rd.origin.Run == "" && rd.origin.Source == "" {
		// no headers: somebody else's block; its place in Kafka names the rows
		rd.origin.Source = string(appendPosition(nil, m))
	}
	foreign := rd.origin.Source != "" && rd.block.columns[columnOf[record.FieldSourceOffset]].state == columnAbsent
	b, r := &rd.block, &rd.row.Record
	var present [64]uint64
	for i := range b.rows {
		if i&63 == 0 {
			b.presence(i>>6, &present)
		}
		b.row(i, r, packet.FieldSet(present[i&63]))
		if foreign {
			r.SourceRow = uint32(i)
			r.Present |= 1 << record.FieldSourceRow
		}
		start := len(rd.ids)
		rd.ids = record.AppendID(rd.ids, r, &rd.origin)
		rd.row.ID = rd.ids[start:len(rd.ids):len(rd.ids)]
		if err := fn(&rd.row); err != nil {
			return err
		}
	}
	return nil
}

// presence makes the presence words of 64 rows from the columns' bitmaps.
func (b *block) presence(g int, m *[64]uint64) {
	clear(m[:])
	for f, k := range columnOf {
		m[f&63] = b.columns[k].word(g)
	}
	transpose64(m)
}

// row fills r with row i.
func (b *block) row(i int, r *record.Record, present packet.FieldSet) {
	r.Present = present
	r.TimestampNanos = int64(binary.LittleEndian.Uint64(b.columns[nanosColumn].data[8*i:]))
	r.OrigLen = b.optionalUint32(frameLengthColumn, i)
	r.CapLen = b.optionalUint32(capturedLengthColumn, i)
	r.LinkType, r.Sequence = packet.LinkTypeEthernet, 0 // an id shows the sequence, whether or not there is one
	for p := uint64(present); p != 0; p &= p - 1 {
		f := packet.Field(bits.TrailingZeros64(p))
		c := &b.columns[columnOf[f]]
		switch columnWidth[f] {
		case 1:
			r.SetUint(f, uint64(c.data[i]))
		case 2:
			r.SetUint(f, uint64(binary.LittleEndian.Uint16(c.data[2*i:])))
		case 4:
			r.SetUint(f, uint64(binary.LittleEndian.Uint32(c.data[4*i:])))
		case 8:
			r.SetUint(f, binary.LittleEndian.Uint64(c.data[8*i:]))
		case 6:
			r.SetBytes(f, c.data[6*i:6*i+6])
		case 16:
			r.SetBytes(f, c.data[16*i:16*i+16])
		default:
			from, to := binary.LittleEndian.Uint32(c.offsets[4*i:]), binary.LittleEndian.Uint32(c.offsets[4*i+4:])
			r.SetBytes(f, c.data[from:to:to])
		}
	}
	r.RestoreOffsets(r.LinkType)
}

// optionalUint32 is a value of a column that our blocks always have; 0 where
// another writer left it out.
func (b *block) optionalUint32(k, i int) uint32 {
	if b.columns[k].state != columnFull {
		return 0
	}
	return binary.LittleEndian.Uint32(b.columns[k].data[4*i:])
}

var columnWidth = func() (t [record.NumFields]int) {
	for _, in := range record.Columns() {
		if in.Field != record.NoField {
			t[in.Field] = in.Arrow.Width()
		}
	}
	return t
}()

// parseOwn reads a block of ArrowBlock's layout: the template's schema and
// metadata, byte for byte, but for the patched places, which are then where the
// template has them. false: it is not such a block, or not a whole one.
func (b *block) parseOwn(stream []byte) bool {
	t := blockTemplate()
	if len(stream) < len(t.schema)+len(t.batch) || string(stream[:len(t.schema)]) != string(t.schema) {
		return false
	}
	meta, body := stream[len(t.schema):][:len(t.batch)], stream[len(t.schema)+len(t.batch):]
	if !sameTemplate(t, meta) {
		return false
	}
	rows := binary.LittleEndian.Uint64(meta[t.rows:])
	length := binary.LittleEndian.Uint64(meta[t.bodyLength:])
	if length > uint64(len(body)) || rows == 0 || rows > length/8 { // each row has at least a time
		return false
	}
	if rest := body[length:]; len(rest) != 0 && string(rest) != string(endOfStream) {
		return false
	}
	b.rows = int(rows)
	p := bufferWalk{meta: meta, body: body[:length], rows: rows, node: t.nodes, buffer: t.buffers}
	for k := range fixedColumns {
		in := &fixedColumns[k]
		nulls, validity, ok := p.column()
		data, ok2 := p.next()
		if !ok || !ok2 || !in.Nullable() && nulls != 0 || !b.columns[k].set(b.rows, nulls, in.Arrow.Width(), validity, nil, data) {
			return false
		}
	}
	for k := range binaryColumns {
		nulls, validity, ok := p.column()
		offsets, ok2 := p.next()
		data, ok3 := p.next()
		if !ok || !ok2 || !ok3 || !b.columns[len(fixedColumns)+k].set(b.rows, nulls, 0, validity, offsets, data) {
			return false
		}
	}
	return true
}

// bufferWalk takes the nodes and buffers of a record batch in their order, each
// checked to lie in the body. The caller has checked that meta holds them all.
type bufferWalk struct {
	meta, body   []byte
	rows         uint64
	node, buffer int
}

// column returns the next column's null count and validity.
func (p *bufferWalk) column() (nulls int, validity []byte, ok bool) {
	n := binary.LittleEndian.Uint64(p.meta[p.node:])
	v := binary.LittleEndian.Uint64(p.meta[p.node+8:])
	p.node += 16
	validity, ok = p.next()
	return int(min(v, p.rows+1)), validity, ok && n == p.rows && v <= p.rows
}

// next returns the next buffer.
func (p *bufferWalk) next() ([]byte, bool) {
	off := binary.LittleEndian.Uint64(p.meta[p.buffer:])
	size := binary.LittleEndian.Uint64(p.meta[p.buffer+8:])
	p.buffer += 16
	n := uint64(len(p.body))
	if off > n || size > n-off {
		return nil, false
	}
	return p.body[off : off+size], true
}
