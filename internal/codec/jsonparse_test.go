package codec

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// checkParseJSON writes r, reads the document and compares the fields and what
// is written again.
func checkParseJSON(t testing.TB, r *record.Record, o *record.Origin) {
	t.Helper()
	doc := AppendJSON(nil, r, o, nil)
	var got record.Record
	var origin record.Origin
	if err := ParseJSON(doc, &got, &origin); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	if again := AppendJSON(nil, &got, &origin, nil); !bytes.Equal(again, doc) {
		t.Fatalf("written again\n got %s\nwant %s", again, doc)
	}
	const inID = 1<<record.FieldSourceOffset | 1<<record.FieldSourceRow
	if got.Present&^inID != r.Present&allFields&^inID {
		t.Fatalf("fields %b, want %b", got.Present, r.Present)
	}
	for _, in := range record.Fields() {
		if in.Field == record.NoField || !(r.Present &^ inID).Has(in.Field) {
			continue
		}
		if got.Uint(in.Field) != r.Uint(in.Field) || !bytes.Equal(got.Bytes(in.Field), r.Bytes(in.Field)) {
			t.Fatalf("%s differs in %s", in.Name, doc)
		}
	}
	if got.TimestampNanos != r.TimestampNanos || got.OrigLen != r.OrigLen || got.CapLen != r.CapLen {
		t.Fatalf("time or lengths differ in %s", doc)
	}
}

func TestParseJSONIsTheInverse(t *testing.T) {
	origins := []*record.Origin{
		captured,
		{Host: "probe \"1\"\n\u00e9", Run: "0123456789ab", Interface: "eth\\0", Queue: 0},
		{Host: "h", Source: "xcapa.raw-7"},
		{Source: "a-topic-with-12-dashes-3"},
		{Source: "0123456789ab"},
	}
	rows := append(append(tcpRecords(50, true), mixedRecords(200)...), edgeRecords(t)...)
	rng := rand.New(rand.NewPCG(31, 32))
	for range 500 {
		var r record.Record
		randomRecord(rng, &r, packet.FieldSet(rng.Uint64())&allFields)
		settleForBlock(&r)
		r.Status = packet.StatusSnapped
		r.IPChecksumStatus, r.TransportChecksumStatus = packet.ChecksumBad, packet.ChecksumPartial
		r.SourceOffset &= 1<<62 - 1
		rows = append(rows, r)
	}
	for i := range rows {
		o := origins[i%len(origins)]
		if o.Source != "" {
			rows[i].Present |= 1 << record.FieldSourceOffset
			rows[i].SourceOffset = int64(i)
		}
		checkParseJSON(t, &rows[i], o)
	}
}

func TestParseJSONOfTheSeed(t *testing.T) {
	r := decodeHex(t, g1Frame)
	r.TimestampNanos = 1338882754996790000
	var got record.Record
	var o record.Origin
	if err := ParseJSON(AppendJSON(nil, r, captured, &JSONOptions{Schema: record.SchemaSeed}), &got, &o); err != nil {
		t.Fatal(err)
	}
	if got.SequenceNumber != 3888838744 || got.TimestampNanos != 1338882754996000000 || got.SourcePort != 19707 {
		t.Errorf("sequence %d time %d port %d", got.SequenceNumber, got.TimestampNanos, got.SourcePort)
	}
}

func TestParseJSONRefuses(t *testing.T) {
	for _, c := range []struct{ doc, field string }{
		{`{"ip_version":256}`, "ip_version"},
		{`{"ip_version":-1}`, "ip_version"},
		{`{"ip_version":"4"}`, "ip_version"},
		{`{"ip_version":4.0}`, "ip_version"},
		{`{"tcp_sequence_number":-2147483649}`, "tcp_sequence_number"},
		{`{"frame_length":4294967296}`, "frame_length"},
		{`{"src_mac":"00:11:22:33:44"}`, "src_mac"},
		{`{"src_mac":"00-11-22-33-44-55"}`, "src_mac"},
		{`{"src_mac":"00:11:22:33:44:5g"}`, "src_mac"},
		{`{"src_ip":"10.0.0"}`, "src_ip"},
		{`{"src_ip":"fe80::1%eth0"}`, "src_ip"},
		{`{"arp_sender_ip":"::1"}`, "arp_sender_ip"},
		{`{"ip_options":"*"}`, "ip_options"},
		{`{"decode_status":"fine"}`, "decode_status"},
		{`{"decode_status":""}`, "decode_status"},
		{`{"ip_checksum_status":"unknown"}`, "ip_checksum_status"},
		{`{"capture_queue":"x"}`, "capture_queue"},
		{`{"capture_host":5}`, "capture_host"},
		{`[]`, "no valid JSON object"},
	} {
		err := ParseJSON([]byte(c.doc), new(record.Record), new(record.Origin))
		if err == nil || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v, want an error about %s", c.doc, err, c.field)
		}
	}
	var r record.Record
	if err := ParseJSON([]byte(`{"ip_version":null,"unknown":[{}],"@timestamp":"1970-01-01T00:00:00.000000001Z"}`), &r, new(record.Origin)); err != nil || r.Present != 0 || r.TimestampNanos != 1 {
		t.Errorf("null and unknown fields: %v, %b, %d", err, r.Present, r.TimestampNanos)
	}
}

// jsonObject reports what encoding/json thinks of doc.
func jsonObject(doc []byte) bool {
	return json.Valid(doc) && bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("{"))
}

func depth(doc []byte) (most int) {
	n := 0
	for _, c := range doc {
		switch c {
		case '{', '[':
			n++
			most = max(most, n)
		case '}', ']':
			n--
		}
	}
	return most
}

// FuzzJSON: our scanner takes what encoding/json takes, and a document that can
// be read is a fixed point of reading and writing.
func FuzzJSON(f *testing.F) {
	for _, r := range append(mixedRecords(20), edgeRecords(f)...) {
		f.Add(AppendJSON(nil, &r, captured, nil))
	}
	for _, s := range []string{`{}`, `{"a":[1.5e-3,true,null,"\u00e9\n"],"b":{"c":{}}}`, "{\"a\" :\t-0 }\n", `{"record_id":"a-1","src_ip":"::"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := scanObject(doc, func(_, value []byte) error {
			if !json.Valid(value) {
				t.Fatalf("member %q is no JSON", value)
			}
			return nil
		})
		if got, want := err == nil, jsonObject(doc); got != want && depth(doc) < maxJSONDepth {
			t.Fatalf("scanObject takes it: %v, encoding/json: %v", got, want)
		}
		var r, again record.Record
		var o, o2 record.Origin
		if ParseJSON(doc, &r, &o) != nil {
			return
		}
		first := AppendJSON(nil, &r, &o, nil)
		if !json.Valid(first) {
			t.Fatalf("no JSON: %s", first)
		}
		if err := ParseJSON(first, &again, &o2); err != nil {
			t.Fatalf("%v in our own %s", err, first)
		}
		if second := AppendJSON(nil, &again, &o2, nil); !bytes.Equal(first, second) {
			t.Fatalf("not the same again\n%s\n%s", first, second)
		}
	})
}
