package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// edgeFrames are Ethernet frames whose records must be the same again after a
// block: offsets that are not stored are computed anew.
var edgeFrames = map[string]string{
	"tcp":                g1Frame,
	"arp":                "ffffffffffff001a8c10ad3008060001080006040001001a8c10ad30ac100001000000000000ac10ff01000000000000000000000000000000000000",
	"icmp":               "001a8c15f9804061869af1f50800450000341234400040" + "01abcd0a0000010a00000208" + strings.Repeat("00", 31),
	"ipv6 tcp":           "001a8c15f9804061869af1f586dd6000000000140640200100000000000000000000000000002001000000000000000000000000000104d20050f0000000ffffffff5010ffffffff0000",
	"ipv6 jumbo offload": "001a8c15f9804061869af1f586dd6000000000000640200100000000000000000000000000002001000000000000000000000000000104d20050f0000000ffffffff5010ffffffff00006162",
	"vlan":               "001a8c15f9804061869af1f581006064080045000028123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff00000000",
	"vlan offload":       "001a8c15f9804061869af1f581006064080045000000123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff00007878",
	"qinq offload":       "001a8c15f9804061869af1f588a8006481000065080045000000123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff0000787878",
	"total length 0":     "001a8c15f9804061869af1f5080045000000123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff00007878787878787878787878787878787878787878",
	"router alert":       "001a8c15f9804061869af1f508004600002c123440004006abcd0a0000010a0000029404000004d20050f0000000ffffffff5010ffffffff00000000",
	"mss eol pad":        "001a8c15f9804061869af1f5080045000030123440004006abcd0a0000010a00000204d20050f0000000ffffffff7002ffffffff0000020405b400000000",
	"udp":                "001a8c15f9804061869af1f5080045000028123440004011abcd0a0000010a000002003514e90014beef787878787878787878787878000000000000",
	"later fragment":     "001a8c15f9804061869af1f508004500002c123400b94011abcd0a0000010a000002deadbeef00010203deadbeef00010203deadbeef000102030000",
	"ihl 0":              "001a8c15f9804061869af1f5080040000028123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff0000000000000000",
	"truncated tcp":      "001a8c15f9804061869af1f5080045000020123440004006abcd0a0000010a00000204d20050f0000000ffffffff",
	"802.3":              "0026424203000000000080000019061eae800000000080000019061eae8080010000140002000f000000000000000000",
	"empty":              "",
}

// edgeRecords are the records of edgeFrames, as a queue would give them.
func edgeRecords(t testing.TB) []record.Record {
	var out []record.Record
	for _, hex := range edgeFrames {
		r := decodeHex(t, hex)
		r.TimestampNanos = 1338882754996790000 + int64(len(out))
		r.Sequence = uint64(len(out))
		r.Present |= 1 << record.FieldSequence
		out = append(out, *r)
	}
	return out
}

// blockMessage encodes rows as one message.
func blockMessage(rows []record.Record, o *record.Origin) *message.Message {
	b := NewArrowBlock(MaxBlockRows)
	for i := range rows {
		b.Append(&rows[i])
	}
	return &message.Message{Topic: "xcapa.packets", Partition: 2, Offset: 9, Value: b.AppendTo(nil),
		Headers: ArrowHeaders(o, b.FirstSequence(), b.LastSequence())}
}

// withoutDetail is what a block keeps of a record.
func withoutDetail(r record.Record) *record.Record {
	r.StatusLayer, r.StatusOffset, r.StatusNeed, r.StatusHave = 0, 0, 0, 0
	return &r
}

