package store

import (
	"encoding/binary"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"pgregory.net/rapid"

	"xcapa/internal/record"
)

// What decodeChunk makes of a column is what the library makes of it; and a
// file as the store writes it is not left to the library.
func TestChunksAreWhatTheLibraryReads(t *testing.T) {
	for _, c := range []struct {
		name    string
		more    []parquet.WriterProperty
		decodes bool // every column that can be tried
	}{
		{"as written", nil, true},
		{"many pages", []parquet.WriterProperty{parquet.WithDataPageSize(500), parquet.WithBatchSize(100)}, true},
		{"no dictionary", []parquet.WriterProperty{parquet.WithDictionaryDefault(false)}, false},
		{"small dictionary", []parquet.WriterProperty{parquet.WithDictionaryPageSizeLimit(300)}, false},
		{"pages of version 2", []parquet.WriterProperty{parquet.WithDataPageVersion(parquet.DataPageV2)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			more := c.more
			if c.name == "no dictionary" {
				for i := range specs {
					more = append(more, parquet.WithDictionaryFor(specs[i].info.Name, false))
				}
			}
			dir := t.TempDir()
			s := open(t, dir, Options{Writers: 1})
			e := <-s.encoders
			e.props = writerProperties(1, more...)
			s.encoders <- e
			assign(t, s, "t", 0, 0)
			for o, g := range []*generator{newGenerator(1, 0), newGenerator(2, 1), newGenerator(3, 70)} {
				if err := s.Write(t.Context(), testMessage("t", 0, int64(o)), g.block(3001), func() {}); err != nil {
					t.Fatal(err)
				}
			}
			flush(t, s)
			d, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			decoded := 0
			if _, err := d.Groups(t.Context(), Query{}, 1, func(_ int, g *Group) error {
				for i := range specs {
					if !specs[i].decodes() {
						continue
					}
					got, err := decodeChunk(g.file.parquet.RowGroup(g.ref.number), i, &specs[i], g.Rows(), new(blocks))
					if err == errLayout {
						if c.decodes {
							t.Errorf("%s was left to the library", specs[i].info.Name)
						}
						continue
					}
					if err != nil {
						return err
					}
					decoded++
					want, err := g.readSlowly(i)
					if err != nil {
						return err
					}
					sameArray(t, specs[i].info.Name, got, want)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if decoded == 0 && c.name != "pages of version 2" {
				t.Error("no column was decoded")
			}
			if n, err := d.Distinct(t.Context(), Query{}, record.NameID); err != nil || n != 9003 {
				t.Errorf("%d ids, %v", n, err)
			}
		})
	}
}

// sameArray compares two arrays row by row, one of which may be a dictionary.
func sameArray(t *testing.T, name string, got, want arrow.Array) {
	t.Helper()
	if got.Len() != want.Len() || got.NullN() != want.NullN() {
		t.Fatalf("%s: %d rows, %d null; want %d, %d", name, got.Len(), got.NullN(), want.Len(), want.NullN())
	}
	types := [2]arrow.DataType{got.DataType(), want.DataType()}
	for i, a := range []arrow.Array{got, want} {
		if d, ok := a.(*array.Dictionary); ok {
			types[i] = d.Dictionary().DataType()
		}
	}
	if !arrow.TypeEqual(types[0], types[1]) {
		t.Fatalf("%s: of type %s, want %s", name, types[0], types[1])
	}
	for i := range got.Len() {
		if got.IsNull(i) != want.IsNull(i) || got.IsValid(i) && got.ValueStr(i) != want.ValueStr(i) {
			t.Fatalf("%s, row %d: %s, want %s", name, i, got.ValueStr(i), want.ValueStr(i))
		}
		if d, ok := got.(*array.Dictionary); ok && d.IsNull(i) && d.GetValueIndex(i) != d.Dictionary().Len() {
			t.Fatalf("%s, row %d: a null has index %d of %d", name, i, d.GetValueIndex(i), d.Dictionary().Len())
		}
	}
}

// pack is the inverse of unpack.
func pack(values []uint64, width uint) []byte {
	out := make([]byte, (uint(len(values))*width+7)/8)
	for i, v := range values {
		for b := range width {
			at := uint(i)*width + b
			out[at/8] |= byte(v>>b&1) << (at % 8)
		}
	}
	return out
}

func TestUnpack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := uint(rapid.IntRange(0, 64).Draw(t, "width"))
		values := rapid.SliceOfN(rapid.Uint64(), 0, 100).Draw(t, "values")
		for i := range values {
			if width < 64 {
				values[i] &= 1<<width - 1
			}
		}
		// The memory ends with the last bit, or goes on with anything.
		src := append(pack(values, width), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "behind")...)
		steps := make([]uint64, len(values))
		last := unpackSteps(steps, src, width, 5, 7)
		sum := uint64(5)
		for i, v := range values {
			if sum += v + 7; steps[i] != sum {
				t.Fatalf("width %d, step %d: %d, want %d", width, i, steps[i], sum)
			}
		}
		if last != sum {
			t.Fatalf("the last number is %d, want %d", last, sum)
		}
		if width > 32 {
			return
		}
		codes := make([]uint32, len(values))
		unpack(codes, src, width)
		for i, v := range values {
			if uint64(codes[i]) != v {
				t.Fatalf("width %d, number %d: %d, want %d", width, i, codes[i], v)
			}
		}
	})
}

