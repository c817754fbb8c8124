package store

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"xcapa/internal/codec"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// schemaVersion counts changes of the columns that a reader must know of.
const schemaVersion = "1"

// columnSpec is one column of the files: a line of the table of fields, as
// Parquet sees it.
type columnSpec struct {
	info     *record.Info
	node     func() *schema.PrimitiveNode
	encoding parquet.Encoding
	dict     bool // dictionary; encoding is what is used without one
	bits     int  // of an integer, 0 for text and bytes
	signed   bool // an integer is signed
	text     bool // UTF-8, not bytes
	width    int  // bytes a row costs in memory, without variable parts
	build    func() column
}

// specs are the columns in the order of the table of fields: those stored in
// Arrow blocks, and the identity that blocks keep in their headers.
var specs = func() (out []columnSpec) {
	fields := record.Fields()
	for i := range fields {
		if s, ok := specOf(&fields[i]); ok {
			out = append(out, s)
		}
	}
	return out
}()

// rowWidth is what a row costs in memory without its variable parts: the
// columns, which fields are present (8), the origin (4), the time (8) and its
// place in the order of time (20).
var rowWidth = func() int {
	n := 8 + 4 + 8 + 20
	for i := range specs {
		n += specs[i].width
	}
	return n
}()

// fileSchema makes the schema of every file. A writer changes the nodes it is
// given, so each encoder needs nodes of its own.
func fileSchema() *schema.GroupNode {
	fields := make(schema.FieldList, len(specs))
	for i := range specs {
		fields[i] = specs[i].node()
	}
	return schema.MustGroup(schema.NewGroupNode("xcapa", parquet.Repetitions.Required, fields, -1))
}

// timeColumn is the place of the packet time in the schema.
var timeColumn = slices.IndexFunc(specs, func(s columnSpec) bool { return s.info.Name == record.NameNanos })

// specOf says how a field is stored; ok is false for one that is not.
func specOf(in *record.Info) (s columnSpec, ok bool) {
	switch in.Name {
	case record.NameID:
		// Front coding (DELTA_BYTE_ARRAY) gained nothing over zstd alone.
		return variable(in, schema.StringLogicalType{}, parquet.Encodings.Plain,
			func(row *codec.Row) []byte { return row.ID }), true
	case record.NameHost:
		return shared(in, func(o *record.Origin) string { return o.Host }), true
	case record.NameInterface:
		return shared(in, func(o *record.Origin) string { return o.Interface }), true
	case record.NameQueue:
		s = columnSpec{info: in, node: intNode(in, 32, 16, true, true), dict: true, encoding: parquet.Encodings.Plain,
			bits: 16, signed: true}
		s.build = func() column { return &originColumn{queue: true} }
		return s, true
	case record.NameFrameLength:
		return integer[uint32](in, 32, func(r *record.Record) uint64 { return uint64(r.OrigLen) }), true
	case record.NameCapturedLength:
		return integer[uint32](in, 32, func(r *record.Record) uint64 { return uint64(r.CapLen) }), true
	}
	if in.Kind != record.Stored {
		return s, false
	}
	return storedSpec(in), true
}

// storedSpec is specOf for the columns of Arrow blocks.
func storedSpec(in *record.Info) columnSpec {
	f := in.Field
	get := func(r *record.Record) uint64 { return r.Uint(f) }
	switch {
	case in.Arrow == record.ArrowTimestamp:
		s := integer[uint64](in, 64, func(r *record.Record) uint64 { return uint64(r.TimestampNanos) })
		s.node, s.signed = timestampNode(in), true
		return s
	case in.Arrow == record.ArrowFixed6:
		return text(in, bytesKey(f), formatMAC)
	case in.Arrow == record.ArrowFixed16:
		return text(in, addressKey(f), formatAddress)
	case in.Elastic == "ip":
		return text(in, uint32Key(f), formatAddress)
	case f == packet.FieldStatus:
		return text(in, codeKey(f), formatStatus)
	case f == packet.FieldIPChecksumStatus, f == packet.FieldTransportChecksumStatus:
		return text(in, codeKey(f), formatChecksumStatus)
	case in.Arrow == record.ArrowBinary:
		s := variable(in, schema.NoLogicalType{}, parquet.Encodings.Plain, func(row *codec.Row) []byte { return row.Bytes(f) })
		s.dict = true // options repeat, where they hold no timestamps
		return s
	case in.Arrow == record.ArrowUint8:
		return integer[uint8](in, 8, get)
	case in.Arrow == record.ArrowUint16:
		return integer[uint16](in, 16, get)
	case in.Arrow == record.ArrowUint32:
		return integer[uint32](in, 32, get)
	case in.Arrow == record.ArrowUint64:
		return integer[uint64](in, 64, get)
	case in.Arrow == record.ArrowInt64:
		s := integer[uint64](in, 64, get)
		s.node, s.signed = intNode(in, 64, 64, true, in.Nullable()), true
		return s
	}
	panic(fmt.Sprintf("field %s has Arrow type %s, which the store has no column for", in.Name, in.Arrow))
}