// checkRows reads m and compares every row with what was put in.
func checkRows(t testing.TB, rd *Reader, m *message.Message, rows []record.Record, o *record.Origin) {
	t.Helper()
	var ids [][]byte
	n := 0
	err := rd.Read(m, func(row *Row) error {
		want := withoutDetail(rows[n])
		if row.Present != want.Present&allFields {
			t.Fatalf("row %d: fields %b, want %b", n, row.Present, want.Present)
		}
		got, direct := AppendJSON(nil, &row.Record, row.Origin, nil), AppendJSON(nil, want, o, nil)
		if !bytes.Equal(got, direct) {
			t.Fatalf("row %d: document from the block differs\n got %s\nwant %s", n, got, direct)
		}
		for _, in := range record.Fields() { // what documents leave out, too
			if in.Field == record.NoField || !row.Present.Has(in.Field) {
				continue
			}
			if row.Uint(in.Field) != want.Uint(in.Field) || !bytes.Equal(row.Bytes(in.Field), want.Bytes(in.Field)) {
				t.Fatalf("row %d: %s differs", n, in.Name)
			}
		}
		if row.JSON != nil {
			t.Fatalf("row %d of a block has a document", n)
		}
		ids = append(ids, row.ID)
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != len(rows) {
		t.Fatalf("%d rows, want %d", n, len(rows))
	}
	for i, id := range ids { // still valid behind the last row
		if want := record.AppendID(nil, &rows[i], o); !bytes.Equal(id, want) {
			t.Fatalf("row %d: id %q, want %q", i, id, want)
		}
	}
}

func TestReadBlocks(t *testing.T) {
	rd := NewReader(EncodingAuto)
	rng := rand.New(rand.NewPCG(21, 22))
	for _, n := range rowCounts {
		for _, o := range []*record.Origin{captured, {Host: "h", Source: "xcapa.raw-7"}} {
			rows := make([]record.Record, n)
			few := []packet.FieldSet{packet.FieldSet(rng.Uint64()), packet.FieldSet(rng.Uint64()), 0, allFields}
			for i := range rows {
				randomRecord(rng, &rows[i], few[rng.IntN(len(few))]&allFields)
				settleForBlock(&rows[i])
				if o.Source != "" {
					rows[i].Present |= 1 << record.FieldSourceOffset
				}
			}
			checkRows(t, rd, blockMessage(rows, o), rows, o)
		}
	}
	checkRows(t, rd, blockMessage(mixedRecords(1000), captured), mixedRecords(1000), captured)
	edges := edgeRecords(t)
	checkRows(t, rd, blockMessage(edges, captured), edges, captured)
}

// settleForBlock gives a random record what a block cannot invent: a sequence
// or link type that is stored or the usual one, offsets as they are computed from the fields.
func settleForBlock(r *record.Record) {
	settle(r)
	if !r.Present.Has(record.FieldSequence) {
		r.Sequence = 0
	}
	if !r.Present.Has(record.FieldLinkType) {
		r.LinkType = packet.LinkTypeEthernet
	}
	r.RestoreOffsets(r.LinkType)
}

func TestReadStopsAtTheCallersError(t *testing.T) {
	stop := errors.New("enough")
	rd, n := NewReader(EncodingAuto), 0
	err := rd.Read(blockMessage(tcpRecords(10, false), captured), func(*Row) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if err != stop || n != 3 {
		t.Errorf("Read = %v after %d rows, want the caller's error after 3", err, n)
	}
}

// TestReadBlockWithoutHeaders: somebody else's block has ids of its place.
func TestReadBlockWithoutHeaders(t *testing.T) {
	m := blockMessage(tcpRecords(3, false), captured)
	m.Headers = nil
	var got []string
	if err := NewReader(EncodingAuto).Read(m, func(row *Row) error {
		got = append(got, string(row.ID))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := "[xcapa.packets-2-9-0 xcapa.packets-2-9-1 xcapa.packets-2-9-2]"; fmt.Sprint(got) != want {
		t.Errorf("ids %v, want %v", got, want)
	}
}

func TestRecognise(t *testing.T) {
	block := blockMessage(tcpRecords(1, false), captured)
	doc := []byte(`{"record_id":"a","packet_timestamp_in_nanos":1}`)
	arrow := []message.Header{{Key: message.HeaderSchema, Value: []byte("1")}}
	for name, c := range map[string]struct {
		encoding Encoding
		value    []byte
		headers  []message.Header
		code     string // of the error, "" for none
	}{
		"block by header":           {EncodingAuto, block.Value, arrow, ""},
		"block by first bytes":      {EncodingAuto, block.Value, nil, ""},
		"document":                  {EncodingAuto, doc, nil, ""},
		"frame":                     {EncodingAuto, unhex(t, g1Frame), nil, CodeUnknownEncoding},
		"empty":                     {EncodingAuto, nil, nil, CodeUnknownEncoding},
		"document under the header": {EncodingAuto, doc, arrow, CodeBadArrow},
		"later schema":              {EncodingAuto, block.Value, []message.Header{{Key: message.HeaderSchema, Value: []byte("2")}}, CodeBadArrow},
		"forced to JSON":            {EncodingJSON, block.Value, arrow, CodeBadJSON},
		"forced to Arrow":           {EncodingArrow, doc, nil, CodeBadArrow},
		"forced to raw":             {EncodingRaw, unhex(t, g1Frame), nil, ""},
	} {
		rows := 0
		err := NewReader(c.encoding).Read(&message.Message{Topic: "t", Value: c.value, Headers: c.headers}, func(*Row) error { rows++; return nil })
		var u *UnreadableError
		switch {
		case c.code == "" && (err != nil || rows != 1):
			t.Errorf("%s: %d rows, %v", name, rows, err)
		case c.code != "" && (!errors.As(err, &u) || u.Code != c.code || rows != 0):
			t.Errorf("%s: %d rows, error %v, want code %s", name, rows, err, c.code)
		}
	}
}

func TestReadJSON(t *testing.T) {
	r := tcpRecords(1, true)[0]
	own := AppendJSON(nil, &r, captured, nil)
	for name, c := range map[string]struct{ value, doc, id, time string }{
		"own":                  {string(own), string(own), string(record.AppendID(nil, &r, captured)), fmt.Sprint(r.TimestampNanos)},
		"without an id":        {`{"@timestamp":"1970-01-01T00:00:01.5Z"}`, `{"@timestamp":"1970-01-01T00:00:01.5Z"}`, "t-3-7", "1500000000"},
		"escaped":              {`{"record\u005fid":"a\"b"}`, `{"record\u005fid":"a\"b"}`, `a"b`, "0"},
		"on many lines":        {"{\n \"record_id\" : \"x\",\r\n\"n\":[ 1,\n2 ] }\n", `{"record_id":"x","n":[1,2]}`, "x", "0"},
		"nanos win":            {`{"packet_timestamp_in_nanos":5,"@timestamp":"1970-01-01T00:00:01Z"}`, `{"packet_timestamp_in_nanos":5,"@timestamp":"1970-01-01T00:00:01Z"}`, "t-3-7", "5"},
		"nested the same name": {`{"a":{"record_id":"no"},"record_id":"yes"}`, `{"a":{"record_id":"no"},"record_id":"yes"}`, "yes", "0"},
	} {
		err := NewReader(EncodingAuto).Read(&message.Message{Topic: "t", Partition: 3, Offset: 7, Value: []byte(c.value)}, func(row *Row) error {
			if string(row.JSON) != c.doc || string(row.ID) != c.id || fmt.Sprint(row.TimestampNanos) != c.time {
				t.Errorf("%s: got %s\nid %s time %d, want id %s time %s", name, row.JSON, row.ID, row.TimestampNanos, c.id, c.time)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{
		`{`, `{}{}`, `{"a":1}x`, "{\"a\":1}\n{\"delete\":{}}", `{"a":01}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, "{\"a\":\"\x01\"}", `{"a":tru}`,
		`{"a":[1,]}`, `{"a":"\q"}`, `{"a":"\u12g4"}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":"`, `{"a":"\`, `{"a":"\u12`,
		`{"record_id":5}`, `{"record_id":""}`, `{"packet_timestamp_in_nanos":"5"}`, `{"packet_timestamp_in_nanos":9223372036854775808}`,
		`{"@timestamp":"2026"}`, `{"@timestamp":"9999-01-01T00:00:00Z"}`, `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		err := NewReader(EncodingAuto).Read(&message.Message{Value: []byte(bad)}, func(*Row) error { return nil })
		var u *UnreadableError
		if !errors.As(err, &u) || u.Code != CodeBadJSON {
			t.Errorf("%.60s: %v, want %s", bad, err, CodeBadJSON)
		}
	}
}

func TestReadRaw(t *testing.T) {
	frame := unhex(t, g1Frame)
	at := time.Unix(1700000000, 5)
	header := AppendRawHeader(nil, &RawHeader{TimestampNanos: 1338882754996790123, OrigLen: 1500, LinkType: 1, Queue: 2, Sequence: 77})
	for name, c := range map[string]struct {
		key     []byte
		headers []message.Header
		nanos   int64
		origLen uint32
	}{
		"with header":    {AppendRawKey(nil, 1338882754996790000), []message.Header{{Key: message.HeaderRaw, Value: header}}, 1338882754996790123, 1500},
		"pycapa's":       {AppendRawKey(nil, 1338882754996790999), nil, 1338882754996790000, 54},
		"without a key":  {nil, nil, at.UnixNano(), 54},
		"a foreign head": {AppendRawKey(nil, 1000), []message.Header{{Key: message.HeaderRaw, Value: []byte("short")}}, 1000, 54},
	} {
		m := &message.Message{Topic: "xcapa.raw", Partition: 4, Offset: 11, Time: at, Key: c.key, Value: frame, Headers: c.headers}
		err := NewReader(EncodingRaw).Read(m, func(row *Row) error {
			if row.TimestampNanos != c.nanos || row.OrigLen != c.origLen || row.CapLen != 54 || row.DestinationPort != 23 {
				t.Errorf("%s: time %d lengths %d %d port %d", name, row.TimestampNanos, row.OrigLen, row.CapLen, row.DestinationPort)
			}
			if string(row.ID) != "xcapa.raw-4-11" {
				t.Errorf("%s: id %s", name, row.ID)
			}
			if got := row.Present.Has(record.FieldSequence); got != (name == "with header") {
				t.Errorf("%s: sequence present: %v", name, got)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseEncoding(t *testing.T) {
	for _, e := range []Encoding{EncodingAuto, EncodingArrow, EncodingJSON, EncodingRaw, EncodingSeedJSON, EncodingExtendedJSON, EncodingString, EncodingAvro} {
		if got, err := ParseEncoding(e.String()); got != e || err != nil {
			t.Errorf("ParseEncoding(%s) = %v, %v", e, got, err)
		}
	}
	if got, err := ParseEncoding(""); got != EncodingAuto || err != nil {
		t.Errorf(`ParseEncoding("") = %v, %v`, got, err)
	}
	if _, err := ParseEncoding("protobuf"); err == nil {
		t.Error("protobuf must be refused")
	}
}

func TestReadAllocatesPerMessageOnly(t *testing.T) {
	m := blockMessage(mixedRecords(1024), captured)
	rd := NewReader(EncodingAuto)
	doc := make([]byte, 0, 16<<10)
	got := testing.AllocsPerRun(10, func() {
		if err := rd.Read(m, func(row *Row) error {
			doc = AppendJSON(doc[:0], &row.Record, row.Origin, nil)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
	if got > 8 {
		t.Errorf("%v allocations a block of 1,024 rows, want at most 8: the texts of its headers", got)
	}
}

func benchmarkRead(b *testing.B, rows []record.Record) {
	m := blockMessage(rows[:MaxBlockRows], captured)
	rd := NewReader(EncodingAuto)
	b.ReportAllocs()
	for b.Loop() {
		if err := rd.Read(m, func(*Row) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxBlockRows, "ns/record")
}

// The cost of reading a block of 1,024 records.
func BenchmarkReadBlockTCP(b *testing.B)   { benchmarkRead(b, tcpRecords(MaxBlockRows, true)) }
func BenchmarkReadBlockMixed(b *testing.B) { benchmarkRead(b, mixedRecords(MaxBlockRows)) }

func BenchmarkReadJSON(b *testing.B) {
	r := tcpRecords(1, true)[0]
	m := &message.Message{Value: AppendJSON(nil, &r, captured, nil)}
	rd := NewReader(EncodingAuto)
	b.ReportAllocs()
	for b.Loop() {
		if err := rd.Read(m, func(*Row) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseJSON(b *testing.B) {
	r := tcpRecords(1, true)[0]
	doc := AppendJSON(nil, &r, captured, nil)
	var o record.Origin
	b.ReportAllocs()
	for b.Loop() {
		if err := ParseJSON(doc, &r, &o); err != nil {
			b.Fatal(err)
		}
	}
}
