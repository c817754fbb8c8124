package codec

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// ArrowBlock collects records as columns and writes them as one self-contained
// Arrow IPC stream: schema, one record batch, end. It is filled directly, one
// store a field; nulls cost nothing a row: validity bitmaps are made from the
// records' presence words when the block is written.
//
// One goroutine at a time. Nothing is allocated after NewArrowBlock unless
// options are longer than headers allow. Some 250 KiB each.
type ArrowBlock struct {
	columns  columns
	present  [MaxBlockRows]uint64
	variable [numVariable]variableColumn
	rows     int // capacity
	n        int

	all, any    uint64 // bits set in every record, in any record
	first, last uint64
	fixed       []view
	template    *template
	bitmaps     [MaxBlockRows / 64][64]uint64 // scratch of AppendTo: word of 64 rows, by field
}

// The variable-width columns, in the order of the schema.
const (
	ipOptions = iota
	ipPadding
	tcpOptions
	tcpPadding
	numVariable
)

// maxOptions is the most option bytes a header of 15 words holds.
const maxOptions = 40

// variableColumn is a column of byte strings. ends[i] is where row i ends in
// data; rows behind the last one written are filled in when it is needed.
type variableColumn struct {
	ends []uint32
	next int // first row whose end is not written yet
	data []byte
}

// NewArrowBlock returns an empty block for up to rows records; below 1 counts
// as 1, above MaxBlockRows as MaxBlockRows.
func NewArrowBlock(rows int) *ArrowBlock {
	b := &ArrowBlock{rows: min(max(rows, 1), MaxBlockRows), template: blockTemplate(), all: ^uint64(0)}
	b.fixed = b.columns.views()
	for i := range b.variable {
		b.variable[i].ends = make([]uint32, b.rows)
		b.variable[i].data = make([]byte, 0, b.rows*maxOptions)
	}
	return b
}

// Len is the number of records in the block, Full whether it takes no more.
func (b *ArrowBlock) Len() int   { return b.n }
func (b *ArrowBlock) Full() bool { return b.n >= b.rows }

// FirstSequence and LastSequence are the sequence numbers (source offsets, for
// records that have those) of the first and last record; 0 for an empty block.
func (b *ArrowBlock) FirstSequence() uint64 { return b.first }
func (b *ArrowBlock) LastSequence() uint64  { return b.last }

// Reset empties the block and clears the columns that held something, so that
// null slots are always zero on the wire.
func (b *ArrowBlock) Reset() {
	for i := range b.fixed {
		if v := &b.fixed[i]; v.bit&b.any != 0 {
			clear(v.data[:b.n*v.width])
		}
	}
	for i := range b.variable {
		b.variable[i].next, b.variable[i].data = 0, b.variable[i].data[:0]
	}
	b.n, b.any, b.all, b.first, b.last = 0, 0, ^uint64(0), 0, 0
}

// Fields that occur together: a whole group is stored without a branch each.
const (
	groupEthernet  = 1<<packet.FieldSourceMAC | 1<<packet.FieldDestinationMAC | 1<<packet.FieldEtherType
	groupVLAN      = 1<<packet.FieldVLANID | 1<<packet.FieldVLANPriority
	groupVLANInner = 1<<packet.FieldVLANInnerID | 1<<packet.FieldVLANInnerPriority
	groupIP        = 1<<packet.FieldIPVersion | 1<<packet.FieldTOS | 1<<packet.FieldTotalLength | 1<<packet.FieldTTL |
		1<<packet.FieldProtocol | 1<<packet.FieldSourceAddress | 1<<packet.FieldDestinationAddress
	groupIPv4 = 1<<packet.FieldIPHeaderLen | 1<<packet.FieldIdentification | 1<<packet.FieldIPFlags |
		1<<packet.FieldFragmentOffset | 1<<packet.FieldHeaderChecksum
	groupIPv6  = 1<<packet.FieldFlowLabel | 1<<packet.FieldNextHeader
	groupPorts = 1<<packet.FieldSourcePort | 1<<packet.FieldDestinationPort
	groupTCP   = 1<<packet.FieldSequenceNumber | 1<<packet.FieldAcknowledgmentNumber | 1<<packet.FieldDataOffset |
		1<<packet.FieldTCPFlags | 1<<packet.FieldWindow | 1<<packet.FieldTCPChecksum | 1<<packet.FieldUrgentPointer
	groupUDP  = 1<<packet.FieldUDPLength | 1<<packet.FieldUDPChecksum
	groupICMP = 1<<packet.FieldICMPType | 1<<packet.FieldICMPCode | 1<<packet.FieldICMPChecksum

	storedFields = 1<<record.NumFields - 1
)

