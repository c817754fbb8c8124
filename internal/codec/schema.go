package codec

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"xcapa/internal/record"
)

// ArrowSchema is the schema of every block: the stored fields of the table of
// fields, variable width last.
func ArrowSchema() *arrow.Schema { return arrowSchema() }

var arrowSchema = sync.OnceValue(func() *arrow.Schema {
	var fields []arrow.Field
	for _, in := range record.Columns() {
		fields = append(fields, arrow.Field{Name: in.Name, Type: arrowType(in.Arrow), Nullable: in.Nullable()})
	}
	return arrow.NewSchema(fields, nil)
})

func arrowType(t record.ArrowType) arrow.DataType {
	switch t {
	case record.ArrowUint8:
		return arrow.PrimitiveTypes.Uint8
	case record.ArrowUint16:
		return arrow.PrimitiveTypes.Uint16
	case record.ArrowUint32:
		return arrow.PrimitiveTypes.Uint32
	case record.ArrowUint64:
		return arrow.PrimitiveTypes.Uint64
	case record.ArrowInt64:
		return arrow.PrimitiveTypes.Int64
	case record.ArrowTimestamp:
		return &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	case record.ArrowFixed6, record.ArrowFixed16:
		return &arrow.FixedSizeBinaryType{ByteWidth: t.Width()}
	case record.ArrowBinary:
		return arrow.BinaryTypes.Binary
	}
	panic("codec: field without a column in the block's schema")
}