// Runs of any lengths, of one value and of many, come back.
func TestRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := uint(rapid.IntRange(1, 20).Draw(t, "width"))
		var src []byte
		var want []uint32
		for range rapid.IntRange(0, 10).Draw(t, "runs") {
			if rapid.Bool().Draw(t, "one value") {
				n := rapid.IntRange(1, 300).Draw(t, "n")
				v := rapid.Uint32Range(0, 1<<width-1).Draw(t, "v")
				src = binary.AppendUvarint(src, uint64(n)<<1)
				src = append(src, binary.LittleEndian.AppendUint32(nil, v)[:(width+7)/8]...)
				for range n {
					want = append(want, v)
				}
				continue
			}
			groups := rapid.IntRange(1, 20).Draw(t, "groups")
			values := rapid.SliceOfN(rapid.Uint64Range(0, 1<<width-1), groups*8, groups*8).Draw(t, "values")
			src = append(binary.AppendUvarint(src, uint64(groups)<<1|1), pack(values, width)...)
			for _, v := range values {
				want = append(want, uint32(v))
			}
		}
		want = want[:len(want)-min(len(want), rapid.IntRange(0, 7).Draw(t, "less"))]
		got := make([]uint32, len(want))
		if err := bitCodes(got, src, width); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("number %d: %d, want %d", i, got[i], want[i])
			}
		}
		if width == 1 {
			level := make([]uint64, bitWords(len(want)))
			if err := bitLevels(level, src, len(want)); err != nil {
				t.Fatal(err)
			}
			for i := range len(level) * 64 {
				w := uint32(0)
				if i < len(want) {
					w = want[i]
				}
				if uint32(level[i/64]>>(i%64)&1) != w {
					t.Fatalf("level %d is not %d", i, w)
				}
			}
		}
	})
}

// Pages of any bytes are read or refused.
func FuzzPages(f *testing.F) {
	f.Add([]byte{3, 0x55, 4, 1}, uint16(12), uint8(1))
	f.Add([]byte{128, 1, 4, 40, 2, 4, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, uint16(30), uint8(3))
	f.Fuzz(func(t *testing.T, src []byte, n uint16, width uint8) {
		n = max(n, 1)
		_ = bitCodes(make([]uint32, n), src, uint(width))
		_ = bitLevels(make([]uint64, bitWords(int(n))), src, int(n))
		_ = deltaNumbers(make([]uint64, n), src)
		_ = plainNumbers(make([]uint64, n), src, 4)
		_, _ = plainTexts(src, int(n))
	})
}