// Append adds r. Its options are copied; nothing of r is kept. The block must
// not be Full.
func (b *ArrowBlock) Append(r *record.Record) {
	if b.n >= b.rows {
		panic("codec: append to a full block")
	}
	i := b.n & (MaxBlockRows - 1)
	c := &b.columns
	p := uint64(r.Present) & storedFields
	b.present[i] = p
	b.all &= p
	b.any |= p
	c.nanos[i] = r.TimestampNanos
	c.frameLength[i] = r.OrigLen
	c.capturedLength[i] = r.CapLen
	if p>>record.FieldSequence&1 != 0 {
		c.sequence[i] = r.Sequence
		p &^= 1 << record.FieldSequence
	}
	if p&groupEthernet == groupEthernet {
		c.sourceMAC[i] = r.SourceMAC
		c.destinationMAC[i] = r.DestinationMAC
		c.etherType[i] = r.EtherType
		p &^= groupEthernet
	}
	if p&groupIP == groupIP {
		c.ipVersion[i] = r.IPVersion
		c.tos[i] = r.TOS
		c.totalLength[i] = r.TotalLength
		c.ttl[i] = r.TTL
		c.protocol[i] = r.Protocol
		c.sourceAddress[i] = r.SourceAddress
		c.destinationAddress[i] = r.DestinationAddress
		p &^= groupIP
	}
	if p&groupIPv4 == groupIPv4 {
		c.ipHeaderLen[i] = r.IPHeaderLen
		c.identification[i] = r.Identification
		c.ipFlags[i] = r.IPFlags
		c.fragmentOffset[i] = r.FragmentOffset
		c.headerChecksum[i] = r.HeaderChecksum
		p &^= groupIPv4
	}
	if p&groupPorts == groupPorts {
		c.sourcePort[i] = r.SourcePort
		c.destinationPort[i] = r.DestinationPort
		p &^= groupPorts
	}
	if p&groupTCP == groupTCP {
		c.sequenceNumber[i] = r.SequenceNumber
		c.acknowledgmentNumber[i] = r.AcknowledgmentNumber
		c.dataOffset[i] = r.DataOffset
		c.tcpFlags[i] = r.TCPFlags
		c.window[i] = r.Window
		c.tcpChecksum[i] = r.TCPChecksum
		c.urgentPointer[i] = r.UrgentPointer
		p &^= groupTCP
	}
	if p != 0 {
		b.appendRest(i, r, p)
	}
	if b.n == 0 {
		b.first = sequenceOf(r)
	}
	b.last = sequenceOf(r)
	b.n++
}