// integer is an unsigned column of 8, 16, 32 or 64 bits.
func integer[T uint8 | uint16 | uint32 | uint64](in *record.Info, bits int, get func(r *record.Record) uint64) columnSpec {
	f := in.Field
	return columnSpec{
		info: in, node: intNode(in, max(32, bits), bits, false, in.Nullable()), width: bits / 8, bits: bits,
		encoding: parquet.Encodings.DeltaBinaryPacked, dict: !manyValues(in),
		build: func() column { return &uintColumn[T]{field: f, get: get} },
	}
}

// manyValues reports whether nearly every packet has another value: a
// dictionary would be built and thrown away.
func manyValues(in *record.Info) bool {
	switch in.Field {
	case record.FieldSequence, record.FieldSourceOffset, record.FieldSourceRow,
		packet.FieldIdentification, packet.FieldHeaderChecksum,
		packet.FieldSequenceNumber, packet.FieldAcknowledgmentNumber,
		packet.FieldTCPChecksum, packet.FieldUDPChecksum, packet.FieldICMPChecksum:
		return true
	}
	return in.Name == record.NameNanos
}

// text is a dictionary column of strings.
func text(in *record.Info, key func(r *record.Record) [16]byte, format func([]byte, [16]byte) []byte) columnSpec {
	return columnSpec{
		info: in, node: bytesNode(in, schema.StringLogicalType{}, in.Nullable()), width: 4,
		encoding: parquet.Encodings.Plain, dict: true, text: true,
		build: func() column {
			return &textColumn{field: in.Field, key: key, format: format, index: map[[16]byte]uint32{}}
		},
	}
}

// variable is a column of byte strings.
func variable(in *record.Info, logical schema.LogicalType, enc parquet.Encoding, get func(row *codec.Row) []byte) columnSpec {
	return columnSpec{
		info: in, node: bytesNode(in, logical, in.Nullable()), width: 4, encoding: enc, text: logical.Equals(schema.StringLogicalType{}),
		build: func() column { return &bytesColumn{field: in.Field, get: get} },
	}
}

// shared is a string that stands in the message's headers.
func shared(in *record.Info, value func(o *record.Origin) string) columnSpec {
	return columnSpec{
		info: in, node: bytesNode(in, schema.StringLogicalType{}, true), encoding: parquet.Encodings.Plain, dict: true, text: true,
		build: func() column { return &originColumn{text: value} },
	}
}

func intNode(in *record.Info, physical, bits int, signed, nullable bool) func() *schema.PrimitiveNode {
	typ := parquet.Types.Int32
	if physical == 64 {
		typ = parquet.Types.Int64
	}
	return func() *schema.PrimitiveNode {
		return must(schema.NewPrimitiveNodeLogical(in.Name, repetition(nullable), schema.NewIntLogicalType(int8(bits), signed), typ, 0, -1))
	}
}

func timestampNode(in *record.Info) func() *schema.PrimitiveNode {
	return func() *schema.PrimitiveNode {
		return must(schema.NewPrimitiveNodeLogical(in.Name, repetition(false),
			schema.NewTimestampLogicalType(true, schema.TimeUnitNanos), parquet.Types.Int64, 0, -1))
	}
}

func bytesNode(in *record.Info, logical schema.LogicalType, nullable bool) func() *schema.PrimitiveNode {
	return func() *schema.PrimitiveNode {
		return must(schema.NewPrimitiveNodeLogical(in.Name, repetition(nullable), logical, parquet.Types.ByteArray, 0, -1))
	}
}

func repetition(nullable bool) parquet.Repetition {
	if nullable {
		return parquet.Repetitions.Optional
	}
	return parquet.Repetitions.Required
}

// must is for the schema, which does not depend on any input.
func must(n *schema.PrimitiveNode, err error) *schema.PrimitiveNode {
	if err != nil {
		panic(err)
	}
	return n
}

// writerProperties are the encodings of the columns, zstd at level, statistics
// for all of them, and the order of the rows.
func writerProperties(level int) *parquet.WriterProperties {
	props := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST), // nanoseconds need 2.6
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithCompressionLevel(level),
		parquet.WithStats(true),
		parquet.WithMaxRowGroupLength(rowGroupRows),
		parquet.WithSortingColumns([]parquet.SortingColumn{{ColumnIdx: int32(timeColumn)}}),
	}
	for i := range specs {
		s := &specs[i]
		props = append(props,
			parquet.WithDictionaryFor(s.info.Name, s.dict),
			parquet.WithEncodingFor(s.info.Name, s.encoding))
	}
	return parquet.NewWriterProperties(props...)
}
