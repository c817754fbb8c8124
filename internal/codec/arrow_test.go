package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// buildBatch makes the batch of the rows the ordinary way, with arrow-go's
// builders: the second opinion on every block.
func buildBatch(t rapid.TB, rows []record.Record) arrow.RecordBatch {
	t.Helper()
	rb := array.NewRecordBuilder(memory.DefaultAllocator, ArrowSchema())
	defer rb.Release()
	for i := range rows {
		r := &rows[i]
		for k, in := range record.Columns() {
			appendBuilder(rb.Field(k), r, &in)
		}
	}
	return rb.NewRecordBatch()
}

func appendBuilder(b array.Builder, r *record.Record, in *record.Info) {
	if in.Nullable() && !r.Present.Has(in.Field) {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(r.TimestampNanos))
	case *array.Uint8Builder:
		b.Append(uint8(r.Uint(in.Field)))
	case *array.Uint16Builder:
		b.Append(uint16(r.Uint(in.Field)))
	case *array.Uint32Builder:
		switch in.Name {
		case record.NameFrameLength:
			b.Append(r.OrigLen)
		case record.NameCapturedLength:
			b.Append(r.CapLen)
		default:
			b.Append(uint32(r.Uint(in.Field)))
		}
	case *array.Uint64Builder:
		b.Append(r.Uint(in.Field))
	case *array.Int64Builder:
		b.Append(int64(r.Uint(in.Field)))
	case *array.FixedSizeBinaryBuilder:
		b.Append(r.Bytes(in.Field))
	case *array.BinaryBuilder:
		b.Append(r.Bytes(in.Field))
	default:
		panic(fmt.Sprintf("%s: no builder for %T", in.Name, b))
	}
}

// checkBlock encodes the rows behind a dirty prefix and compares what arrow-go
// reads with what its builders make.
func checkBlock(t rapid.TB, b *ArrowBlock, rows []record.Record) {
	t.Helper()
	b.Reset()
	for i := range rows {
		b.Append(&rows[i])
	}
	prefix := []byte("not part of it")
	dst := append(make([]byte, 0, len(prefix)+b.EncodedLen()+100), prefix...)
	dirty := dst[len(dst):cap(dst)]
	for i := range dirty {
		dirty[i] = 0xa5
	}
	dst = b.AppendTo(dst)
	if !bytes.HasPrefix(dst, prefix) {
		t.Fatalf("prefix overwritten: %q", dst[:len(prefix)])
	}
	block := dst[len(prefix):]
	if len(block) > b.EncodedLen() {
		t.Fatalf("block of %d bytes, EncodedLen said at most %d", len(block), b.EncodedLen())
	}
	in := bytes.NewReader(block)
	rd, err := ipc.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Release()
	if !rd.Schema().Equal(ArrowSchema()) {
		t.Fatalf("schema\n got %v\nwant %v", rd.Schema(), ArrowSchema())
	}
	got, err := rd.Read()
	if err != nil {
		t.Fatal(err)
	}
	want := buildBatch(t, rows)
	defer want.Release()
	if !array.RecordEqual(got, want) {
		for i, col := range got.Columns() {
			if !array.Equal(col, want.Column(i)) {
				t.Errorf("column %s\n got %v\nwant %v", got.ColumnName(i), col, want.Column(i))
			}
		}
		t.FailNow()
	}
	for i, col := range got.Columns() {
		if g, w := col.NullN(), want.Column(i).NullN(); g != w {
			t.Errorf("column %s: null count %d, want %d", got.ColumnName(i), g, w)
		}
		checkSlots(t, got.ColumnName(i), col)
	}
	if rd.Next() {
		t.Error("a second batch in the block")
	}
	if in.Len() != 0 {
		t.Errorf("%d bytes behind the end of the stream", in.Len())
	}
	if again := b.AppendTo(nil); !bytes.Equal(again, block) {
		t.Error("AppendTo twice gives two different blocks")
	}
}

// checkSlots looks at what null slots hold: never an earlier frame's bytes.
func checkSlots(t rapid.TB, name string, col arrow.Array) {
	t.Helper()
	data := col.Data().Buffers()[1]
	fw, ok := col.DataType().(arrow.FixedWidthDataType)
	if !ok {
		return
	}
	w := fw.BitWidth() / 8
	for i := range col.Len() {
		if col.IsNull(i) && !bytes.Equal(data.Bytes()[i*w:(i+1)*w], make([]byte, w)) {
			t.Fatalf("column %s row %d is null and holds %x", name, i, data.Bytes()[i*w:(i+1)*w])
		}
	}
}

var rowCounts = []int{1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 1023, 1024}

func TestBlockEqualsBuilders(t *testing.T) {
	patterns := map[string]func(*rand.Rand, int) packet.FieldSet{
		"all null":                func(*rand.Rand, int) packet.FieldSet { return 0 },
		"none null":               func(*rand.Rand, int) packet.FieldSet { return allFields },
		"alternating":             func(_ *rand.Rand, i int) packet.FieldSet { return allFields * packet.FieldSet(i&1) },
		"first only":              func(_ *rand.Rand, i int) packet.FieldSet { return allFields * packet.FieldSet(1-min(i, 1)) },
		"random":                  func(rng *rand.Rand, _ int) packet.FieldSet { return packet.FieldSet(rng.Uint64()) & allFields },
		"sparse":                  func(rng *rand.Rand, _ int) packet.FieldSet { return 1 << rng.Uint32N(uint32(record.NumFields)) },
		"bits of a later version": func(rng *rand.Rand, _ int) packet.FieldSet { return packet.FieldSet(rng.Uint64()) },
	}
	b := NewArrowBlock(MaxBlockRows)
	for name, pattern := range patterns {
		for _, n := range rowCounts {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(n), 7))
				rows := make([]record.Record, n)
				for i := range rows {
					randomRecord(rng, &rows[i], pattern(rng, i))
				}
				checkBlock(t, b, rows)
			})
		}
	}
}

