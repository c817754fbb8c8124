package query

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"xcapa/internal/record"
)

var testZone = Zone{Location: time.FixedZone("X", 3600), Now: time.Date(2026, 11, 23, 5, 38, 0, 0, time.UTC)}

// What is wrong is said with its place.
func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int // from 1
		length int
		want   string
	}{
		{"", 1, 0, "an empty condition"},
		{"dst_port = 443", 1, 8, "did you mean dest_port?"},
		{"src_prot = 1", 1, 8, "did you mean src_port?"},
		{"port = 443", 1, 4, "did you mean src_port or dest_port?"},
		{"qwertzuiopasdf = 1", 1, 14, "`xcapa fields` lists them"},
		{"dest_port", 10, 0, "expected = != < <= > >= in"},
		{"dest_port 443", 11, 3, "expected = != < <= > >= in"},
		{"dest_port = ", 13, 0, "expected a value, found the end"},
		{"dest_port = 443 dst_ip = ::1", 17, 6, "expected and, or, or the end"},
		{"(dest_port = 443", 17, 0, "expected ) for the ( in column 1"},
		{"dest_port = 443)", 16, 1, "expected and, or, or the end"},
		{"dest_port in (80, 443", 22, 0, "expected , or ) in the list"},
		{"dest_port in ()", 15, 1, "expected a value"},
		{"dest_port between 1 or 2", 21, 2, "expected and between"},
		{"dest_port = -1", 13, 2, "dest_port is 0 to 65535"},
		{"capture_queue = 32768", 17, 5, "capture_queue is -32768 to 32767"},
		{"protocol = tpc", 12, 3, "neither a number nor a name that protocol has"},
		{"tcp_flags has syn+acc", 15, 7, "neither a number nor a name"},
		{"src_ip has syn", 8, 3, "has no bits"},
		{"src_ip = 10.0.0", 10, 6, "is no address"},
		{"src_mac = 02:00", 11, 5, "is no MAC address"},
		{"src_ip in (10.0.0.0/8, 10.0.0.0/33)", 24, 11, "is no network"},
		{"capture_host = 'a", 16, 2, "this quote is not closed"},
		{"ä = 1", 1, 1, "unexpected 'ä'"},
		{"capture_host = 'ä' and x = 1", 24, 1, "no field \"x\""},
		{"@timestamp > yesterday", 14, 9, "want 2006-01-02"},
		{"@timestamp > 9999-01-01", 14, 10, "which no packet time can be"},
		{"not", 4, 0, "expected a field"},
		{"dest_port is 443", 14, 3, "expected null or not null"},
		{"dest_port not = 443", 15, 1, "expected in, between or like behind not"},
		{"tcp_options = xyz", 15, 3, "want hex digits"},
		{"frame_length like '1%'", 14, 4, "like is for text"},
		{strings.Repeat("(", 300) + "dest_port = 1", 202, 1, "more than 200"},
	} {
		_, err := Parse(c.text, testZone)
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%s: got %v, want a SyntaxError", c.text, err)
			continue
		}
		column := len([]rune(c.text[:se.At])) + 1
		length := len([]rune(c.text[se.At : se.At+se.Length]))
		if column != c.column || length != c.length || !strings.Contains(se.Reason, c.want) {
			t.Errorf("%s\ngot  column %d, length %d: %s\nwant column %d, length %d: %s", c.text, column, length, se.Reason, c.column, c.length, c.want)
		}
	}
}

