package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

func TestRawKey(t *testing.T) {
	for _, c := range []struct {
		nanos int64
		hex   string
		back  int64
	}{
		{1338882754996790000, "0004c1b4ef01ea36", 1338882754996790000}, // the golden frame's
		{1338882754996790999, "0004c1b4ef01ea36", 1338882754996790000},
		{0, "0000000000000000", 0},
		{-1, "0000000000000000", 0},
		{math.MaxInt64, "0020c49ba5e353f7", 9223372036854775000},
	} {
		key := AppendRawKey([]byte("dirty"), c.nanos)
		if got := hex.EncodeToString(key[5:]); got != c.hex || string(key[:5]) != "dirty" {
			t.Errorf("%d: key %s, want %s", c.nanos, got, c.hex)
		}
		if back, ok := ParseRawKey(key[5:]); !ok || back != c.back {
			t.Errorf("%s: read %d, want %d", c.hex, back, c.back)
		}
	}
	for _, bad := range []string{"", "00", "000000000000000000", "ffffffffffffffff"} {
		if nanos, ok := ParseRawKey(unhex(t, bad)); ok {
			t.Errorf("key %q read as %d", bad, nanos)
		}
	}
}

func TestRawHeader(t *testing.T) {
	h := RawHeader{TimestampNanos: 0x0102030405060708, OrigLen: 0x11121314, LinkType: 0x2122, Queue: 0x3132, Sequence: 0x4142434445464748}
	const want = "010203040506070811121314212231324142434445464748"
	b := AppendRawHeader([]byte("dirty"), &h)
	if got := hex.EncodeToString(b[5:]); got != want || len(b) != 5+RawHeaderLen {
		t.Errorf("got %s, want %s", got, want)
	}
	var back RawHeader
	if err := ParseRawHeader(append(b[5:], "later"...), &back); err != nil || back != h {
		t.Errorf("read %+v, %v", back, err)
	}
	if err := ParseRawHeader(b[6:], &back); err == nil {
		t.Error("23 bytes must be refused")
	}
}

func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		o    record.Origin
		want string
	}{
		"captured": {*captured, "xcapa.schema=1 xcapa.host=probe-1 xcapa.run=0123456789ab xcapa.interface=eth1 xcapa.queue=3 xcapa.first=7 xcapa.last=18446744073709551615 "},
		"parsed":   {record.Origin{Host: "h", Source: "xcapa.raw-7"}, "xcapa.schema=1 xcapa.host=h xcapa.source=xcapa.raw-7 xcapa.first=7 xcapa.last=18446744073709551615 "},
	} {
		headers := ArrowHeaders(&c.o, 7, math.MaxUint64)
		var got string
		for _, h := range headers {
			got += h.Key + "=" + string(h.Value) + " "
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, c.want)
		}
		o := record.Origin{Run: "stale"}
		if first, last, err := ParseHeaders(headers, &o); first != 7 || last != math.MaxUint64 || err != nil || o != c.o {
			t.Errorf("%s: read %+v %d %d %v", name, o, first, last, err)
		}
	}
	for _, h := range []message.Header{{Key: message.HeaderSchema, Value: []byte("2")}, {Key: message.HeaderQueue, Value: []byte("x")}, {Key: message.HeaderFirst, Value: []byte("-1")}} {
		if _, _, err := ParseHeaders([]message.Header{h}, new(record.Origin)); err == nil {
			t.Errorf("%s=%s must be refused", h.Key, h.Value)
		}
	}
}

func TestFlowKeyIsSymmetric(t *testing.T) {
	back := func(r record.Record) record.Record {
		r.SourceAddress, r.DestinationAddress = r.DestinationAddress, r.SourceAddress
		r.SourcePort, r.DestinationPort = r.DestinationPort, r.SourcePort
		r.SourceMAC, r.DestinationMAC = r.DestinationMAC, r.SourceMAC
		return r
	}
	partitions := [12]int{}
	for _, r := range mixedRecords(4096) {
		there, andBack := AppendFlowKey(nil, &r), back(r)
		if got := AppendFlowKey(nil, &andBack); !bytes.Equal(got, there) || len(there) != 8 {
			t.Fatalf("the two directions have keys %x and %x", there, got)
		}
	}
	for _, r := range tcpRecords(4096, false) { // frames as they are decoded: both ends known
		partitions[r.FlowHash()%12]++
	}
	for p, n := range partitions {
		if n < 4096/12*7/10 || n > 4096/12*13/10 {
			t.Errorf("partition %d has %d of 4096 random flows", p, n)
		}
	}
	a, b := tcpRecords(1, false)[0], tcpRecords(1, false)[0]
	if b.SourcePort++; a.FlowHash() == b.FlowHash() {
		t.Error("two ports, one hash")
	}
	if b = a; a.FlowHash() != b.FlowHash() {
		t.Error("one flow, two hashes")
	}
	if b.Protocol = 17; a.FlowHash() == b.FlowHash() {
		t.Error("two protocols, one hash")
	}
	// Both ends the same: the hash must still depend on the address.
	a.DestinationAddress, a.DestinationPort = a.SourceAddress, a.SourcePort
	b = a
	b.SourceAddress[15]++
	b.DestinationAddress[15]++
	if a.FlowHash() == b.FlowHash() {
		t.Error("two hosts talking to themselves, one hash")
	}
}