// TestBlockEachColumnAlone has one field present (then: absent) at a time, so a
// column written into another's place cannot hide.
func TestBlockEachColumnAlone(t *testing.T) {
	b := NewArrowBlock(MaxBlockRows)
	rng := rand.New(rand.NewPCG(5, 6))
	for f := packet.Field(0); f < record.NumFields; f++ {
		for _, present := range []packet.FieldSet{1 << f, allFields &^ (1 << f)} {
			rows := make([]record.Record, 67)
			for i := range rows {
				randomRecord(rng, &rows[i], present)
			}
			checkBlock(t, b, rows)
		}
	}
}

func TestBlockRandom(t *testing.T) {
	b := NewArrowBlock(MaxBlockRows)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "rows")
		few := rapid.SliceOfN(rapid.Uint64(), 1, 4).Draw(t, "patterns")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rows := make([]record.Record, n)
		for i := range rows {
			randomRecord(rng, &rows[i], packet.FieldSet(few[rng.IntN(len(few))])&allFields)
		}
		checkBlock(t, b, rows)
	})
}

func TestBlockUsual(t *testing.T) {
	b := NewArrowBlock(MaxBlockRows)
	checkBlock(t, b, tcpRecords(MaxBlockRows, false))
	checkBlock(t, b, tcpRecords(MaxBlockRows, true))
	checkBlock(t, b, mixedRecords(MaxBlockRows))
}

// TestTemplatePlaces checks that one template serves every row count: the
// metadata arrow-go writes differs in the patched places alone.
func TestTemplatePlaces(t *testing.T) {
	tp := blockTemplate()
	for _, n := range rowCounts {
		rows := make([]record.Record, n)
		for i := range rows {
			randomRecord(rand.New(rand.NewPCG(uint64(i), 1)), &rows[i], allFields)
		}
		batch := buildBatch(t, rows)
		var out bytes.Buffer
		w := ipc.NewWriter(&out, ipc.WithSchema(ArrowSchema()))
		if err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
		batch.Release()
		if !bytes.HasPrefix(out.Bytes(), tp.schema) {
			t.Fatal("arrow-go writes another schema message")
		}
		got := bytes.Clone(out.Bytes()[len(tp.schema):][:len(tp.batch)])
		if !sameTemplate(tp, got) {
			t.Errorf("%d rows: metadata differs outside the patched places", n)
		}
	}
}

func TestBlockSequences(t *testing.T) {
	b := NewArrowBlock(3)
	if b.FirstSequence() != 0 || b.LastSequence() != 0 || b.Len() != 0 || b.Full() {
		t.Error("a new block is not empty")
	}
	if got := b.AppendTo([]byte("x")); string(got) != "x" {
		t.Errorf("an empty block appended %d bytes", len(got)-1)
	}
	for _, s := range []uint64{5, 7, 9} {
		b.Append(&record.Record{Sequence: s, Packet: packet.Packet{Present: 1 << record.FieldSequence}})
	}
	if b.FirstSequence() != 5 || b.LastSequence() != 9 || b.Len() != 3 || !b.Full() {
		t.Errorf("first %d last %d len %d full %v, want 5 9 3 true", b.FirstSequence(), b.LastSequence(), b.Len(), b.Full())
	}
	b.Reset()
	b.Append(&record.Record{Sequence: 1, SourceOffset: 42, Packet: packet.Packet{Present: 1<<record.FieldSequence | 1<<record.FieldSourceOffset}})
	if b.FirstSequence() != 42 || b.LastSequence() != 42 {
		t.Errorf("first %d last %d of a record from a topic, want 42 42", b.FirstSequence(), b.LastSequence())
	}
	if NewArrowBlock(0).rows != 1 || NewArrowBlock(1<<20).rows != MaxBlockRows {
		t.Error("row counts are not clamped")
	}
}

func TestTranspose64(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	var m, want [64]uint64
	for r := range m {
		m[r] = rng.Uint64()
		for c := range want {
			want[c] |= m[r] >> c & 1 << r
		}
	}
	if transpose64(&m); m != want {
		t.Errorf("got %x\nwant %x", m, want)
	}
}

func TestBlockAllocatesNothing(t *testing.T) {
	rows := append(mixedRecords(512), tcpRecords(512, true)...)
	b := NewArrowBlock(MaxBlockRows)
	dst := make([]byte, 0, 1<<20)
	got := testing.AllocsPerRun(20, func() {
		b.Reset()
		for i := range rows {
			b.Append(&rows[i])
		}
		dst = b.AppendTo(dst[:0])
	})
	if got != 0 {
		t.Errorf("%v allocations a block of %d records, want 0", got, len(rows))
	}
}

func benchmarkBlock(b *testing.B, rows []record.Record) {
	block := NewArrowBlock(MaxBlockRows)
	dst := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	k := 0
	for b.Loop() {
		block.Append(&rows[k&(len(rows)-1)])
		if k++; block.Full() {
			dst = block.AppendTo(dst[:0])
			block.Reset()
		}
	}
	b.SetBytes(int64(len(dst) / MaxBlockRows))
}

// The cost of one record, its share of the block's writing included.
func BenchmarkArrowBlockTCP(b *testing.B)     { benchmarkBlock(b, tcpRecords(4096, false)) }
func BenchmarkArrowBlockOptions(b *testing.B) { benchmarkBlock(b, tcpRecords(4096, true)) }
func BenchmarkArrowBlockMixed(b *testing.B)   { benchmarkBlock(b, mixedRecords(4096)) }
