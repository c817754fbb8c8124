package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"xcapa/internal/message"
	"xcapa/internal/record"
)

// stream writes batches as arrow-go does.
func stream(t testing.TB, batch arrow.RecordBatch, opts ...ipc.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(opts, ipc.WithSchema(batch.Schema()))...)
	if err := w.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// twice is a stream of the same batch two times.
func twice(t testing.TB, batch arrow.RecordBatch) []byte {
	one := stream(t, batch)
	one = one[:len(one)-len(endOfStream)]
	return append(bytes.Clone(one), one[len(blockTemplate().schema):]...)
}

// pickColumns makes a batch of some columns of another, in that order.
func pickColumns(batch arrow.RecordBatch, order []int) arrow.RecordBatch {
	var fields []arrow.Field
	var cols []arrow.Array
	for _, k := range order {
		fields = append(fields, batch.Schema().Field(k))
		cols = append(cols, batch.Column(k))
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, batch.NumRows())
}

func TestReadOtherLayouts(t *testing.T) {
	rows := append(mixedRecords(100), edgeRecords(t)...)
	batch := buildBatch(t, rows)
	defer batch.Release()
	n := int(batch.NumCols())
	reversed := make([]int, n)
	for i := range reversed {
		reversed[i] = n - 1 - i
	}
	extra := array.NewRecordBatch(
		arrow.NewSchema(append(batch.Schema().Fields(), arrow.Field{Name: "comment", Type: arrow.BinaryTypes.String, Nullable: true}), nil),
		append(batch.Columns(), array.MakeArrayOfNull(memory.DefaultAllocator, arrow.BinaryTypes.String, len(rows))), int64(len(rows)))
	for name, b := range map[string]arrow.RecordBatch{"our own schema": batch, "reversed": pickColumns(batch, reversed), "another column": extra} {
		t.Run(name, func(t *testing.T) {
			m := &message.Message{Value: stream(t, b), Headers: ArrowHeaders(captured, 0, 0)}
			checkRows(t, NewReader(EncodingAuto), m, rows, captured)
		})
	}
}

// TestReadOlderBlock reads a block that lacks columns: they are absent.
func TestReadOlderBlock(t *testing.T) {
	batch := buildBatch(t, tcpRecords(70, true))
	defer batch.Release()
	m := &message.Message{Value: stream(t, pickColumns(batch, []int{columnNamed("dest_port"), nanosColumn})), Headers: ArrowHeaders(captured, 0, 0)}
	n := 0
	err := NewReader(EncodingAuto).Read(m, func(row *Row) error {
		if row.Present != 1<<record.ByName("dest_port").Field || row.DestinationPort != 443 || row.OrigLen != 0 {
			t.Fatalf("row %d: fields %b port %d length %d", n, row.Present, row.DestinationPort, row.OrigLen)
		}
		n++
		return nil
	})
	if err != nil || n != 70 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestReadRefusesStreams(t *testing.T) {
	batch := buildBatch(t, tcpRecords(10, true))
	defer batch.Release()
	one := func(name string, typ arrow.DataType, n int) arrow.RecordBatch {
		b := array.NewBuilder(memory.DefaultAllocator, typ)
		for range n {
			b.AppendEmptyValue()
		}
		b.AppendNulls(10 - n)
		return array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: name, Type: typ, Nullable: true}}, nil), []arrow.Array{b.NewArray()}, 10)
	}
	nanos := ArrowSchema().Field(nanosColumn)
	for name, value := range map[string][]byte{
		"no time":            stream(t, pickColumns(batch, []int{5})),
		"time of microsecs":  stream(t, one(nanos.Name, arrow.FixedWidthTypes.Timestamp_us, 10)),
		"times with nulls":   stream(t, one(nanos.Name, nanos.Type, 9)),
		"no rows":            stream(t, batch.NewSlice(0, 0)),
		"compressed":         stream(t, batch, ipc.WithZstd()),
		"nested":             stream(t, one("x", arrow.ListOf(arrow.PrimitiveTypes.Uint8), 10)),
		"dictionary":         stream(t, one("x", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String}, 10)),
		"same column twice":  stream(t, pickColumns(batch, []int{nanosColumn, 4, 4})),
		"schema alone":       blockTemplate().schema,
		"marker alone":       {0xff, 0xff, 0xff, 0xff},
		"huge metadata":      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0},
		"something behind":   append(stream(t, batch), 'x'),
		"end in front":       endOfStream,
		"an Arrow file":      append([]byte("ARROW1\x00\x00"), stream(t, batch)...),
		"two batches":        twice(t, batch),
		"two schemas":        append(bytes.Clone(blockTemplate().schema), blockTemplate().schema...),
		"legacy without ...": stream(t, batch)[4:],
	} {
		rows := 0
		err := NewReader(EncodingArrow).Read(&message.Message{Value: value}, func(*Row) error { rows++; return nil })
		var u *UnreadableError
		if !errors.As(err, &u) || u.Code != CodeBadArrow || rows != 0 {
			t.Errorf("%s: %d rows, error %v, want %s", name, rows, err, CodeBadArrow)
		}
	}
}