// appendRest stores the fields in p: rarer groups, then options, then one by
// one what a header that was cut left of its group.
func (b *ArrowBlock) appendRest(i int, r *record.Record, p uint64) {
	i &= MaxBlockRows - 1
	c := &b.columns
	if p&groupUDP == groupUDP {
		c.udpLength[i] = r.UDPLength
		c.udpChecksum[i] = r.UDPChecksum
		p &^= groupUDP
	}
	if p>>packet.FieldTCPOptions&1 != 0 {
		b.variable[tcpOptions].append(i, r.TCPOptions)
		p &^= 1 << packet.FieldTCPOptions
	}
	if p&groupVLAN == groupVLAN {
		c.vlanID[i] = r.VLANID
		c.vlanPriority[i] = r.VLANPriority
		p &^= groupVLAN
	}
	if p&groupVLANInner == groupVLANInner {
		c.vlanInnerID[i] = r.VLANInnerID
		c.vlanInnerPriority[i] = r.VLANInnerPriority
		p &^= groupVLANInner
	}
	if p&groupIPv6 == groupIPv6 {
		c.flowLabel[i] = r.FlowLabel
		c.nextHeader[i] = r.NextHeader
		p &^= groupIPv6
	}
	if p&groupICMP == groupICMP {
		c.icmpType[i] = r.ICMPType
		c.icmpCode[i] = r.ICMPCode
		c.icmpChecksum[i] = r.ICMPChecksum
		p &^= groupICMP
	}
	for ; p != 0; p &= p - 1 {
		b.appendField(i, r, packet.Field(bits.TrailingZeros64(p)))
	}
}

// appendField stores one field, whichever it is.
func (b *ArrowBlock) appendField(i int, r *record.Record, f packet.Field) {
	k := columnOf[f]
	if k >= len(b.fixed) {
		b.variable[k-len(b.fixed)].append(i, r.Bytes(f))
		return
	}
	v := &b.fixed[k]
	slot := v.data[i*v.width : (i+1)*v.width]
	switch v.width {
	case 1:
		slot[0] = byte(r.Uint(f))
	case 2:
		binary.LittleEndian.PutUint16(slot, uint16(r.Uint(f)))
	case 4:
		binary.LittleEndian.PutUint32(slot, uint32(r.Uint(f)))
	case 8:
		binary.LittleEndian.PutUint64(slot, r.Uint(f))
	default:
		copy(slot, r.Bytes(f))
	}
}

// columnOf is the column of each field.
var columnOf = func() (t [record.NumFields]int) {
	for k, in := range record.Columns() {
		if in.Field != record.NoField {
			t[in.Field] = k
		}
	}
	return t
}()

func (v *variableColumn) append(i int, value []byte) {
	v.fill(i)
	v.data = append(v.data, value...)
	v.ends[i] = uint32(len(v.data))
	v.next = i + 1
}

// fill writes the ends of the rows before row i that have no value.
func (v *variableColumn) fill(i int) {
	end := uint32(len(v.data))
	for k := v.next; k < i; k++ {
		v.ends[k] = end
	}
	v.next = i
}

func sequenceOf(r *record.Record) uint64 {
	if r.Present.Has(record.FieldSourceOffset) {
		return uint64(r.SourceOffset)
	}
	return r.Sequence
}

// EncodedLen is the most that AppendTo will append for the present content.
func (b *ArrowBlock) EncodedLen() int {
	n := len(b.template.schema) + len(b.template.batch) + len(endOfStream)
	bitmap := pad8((b.n + 7) / 8)
	n += pad8(8 * b.n) // the zeros that null columns share can be longer than any of them
	for i := range b.fixed {
		n += bitmap + pad8(b.n*b.fixed[i].width)
	}
	for i := range b.variable {
		n += bitmap + pad8(4*(b.n+1)) + pad8(len(b.variable[i].data))
	}
	return n
}

// AppendTo appends the block as one Arrow IPC stream and returns the extended
// slice. A block without records appends nothing. The block stays as it is;
// Reset before reuse.
func (b *ArrowBlock) AppendTo(dst []byte) []byte {
	if b.n == 0 {
		return dst
	}
	dst = AppendArrowSchema(slices.Grow(dst, b.EncodedLen()))
	return AppendArrowEnd(b.AppendBatchTo(dst))
}

// AppendArrowSchema and AppendArrowEnd append what stands before and behind the
// batches of an Arrow IPC stream.
func AppendArrowSchema(dst []byte) []byte { return append(dst, blockTemplate().schema...) }
func AppendArrowEnd(dst []byte) []byte    { return append(dst, endOfStream...) }