func TestCaret(t *testing.T) {
	_, err := Parse("capture_host = 'ä' and\tx = 1", testZone)
	want := "column 24: no field \"x\": `xcapa fields` lists them\n  capture_host = 'ä' and x = 1\n                         ^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// Each spelling means the same as another.
func TestSpellings(t *testing.T) {
	ip := func(s string) *netip.Addr { a := netip.MustParseAddr(s); return &a }
	port, flags, mac := uint16(443), uint16(0x12), "02:00:00:00:00:01"
	table := newTable([]row{
		{port: &port, ip: ip("10.1.2.3"), flags: &flags, mac: &mac, length: 100, nanos: testZone.Now.UnixNano()},
		{ip: ip("2001:db8::1"), length: 60, nanos: testZone.Now.UnixNano() - 61e9},
	})
	for _, c := range []struct {
		text string
		mask [2]uint8
	}{
		{"dest_port = 443", [2]uint8{1, 0}},
		{"DEST_PORT == 0x1bb", [2]uint8{1, 0}},
		{"dest_port <> 80 && frame_length>=100", [2]uint8{1, 0}},
		{"!(dest_port=443) || frame_length<61", [2]uint8{0, 1}},
		{"not dest_port = 443", [2]uint8{0, 0}},
		{"dest_port is null", [2]uint8{0, 1}},
		{"dest_port is not null", [2]uint8{1, 0}},
		{"not dest_port is null", [2]uint8{1, 0}},
		{"not dest_port is not null", [2]uint8{0, 1}},
		{"src_ip in 10.0.0.0/8", [2]uint8{1, 0}},
		{"src_ip not in (10.0.0.0/8, 192.0.2.1)", [2]uint8{0, 1}},
		{"src_ip = ::ffff:10.1.2.3", [2]uint8{1, 0}},
		{"src_ip = 2001:0db8:0:0::1", [2]uint8{0, 1}},
		{"src_mac = 02-00-00-00-00-01", [2]uint8{1, 0}},
		{"tcp_flags = syn|ack", [2]uint8{1, 0}},
		{"tcp_flags = syn", [2]uint8{0, 0}},
		{"tcp_flags has SYN", [2]uint8{1, 0}},
		{"not tcp_flags has fin", [2]uint8{1, 0}},
		{"@timestamp = '2026-11-23 06:38'", [2]uint8{1, 0}},
		{"@timestamp > '2026-11-23 06:37'", [2]uint8{1, 0}},
		{"@timestamp >= 2026-11-23T05:36:59Z", [2]uint8{1, 1}},
		{"@timestamp < 2026-11-23T05:37:00+00:00", [2]uint8{0, 1}},
		{"@timestamp >= -1m", [2]uint8{1, 0}},
		{"@timestamp = 2026-11-23", [2]uint8{1, 1}},
		{"record_time = 1795412280000", [2]uint8{1, 0}},
		{"packet_timestamp_in_nanos <= @1795412220", [2]uint8{0, 1}},
		{"frame_length between 61 and 100", [2]uint8{1, 0}},
		{"frame_length between 100 and 61", [2]uint8{0, 0}},
		{"record_type = pcap_packet", [2]uint8{1, 1}},
		{"src_mac like '02:%:01'", [2]uint8{1, 0}},
		{"src_ip like \"10.%\"", [2]uint8{1, 0}},
	} {
		e, err := Parse(c.text, testZone)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		var mask [2]uint8
		if _, err := e.Match(table, mask[:]); err != nil || mask != c.mask {
			t.Errorf("%s: got %v, %v; want %v", c.text, mask, err, c.mask)
		}
	}
}

// An and reads no column behind the last row.
func TestColumnsNotNeededAreNotRead(t *testing.T) {
	table := newTable([]row{{length: 60}})
	e, err := Parse("frame_length = 61 and (src_ip in 10.0.0.0/8 or dest_port = 1)", testZone)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Match(table, make([]uint8, 1)); err != nil {
		t.Fatal(err)
	}
	if table.asked["frame_length"] != 1 || table.asked["src_ip"] != 0 || table.asked["dest_port"] != 0 {
		t.Errorf("columns asked for: %v, want frame_length alone", table.asked)
	}
}

// Every field of the table but those of the seed can be asked for and shown.
func TestEveryField(t *testing.T) {
	table := newTable([]row{{length: 60}})
	for _, in := range record.Fields() {
		f, err := FieldByName(in.Name)
		if in.Kind == record.SeedOnly {
			if err == nil || !strings.Contains(err.Error(), "seed") {
				t.Errorf("%s: %v, want an error about the seed", in.Name, err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		e, err := Parse(in.Name+" is not null", testZone)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := e.Match(table, make([]uint8, 1)); err != nil {
			t.Errorf("%s: %v", in.Name, err)
		}
		v, err := f.Vector(table)
		if err != nil {
			t.Errorf("%s: %v", in.Name, err)
			continue
		}
		if _, null := v.Append(nil, 0, &Style{Location: time.UTC}); null != v.array.IsNull(0) {
			t.Errorf("%s: null %v", in.Name, null)
		}
	}
}

// Sums beyond 64 bits are exact.
func TestSumsDoNotOverflow(t *testing.T) {
	for _, c := range []struct {
		high, low uint64
		signed    bool
		want      string
	}{
		{0, math.MaxUint64, false, "18446744073709551615"},
		{1, 0, false, "18446744073709551616"},
		{math.MaxUint64, math.MaxUint64, true, "-1"},
		{math.MaxUint64, 0, true, "-18446744073709551616"},
		{3, 5, true, "55340232221128654853"},
	} {
		if got := string(appendSum(nil, c.high, c.low, c.signed)); got != c.want {
			t.Errorf("%x %x: got %s, want %s", c.high, c.low, got, c.want)
		}
	}
}

// Any text is either understood or refused with a place inside it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"dest_port = 443 and src_ip in (10.0.0.0/8, ::1)", "not (tcp_flags has syn+ack or vlan_id is null)",
		"@timestamp between '2026-11-23' and now", "src_mac like '%:01' and tcp_options != 0x01", "a='''", "((((", "\xff", "@timestamp > @-1.9", "record_time < -9999999999999999"} {
		f.Add(s)
	}
	table := newTable([]row{{length: 60}, {nanos: math.MinInt64}})
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s, testZone)
		var se *SyntaxError
		if errors.As(err, &se) {
			if se.At < 0 || se.Length < 0 || se.At+se.Length > len(s) || se.Reason == "" {
				t.Fatalf("%q: %+v", s, se)
			}
			_ = se.Error()
			return
		}
		if err != nil {
			t.Fatalf("%q: %v is no SyntaxError", s, err)
		}
		mask := make([]uint8, 2)
		n, err := e.Match(table, mask)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if v := e.Verdict(table); v == None && n > 0 || v == All && n < 2 {
			t.Fatalf("%q: verdict %d, %d rows match", s, v, n)
		}
	})
}