// TestReadDamagedBlocks damages each byte of a block's metadata, and each
// buffer's place and length: no panic, and what is given has valid rows.
func TestReadDamagedBlocks(t *testing.T) {
	m := blockMessage(mixedRecords(70), captured)
	tp := blockTemplate()
	rng := rand.New(rand.NewPCG(41, 42))
	rd := NewReader(EncodingAuto)
	try := func(value []byte) {
		err := rd.Read(&message.Message{Value: value}, func(row *Row) error {
			checkOptions(t, row)
			return nil
		})
		var u *UnreadableError
		if err != nil && !errors.As(err, &u) {
			t.Fatalf("error %v is no UnreadableError", err)
		}
	}
	for i := range len(tp.schema) + len(tp.batch) {
		value := bytes.Clone(m.Value)
		value[i] ^= 1 << rng.UintN(8)
		try(value)
	}
	start := len(tp.schema)
	places := []int{tp.rows, tp.bodyLength}
	for k := range 2 * tp.nodeCount {
		places = append(places, tp.nodes+8*k)
	}
	for k := range 2 * tp.bufferCount {
		places = append(places, tp.buffers+8*k)
	}
	for _, at := range places {
		for _, v := range []uint64{0, 1, 69, 71, 1 << 20, 1 << 31, 1 << 62, 1<<63 - 1, 1 << 63, ^uint64(0), ^uint64(0) - 7} {
			value := bytes.Clone(m.Value)
			binary.LittleEndian.PutUint64(value[start+at:], v)
			try(value)
		}
	}
	for n := 0; n < len(m.Value); n += 97 { // cut anywhere
		try(m.Value[:n])
	}
}

// TestReadHostileSchema reads the bytes that made arrow-go's reader ask for 64
// GiB: a vtable moved by 8 bytes, so that a length is read from a name.
func TestReadHostileSchema(t *testing.T) {
	value := bytes.Clone(blockMessage(mixedRecords(65), captured).Value)
	value[44] = 0x18
	err := NewReader(EncodingAuto).Read(&message.Message{Value: value}, func(*Row) error { return nil })
	var u *UnreadableError
	if !errors.As(err, &u) || u.Code != CodeBadArrow {
		t.Errorf("error %v, want %s", err, CodeBadArrow)
	}
}

// checkOptions touches every byte of the row's slices.
func checkOptions(t testing.TB, row *Row) {
	sum := 0
	for _, in := range record.Columns() {
		if in.Arrow == record.ArrowBinary && row.Present.Has(in.Field) {
			for _, c := range row.Bytes(in.Field) {
				sum += int(c)
			}
		}
	}
	if len(row.ID) == 0 {
		t.Fatal("a row without an id", sum)
	}
}

// FuzzArrow: no value makes the reader panic, give rows that are not in the
// message, or anything but an UnreadableError. What is fuzzed is a patch of a
// whole stream, and its place: streams are long, and most of their bytes are
// values that nothing can be wrong with.
func FuzzArrow(f *testing.F) {
	batch := buildBatch(f, mixedRecords(3))
	bases := [][]byte{
		blockMessage(mixedRecords(3), captured).Value,
		blockMessage(mixedRecords(65), captured).Value,
		stream(f, pickColumns(batch, []int{columnNamed("tcp_options"), nanosColumn})),
		stream(f, batch, ipc.WithLZ4()),
		nil, // the patch alone
	}
	tp := blockTemplate()
	for i := range bases {
		f.Add(uint8(i), uint16(0), []byte{}, false)
		f.Add(uint8(i), uint16(4), []byte{0xff, 0xff, 0xff, 0x7f}, true)
		f.Add(uint8(i), uint16(len(tp.schema)+tp.buffers+8), []byte{1}, false)
		f.Add(uint8(i), uint16(300), []byte{0xff, 0xff, 0xff, 0xff}, false)
	}
	rd := NewReader(EncodingArrow)
	doc := make([]byte, 0, 16<<10)
	f.Fuzz(func(t *testing.T, base uint8, at uint16, patch []byte, cut bool) {
		value := bytes.Clone(bases[int(base)%len(bases)])
		at = min(at, uint16(len(value)))
		if n := copy(value[at:], patch); n < len(patch) || cut {
			value = append(value[:at], patch...)
		}
		rows := 0
		err := rd.Read(&message.Message{Topic: "t", Value: value}, func(row *Row) error {
			rows++
			checkOptions(t, row)
			doc = AppendJSON(doc[:0], &row.Record, row.Origin, nil)
			if rows < 10 && !jsonObject(doc) {
				t.Fatalf("row %d is no JSON: %s", rows, doc)
			}
			return nil
		})
		var u *UnreadableError
		if err != nil && (!errors.As(err, &u) || rows != 0) {
			t.Fatalf("%d rows and error %v", rows, err)
		}
		if 8*rows > len(value) {
			t.Fatalf("%d rows in %d bytes", rows, len(value))
		}
	})
}