// AppendBatchTo appends the records as one batch, without the schema: for a
// stream of many. A block without records appends nothing.
func (b *ArrowBlock) AppendBatchTo(dst []byte) []byte {
	if b.n == 0 {
		return dst
	}
	dst = slices.Grow(dst, b.EncodedLen())
	batch := len(dst)
	dst = append(dst, b.template.batch...)
	b.makeBitmaps()
	w := blockWriter{dst: dst, meta: dst[batch:len(dst):len(dst)], body: len(dst), n: b.n}
	w.node, w.buffer = b.template.nodes, b.template.buffers
	for i := range b.fixed {
		b.writeFixed(&w, &b.fixed[i])
	}
	for i := range b.variable {
		b.writeVariable(&w, i)
	}
	put64(w.meta, b.template.rows, b.n)
	put64(w.meta, b.template.bodyLength, len(w.dst)-w.body)
	return w.dst
}

func (b *ArrowBlock) writeFixed(w *blockWriter, v *view) {
	if v.bit == 0 {
		w.addNode(0)
		w.addBuffer(0)
	} else {
		b.writeValidity(w, packet.Field(v.field))
	}
	size := b.n * v.width
	if v.bit != 0 && v.bit&b.any == 0 {
		w.addZeros(size)
		return
	}
	at := len(w.dst)
	w.dst = append(w.dst, v.data[:size]...)
	w.pad(size)
	w.addBufferAt(at, size)
}

var variableFields = [numVariable]packet.Field{
	ipOptions:  packet.FieldIPOptions,
	ipPadding:  packet.FieldIPPadding,
	tcpOptions: packet.FieldTCPOptions,
	tcpPadding: packet.FieldTCPPadding,
}

func (b *ArrowBlock) writeVariable(w *blockWriter, i int) {
	v := &b.variable[i]
	b.writeValidity(w, variableFields[i])
	if len(v.data) == 0 {
		w.addZeros(4 * (b.n + 1))
		w.addBuffer(0)
		return
	}
	v.fill(b.n)
	at, size := len(w.dst), 4*(b.n+1)
	w.dst = binary.LittleEndian.AppendUint32(w.dst, 0)
	w.dst = append(w.dst, bytesOf(v.ends[:b.n])...)
	w.pad(size)
	w.addBufferAt(at, size)

	at, size = len(w.dst), len(v.data)
	w.dst = append(w.dst, v.data...)
	w.pad(size)
	w.addBufferAt(at, size)
}

// writeValidity writes the node and the validity bitmap of a column: none when
// no row is null, as Arrow allows.
func (b *ArrowBlock) writeValidity(w *blockWriter, f packet.Field) {
	bit := uint64(1) << f
	if bit&b.all != 0 {
		w.addNode(0)
		w.addBuffer(0)
		return
	}
	size := (b.n + 7) / 8
	if bit&b.any == 0 {
		w.addNode(b.n)
		w.addZeros(size)
		return
	}
	at, valid := len(w.dst), 0
	for g := range (b.n + 63) / 64 {
		word := b.bitmaps[g][f&63]
		valid += bits.OnesCount64(word)
		w.dst = binary.LittleEndian.AppendUint64(w.dst, word)
	}
	w.dst = w.dst[:at+pad8(size)]
	w.addNode(b.n - valid)
	w.addBufferAt(at, size)
}

// makeBitmaps turns the presence words into validity words, 64 rows at a time.
// Blocks in which every record has the same fields need none.
func (b *ArrowBlock) makeBitmaps() {
	if b.all == b.any {
		return
	}
	for g := range (b.n + 63) / 64 {
		m := &b.bitmaps[g]
		n := copy(m[:], b.present[g*64:b.n])
		clear(m[n:])
		transpose64(m)
	}
}
