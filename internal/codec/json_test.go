package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// checkJSON appends the document behind a dirty prefix and compares it with
// encoding/json's, byte by byte.
func checkJSON(t testing.TB, r *record.Record, o *record.Origin) {
	t.Helper()
	const prefix = "dirty"
	got := AppendJSON([]byte(prefix), r, o, nil)
	if string(got[:len(prefix)]) != prefix {
		t.Fatalf("prefix overwritten: %q", got[:len(prefix)])
	}
	got = got[len(prefix):]
	want, err := peerJSON(r, o)
	if err != nil {
		t.Fatal(err)
	}
	if !peerEqual(got, want) {
		t.Fatalf("document differs from encoding/json's\n got %s\nwant %s", got, want)
	}
	if !json.Valid(got) {
		t.Fatalf("no JSON: %s", got)
	}
	if len(got) > jsonBound(r, o) {
		t.Fatalf("document of %d bytes, bound said %d", len(got), jsonBound(r, o))
	}
}

func TestJSONEqualsEncodingJSON(t *testing.T) {
	origins := []*record.Origin{
		captured,
		{Host: "probe-1", Source: "xcapa.raw-7"},
		{Run: "0123456789ab"},
		{Host: "Bj\u00f6rn's \"probe\"\\\n\x01<&>", Run: "0123456789ab", Interface: "e\xffth\x7f", Queue: 63},
	}
	for _, rows := range [][]record.Record{tcpRecords(50, false), tcpRecords(50, true), mixedRecords(300)} {
		for i := range rows {
			checkJSON(t, &rows[i], origins[i%len(origins)])
		}
	}
	rng := rand.New(rand.NewPCG(11, 12))
	for i := range 2000 {
		var r record.Record
		randomRecord(rng, &r, packet.FieldSet(rng.Uint64())&allFields)
		settle(&r)
		checkJSON(t, &r, origins[i%len(origins)])
	}
	for f := packet.Field(0); f < record.NumFields; f++ {
		var r record.Record
		randomRecord(rng, &r, 1<<f)
		settle(&r)
		checkJSON(t, &r, captured)
	}
}

// settle makes a random record one that a decoder could have made, where the
// document depends on it: the version goes with the addresses.
func settle(r *record.Record) {
	r.Status %= packet.NumStatus
	if r.Status == packet.StatusWhole {
		r.Status = packet.StatusSnapped
	}
	r.IPVersion = 4 + 2*(r.IPVersion&1)
	if r.Present.Has(packet.FieldSourceAddress) || r.Present.Has(packet.FieldDestinationAddress) {
		r.Present |= 1 << packet.FieldIPVersion
	}
	if r.IPVersion == 4 {
		copy(r.SourceAddress[:], mappedPrefix[:])
		copy(r.DestinationAddress[:], mappedPrefix[:])
	}
}

// TestJSONOrder checks that a document with every field has them in the order
// of the table.
func TestJSONOrder(t *testing.T) {
	var r record.Record
	randomRecord(rand.New(rand.NewPCG(1, 1)), &r, allFields)
	settle(&r)
	r.Status, r.IPVersion, r.Protocol = packet.StatusTruncated, 4, 6
	doc := AppendJSON(nil, &r, captured, &JSONOptions{CommunityID: true})
	dec := json.NewDecoder(bytes.NewReader(doc))
	var got []string
	for depth, key := 0, true; ; {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		if d, ok := tok.(json.Delim); ok {
			depth += map[json.Delim]int{'{': 1, '}': -1, '[': 1, ']': -1}[d]
			key = depth == 1
			continue
		}
		if depth == 1 && key {
			got = append(got, tok.(string))
		}
		key = depth == 1 && !key
	}
	var want []string
	for _, in := range record.Fields() {
		if record.SchemaLogisland.Has(&in) {
			want = append(want, in.Name)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestPutNumbers(t *testing.T) {
	b := make([]byte, 64)
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, p := range powersOf10 {
		for _, v := range []uint64{p - 1, p, p + 1, math.MaxUint64, 0} {
			check(string(b[1:putUint(b, 1, v)]), strconv.FormatUint(v, 10))
			check(string(b[1:putInt(b, 1, int64(v))]), strconv.FormatInt(int64(v), 10))
		}
	}
	check(string(b[:putInt(b, 0, math.MinInt64)]), "-9223372036854775808")
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		v := rng.Uint64() >> rng.UintN(64)
		check(string(b[:putUint(b, 0, v)]), strconv.FormatUint(v, 10))
		nanos := int64(rng.Uint64())
		check(string(b[:putTimestamp(b, 0, nanos)]), time.Unix(0, nanos).UTC().Format("2006-01-02T15:04:05.000000000Z"))
	}
	for _, nanos := range []int64{0, -1, 1, math.MaxInt64, math.MinInt64, 951782399999999999, 951782400000000000, 4107542399999999999} {
		check(string(b[:putTimestamp(b, 0, nanos)]), time.Unix(0, nanos).UTC().Format("2006-01-02T15:04:05.000000000Z"))
	}
}

func TestPutAddress(t *testing.T) {
	b := make([]byte, 64)
	for _, c := range []struct {
		addr string
		v6   bool
		want string
	}{
		{"::ffff:10.0.200.255", false, `"10.0.200.255"`},
		{"::ffff:10.0.200.255", true, `"::ffff:10.0.200.255"`},
		{"::", true, `"::"`},
		{"::1", true, `"::1"`},
		{"2001:db8:0:0:1:0:0:1", true, `"2001:db8::1:0:0:1"`},    // RFC 5952 4.2.3: the first of two longest runs
		{"2001:db8:0:1:1:1:1:1", true, `"2001:db8:0:1:1:1:1:1"`}, // 4.2.2: one zero field is not shortened
		{"2001:DB8::AB:0", true, `"2001:db8::ab:0"`},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, `"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"`},
	} {
		a := netip.MustParseAddr(c.addr).As16()
		if got := string(b[:putAddress(b, 0, &a, c.v6)]); got != c.want {
			t.Errorf("%s: got %s, want %s", c.addr, got, c.want)
		}
	}
	for i := range 256 {
		got := string(b[:putIPv4(b, 0, byte(i), 0, byte(255-i), byte(i))])
		if want := fmt.Sprintf("%d.0.%d.%d", i, 255-i, i); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestJSONAllocatesNothing(t *testing.T) {
	rows := mixedRecords(256)
	dst := make([]byte, 0, 16<<10)
	opt := &JSONOptions{CommunityID: true}
	i := 0
	if got := testing.AllocsPerRun(1000, func() {
		dst = AppendJSON(dst[:0], &rows[i&255], captured, opt)
		i++
	}); got != 0 {
		t.Errorf("%v allocations a document, want 0", got)
	}
}

func BenchmarkJSON(b *testing.B) {
	rows := tcpRecords(4096, false)
	dst := make([]byte, 0, 16<<10)
	b.ReportAllocs()
	k := 0
	for b.Loop() {
		dst = AppendJSON(dst[:0], &rows[k&4095], captured, nil)
		k++
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkEncodingJSON(b *testing.B) {
	rows := tcpRecords(4096, false)
	b.ReportAllocs()
	k := 0
	for b.Loop() {
		if _, err := peerJSON(&rows[k&4095], captured); err != nil {
			b.Fatal(err)
		}
		k++
	}
}