func TestFailure(t *testing.T) {
	r := decodeHex(t, edgeFrames["truncated tcp"])
	r.TimestampNanos, r.Sequence = 1338882754996790000, 5
	r.Present |= 1 << record.FieldSequence
	const at = 1795395968409000001
	for name, c := range map[string]struct {
		f    Failure
		want string
	}{
		"bad packet": {Failure{TimestampNanos: at, Stage: "capture", Code: "truncated", Layer: "tcp", Offset: 34, Message: `needs "20" bytes`, Frame: []byte{1, 2, 3}, Row: -1, Record: r, Origin: captured},
			`{"@timestamp":"2026-11-23T01:06:08.409000001Z","stage":"capture","code":"truncated","layer":"tcp","offset":34,"message":"needs \"20\" bytes","frame":"AQID","record":` +
				string(AppendJSON(nil, r, captured, nil)) + `}`},
		"poison message": {Failure{TimestampNanos: at, Stage: "index", Code: CodeBadArrow, Offset: -1, Message: "m", Frame: []byte{}, Topic: "t", Partition: 3, Position: 9, Row: -1},
			`{"@timestamp":"2026-11-23T01:06:08.409000001Z","stage":"index","code":"bad_arrow","message":"m","frame":"","source":{"topic":"t","partition":3,"offset":9}}`},
		"refused document": {Failure{TimestampNanos: at, Stage: "index", Code: "mapping", Offset: -1, Topic: "t", Row: 0, Document: []byte(`{"a":1}`), Index: "i.2026"},
			`{"@timestamp":"2026-11-23T01:06:08.409000001Z","stage":"index","code":"mapping","message":"","source":{"topic":"t","partition":0,"offset":0,"row":0},"document":{"a":1},"index":"i.2026"}`},
		"refused nonsense": {Failure{TimestampNanos: at, Stage: "index", Code: "mapping", Offset: 0, Row: -1, Document: []byte("no\n{json}")},
			`{"@timestamp":"2026-11-23T01:06:08.409000001Z","stage":"index","code":"mapping","offset":0,"message":"","document":"no\u000a{json}"}`},
		"file": {Failure{TimestampNanos: at, Stage: "import", Code: "bad_block", Offset: -1, Row: -1, File: "a b.pcap", Byte: 1 << 40},
			`{"@timestamp":"2026-11-23T01:06:08.409000001Z","stage":"import","code":"bad_block","message":"","source":{"file":"a b.pcap","byte":1099511627776}}`},
	} {
		got := AppendFailure([]byte("dirty"), &c.f)
		if string(got) != "dirty"+c.want {
			t.Errorf("%s\n got %s\nwant %s", name, got[5:], c.want)
			continue
		}
		if !json.Valid(got[5:]) {
			t.Errorf("%s: no JSON: %s", name, got[5:])
		}
		var back Failure
		if err := ParseFailure(got[5:], &back); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.f.Record != nil { // the record: what is written again must be the same
			if again := AppendFailure(nil, &back); string(again) != c.want {
				t.Errorf("%s: written again\n got %s\nwant %s", name, again, c.want)
			}
			back.Record, back.Origin, c.f.Record, c.f.Origin = nil, nil, nil, nil
		}
		if diff := cmp.Diff(c.f, back); diff != "" {
			t.Errorf("%s: read back (-want +got)\n%s", name, diff)
		}
	}
	for _, bad := range []string{``, `[]`, `{"@timestamp":5}`, `{"@timestamp":"x"}`, `{"record":{"ip_version":999}}`, `{"frame":"*"}`} {
		if err := ParseFailure([]byte(bad), new(Failure)); err == nil {
			t.Errorf("%q must be refused", bad)
		}
	}
}

// FuzzFailure: an entry that can be read is a fixed point of reading and
// writing.
func FuzzFailure(f *testing.F) {
	r := decodeHex(f, edgeFrames["truncated tcp"])
	f.Add(AppendFailure(nil, &Failure{Stage: "capture", Code: packet.StatusTruncated.String(), Frame: []byte{1}, Record: r, Topic: "t", Row: 1}))
	f.Add(AppendFailure(nil, &Failure{Stage: "import", File: "f", Offset: -1, Row: -1, Document: []byte(`{"a":"\u00e9"}`), Index: "i"}))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var a, b Failure
		if ParseFailure(doc, &a) != nil {
			return
		}
		first := AppendFailure(nil, &a)
		if err := ParseFailure(first, &b); err != nil {
			t.Fatalf("%v in our own %s", err, first)
		}
		if second := AppendFailure(nil, &b); !bytes.Equal(first, second) {
			t.Fatalf("not the same again\n%s\n%s", first, second)
		}
	})
}
