package codec

import "encoding/binary"

// fbTable is a table of a FlatBuffers message: the metadata of Arrow IPC. Only
// what finding our own fields needs; every access is checked, so the bytes may
// be anybody's.
//
// FlatBuffers internals: a table starts with a signed distance back to its
// vtable; the vtable holds its own size, the table's size, and for each slot
// the field's distance from the table's start (0: absent).
type fbTable struct {
	buf []byte
	pos int
}

func fbU16(b []byte, at int) (int, bool) {
	if at < 0 || at > len(b)-2 {
		return 0, false
	}
	return int(binary.LittleEndian.Uint16(b[at:])), true
}

func fbU32(b []byte, at int) (int, bool) {
	if at < 0 || at > len(b)-4 {
		return 0, false
	}
	return int(binary.LittleEndian.Uint32(b[at:])), true
}

func fbI64(b []byte, at int) (int64, bool) {
	if at < 0 || at > len(b)-8 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(b[at:])), true
}

// fbRoot returns the root table of a message.
func fbRoot(buf []byte) (fbTable, bool) {
	pos, ok := fbU32(buf, 0)
	return fbTable{buf, pos}, ok && pos <= len(buf)-4
}

// slot returns where the value of slot i stands in buf; 0, true: absent.
func (t fbTable) slot(i int) (int, bool) {
	back, ok := fbU32(t.buf, t.pos)
	if !ok {
		return 0, false
	}
	vtable := t.pos - int(int32(back))
	size, ok := fbU16(t.buf, vtable)
	if !ok {
		return 0, false
	}
	if 4+2*i+2 > size {
		return 0, true
	}
	off, ok := fbU16(t.buf, vtable+4+2*i)
	if !ok || off == 0 {
		return 0, ok
	}
	return t.pos + off, true
}

// table follows the offset in slot i to a table.
func (t fbTable) table(i int) (fbTable, bool) {
	at, ok := t.slot(i)
	if !ok || at == 0 {
		return fbTable{}, false
	}
	off, ok := fbU32(t.buf, at)
	return fbTable{t.buf, at + off}, ok && at+off <= len(t.buf)-4
}

// vector follows the offset in slot i to a vector: where its first element
// stands and how many there are. All of its elements, size bytes each, are
// inside buf.
func (t fbTable) vector(i, size int) (at, n int, ok bool) {
	field, ok := t.slot(i)
	if !ok || field == 0 {
		return 0, 0, ok
	}
	off, ok := fbU32(t.buf, field)
	if !ok {
		return 0, 0, false
	}
	n, ok = fbU32(t.buf, field+off)
	at = field + off + 4
	return at, n, ok && n <= (len(t.buf)-at)/size
}

// byte, int16, int32 and int64 return the scalar in slot i, 0 if it is absent.
func (t fbTable) byte(i int) (byte, bool) {
	at, ok := t.slot(i)
	if !ok || at == 0 {
		return 0, ok
	}
	if at >= len(t.buf) {
		return 0, false
	}
	return t.buf[at], true
}

func (t fbTable) int16(i int) (int16, bool) {
	at, ok := t.slot(i)
	if !ok || at == 0 {
		return 0, ok
	}
	v, ok := fbU16(t.buf, at)
	return int16(v), ok
}

func (t fbTable) int32(i int) (int32, bool) {
	at, ok := t.slot(i)
	if !ok || at == 0 {
		return 0, ok
	}
	v, ok := fbU32(t.buf, at)
	return int32(v), ok
}

func (t fbTable) int64(i int) (int64, bool) {
	at, ok := t.slot(i)
	if !ok || at == 0 {
		return 0, ok
	}
	return fbI64(t.buf, at)
}

// string returns the text in slot i, a view; nil if it is absent.
func (t fbTable) string(i int) ([]byte, bool) {
	at, n, ok := t.vector(i, 1)
	if !ok || at == 0 {
		return nil, ok
	}
	return t.buf[at : at+n], true
}

// Slots of the tables Message and RecordBatch, Arrow format/Message.fbs, and
// Schema and Field, format/Schema.fbs.
const (
	slotMessageHeaderType = 1
	slotMessageHeader     = 2
	slotMessageBodyLength = 3

	slotBatchLength      = 0
	slotBatchNodes       = 1 // {length, null count} int64 each
	slotBatchBuffers     = 2 // {offset, length} int64 each
	slotBatchCompression = 3

	slotSchemaEndianness = 0 // 0 little
	slotSchemaFields     = 1

	slotFieldName       = 0
	slotFieldType       = 2 // number of the union's member
	slotFieldTypeTable  = 3
	slotFieldDictionary = 4
	slotFieldChildren   = 5

	headerTypeSchema      = 1
	headerTypeRecordBatch = 3
)
