package query

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// truth is SQL's: true, false, or unknown where a field is absent.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// naive is a condition as a text, and its meaning one row at a time, with none
// of the package's means: no spans, no complements, no pushing down of not.
type naive struct {
	text string
	eval func(r *row) truth
}

func (n naive) not() naive {
	return naive{"not (" + n.text + ")", func(r *row) truth { return yes - n.eval(r) }}
}

func join(word string, parts []naive) naive {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = "(" + p.text + ")"
	}
	return naive{strings.Join(texts, " "+word+" "), func(r *row) truth {
		out := parts[0].eval(r)
		for _, p := range parts[1:] {
			if word == "and" {
				out = min(out, p.eval(r))
			} else {
				out = max(out, p.eval(r))
			}
		}
		return out
	}}
}

// onValue is a test of one field that is unknown where the field is absent.
func onValue(field, text string, test func(v any) bool) naive {
	return naive{field + " " + text, func(r *row) truth {
		v := r.field(field)
		if v == nil {
			return unknown
		}
		return truthOf(test(v))
	}}
}

var (
	somePorts   = []uint16{0, 1, 22, 53, 80, 443, 65535}
	someLengths = []uint32{0, 60, 61, 1514, 1<<32 - 1}
	someQueues  = []int16{-32768, -1, 0, 3, 32767}
	someTimes   = []int64{-1 << 63, -1_500_000, -1, 0, 999_999, 1_000_000, 1795412280_000_000_000, 1795412280_123_456_789, 1<<63 - 1}
	someIPs     = []string{"0.0.0.0", "9.255.255.255", "10.0.0.0", "10.0.0.1", "10.1.2.3", "10.255.255.255", "11.0.0.0", "100.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1", "2001:db8:ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}
	someNets    = []string{"10.0.0.0/8", "10.0.0.0/31", "10.1.0.0/16", "0.0.0.0/0", "100.0.0.0/7", "2001:db8::/32", "::/0", "::/127"}
	someMACs    = []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff"}
	someBytes   = []string{"", "01", "0101080a", "ff"}
)

func pick[T any](t *rapid.T, from []T, label string) T { return rapid.SampledFrom(from).Draw(t, label) }

// genNumber draws a number field and one of its values.
func genNumber(t *rapid.T) (field string, value int64) {
	field = pick(t, []string{"dest_port", "frame_length", "capture_queue", "packet_timestamp_in_nanos", "record_time"}, "number")
	switch field {
	case "dest_port":
		return field, int64(pick(t, somePorts, "v"))
	case "frame_length":
		return field, int64(pick(t, someLengths, "v"))
	case "capture_queue":
		return field, int64(pick(t, someQueues, "v"))
	case "packet_timestamp_in_nanos":
		return field, pick(t, someTimes[6:8], "v")
	}
	return field, floorMillis(pick(t, someTimes[6:8], "v"))
}

func holds(c int, op string) bool {
	switch op {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// genTest draws one comparison.
func genTest(t *rapid.T) naive {
	op := pick(t, []string{"=", "!=", "<", "<=", ">", ">="}, "op")
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1:
		f, v := genNumber(t)
		return onValue(f, op+" "+number(v), func(x any) bool { return holds(compare(x.(int64), v), op) })
	case 2:
		f, a := genNumber(t)
		list := []int64{a}
		texts := []string{number(a)}
		for range rapid.IntRange(0, 3).Draw(t, "more") {
			if g, b := genNumber(t); g == f {
				list, texts = append(list, b), append(texts, number(b))
			}
		}
		return onValue(f, "in ("+strings.Join(texts, ", ")+")", func(x any) bool { return slices.Contains(list, x.(int64)) })
	case 3:
		f, a := genNumber(t)
		g, b := genNumber(t)
		if f != g {
			b = a
		}
		return onValue(f, "between "+number(a)+" and "+number(b), func(x any) bool { return a <= x.(int64) && x.(int64) <= b })
	case 4:
		a := netip.MustParseAddr(pick(t, someIPs, "ip"))
		return onValue("src_ip", op+" "+a.String(), func(x any) bool { return holds(x.(netip.Addr).Compare(a), op) })
	case 5:
		var nets []netip.Prefix
		var texts []string
		for range rapid.IntRange(1, 3).Draw(t, "nets") {
			n := netip.MustParsePrefix(pick(t, someNets, "net"))
			nets, texts = append(nets, n), append(texts, n.String())
		}
		return onValue("src_ip", "in ("+strings.Join(texts, ",")+")", func(x any) bool {
			return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(x.(netip.Addr)) })
		})
	case 6:
		bits := rapid.Uint16Range(1, 511).Draw(t, "bits")
		return onValue("tcp_flags", fmt.Sprintf("has 0x%x", bits), func(x any) bool { return x.(int64)&int64(bits) == int64(bits) })
	case 7:
		f := pick(t, []string{"src_mac", "decode_status", "record_id", "tcp_options"}, "text")
		v := pick(t, map[string][]string{"src_mac": someMACs, "decode_status": statusNames(), "record_id": {"a-0-1", "b-0-2"}, "tcp_options": someBytes[1:]}[f], "v")
		want := v
		if f == "tcp_options" {
			b, _ := hex.DecodeString(v)
			want = string(b)
		}
		op := pick(t, []string{"=", "!="}, "op")
		return onValue(f, op+" '"+v+"'", func(x any) bool { return (x.(string) == want) == (op == "=") })
	case 8:
		f := pick(t, []string{"src_mac", "src_ip", "dest_port", "frame_length", "tcp_options", "vlan_id", "@timestamp"}, "null")
		return naive{f + " is null", func(r *row) truth { return truthOf(r.field(f) == nil) }}
	}
	prefix := pick(t, []string{"02:", "02:00:00:00:00:01", "f", ""}, "like")
	return onValue("src_mac", "like '"+prefix+"%'", func(x any) bool { return strings.HasPrefix(x.(string), prefix) })
}

func genCondition(t *rapid.T, depth int) naive {
	switch k := rapid.IntRange(0, 5).Draw(t, "shape"); {
	case depth == 0 || k < 2:
		return genTest(t)
	case k < 3:
		return genCondition(t, depth-1).not()
	default:
		parts := make([]naive, rapid.IntRange(2, 3).Draw(t, "parts"))
		for i := range parts {
			parts[i] = genCondition(t, depth-1)
		}
		return join(map[bool]string{true: "and", false: "or"}[k == 3], parts)
	}
}

func maybe[T any](t *rapid.T, v T, label string) *T {
	if rapid.IntRange(0, 3).Draw(t, label+"?") == 0 {
		return nil
	}
	return &v
}

func genRow(t *rapid.T) row {
	r := row{
		nanos: pick(t, someTimes, "nanos"), length: pick(t, someLengths, "length"),
		queue: maybe(t, pick(t, someQueues, "queue"), "queue"), port: maybe(t, pick(t, somePorts, "port"), "port"),
		flags: maybe(t, rapid.Uint16Range(0, 511).Draw(t, "flags"), "flags"), ip: maybe(t, netip.MustParseAddr(pick(t, someIPs, "ip")), "ip"),
		mac: maybe(t, pick(t, someMACs, "mac"), "mac"), status: maybe(t, pick(t, statusNames(), "status"), "status"),
		id: pick(t, []string{"a-0-1", "b-0-2", "c-0-3"}, "id"),
	}
	if b := maybe(t, pick(t, someBytes, "options"), "options"); b != nil {
		r.options, _ = hex.DecodeString(*b)
	}
	return r
}

// Any condition finds the rows that the naive evaluator finds, and the bounds
// never promise what the rows do not keep.
func TestConditionsAreWhatTheySay(t *testing.T) {
	zone := Zone{Location: time.UTC, Now: time.Unix(0, someTimes[6])}
	rapid.Check(t, func(t *rapid.T) {
		rows := make([]row, rapid.IntRange(1, 12).Draw(t, "rows"))
		for i := range rows {
			rows[i] = genRow(t)
		}
		table := newTable(rows)
		want := genCondition(t, 3)
		expr, err := Parse(want.text, zone)
		if err != nil {
			t.Fatalf("%s: %v", want.text, err)
		}
		mask := make([]uint8, len(rows))
		n, err := expr.Match(table, mask)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for i := range rows {
			matches := want.eval(&rows[i]) == yes
			if matches {
				found++
			}
			if matches != (mask[i] == 1) {
				t.Fatalf("%s\nrow %d: got %d, want %v: %+v", want.text, i, mask[i], matches, rows[i])
			}
		}
		if n != found {
			t.Fatalf("%s: Match returns %d, %d are set", want.text, n, found)
		}
		switch v := expr.Verdict(table); {
		case v == None && found > 0, v == All && found < len(rows):
			t.Fatalf("%s: verdict %d, but %d of %d rows match", want.text, v, found, len(rows))
		}
	})
}

// Groups, counted, summed and bounded by several workers, are those that a map
// gives.
func TestGroupsAreWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by := []*Field{fields["src_ip"], fields["dest_port"], fields["record_id"], fields["capture_queue"]}
		by = by[:rapid.IntRange(0, len(by)).Draw(t, "by")]
		spec := &Grouping{By: by, MaxGroups: 1000, Aggregates: []Aggregate{{Sum, fields["frame_length"]}, {Count, nil},
			{Min, fields["capture_queue"]}, {Max, fields["capture_queue"]}, {Average, fields["tcp_flags"]}, {Sum, fields["capture_queue"]}}}
		if rapid.Bool().Draw(t, "bucket") {
			spec.Bucket = time.Millisecond
		}
		type sums struct{ length, count, low, high, flags, flagged, queue, queued int64 }
		want := map[string]*sums{}
		groups := NewGroups(spec, 2)
		for range rapid.IntRange(0, 4).Draw(t, "tables") {
			rows := make([]row, rapid.IntRange(1, 8).Draw(t, "rows"))
			mask := make([]uint8, len(rows))
			for i := range rows {
				rows[i] = genRow(t)
				rows[i].nanos %= 1_000_000_000_000 // no bucket below the smallest int64
				mask[i] = uint8(rapid.IntRange(0, 1).Draw(t, "mask"))
			}
			all := rapid.Bool().Draw(t, "all")
			given := mask
			if all {
				given = nil
			}
			if err := groups.Add(rapid.IntRange(0, 1).Draw(t, "worker"), newTable(rows), given); err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				if !all && mask[i] == 0 {
					continue
				}
				r := &rows[i]
				var key []string
				if spec.Bucket > 0 {
					key = append(key, time.Unix(0, floorMillis(r.nanos)*1_000_000).UTC().Format(timestampLayout))
				}
				for _, f := range by {
					if v := r.field(f.Name); v == nil {
						key = append(key, "-")
					} else {
						key = append(key, fmt.Sprint(v))
					}
				}
				k := strings.Join(key, " ")
				s := want[k]
				if s == nil {
					s = &sums{}
					want[k] = s
				}
				s.length += int64(r.length)
				s.count++
				if r.flags != nil {
					s.flags, s.flagged = s.flags+int64(*r.flags), s.flagged+1
				}
				if r.queue != nil {
					q := int64(*r.queue)
					if s.queued == 0 {
						s.low, s.high = q, q
					}
					s.low, s.high, s.queue, s.queued = min(s.low, q), max(s.high, q), s.queue+q, s.queued+1
				}
			}
		}
		if len(by) == 0 && spec.Bucket == 0 && len(want) == 0 {
			want[""] = &sums{}
		}
		result, err := groups.Result(0)
		if err != nil {
			t.Fatal(err)
		}
		if result.Len() != len(want) {
			t.Fatalf("%d groups, want %d", result.Len(), len(want))
		}
		last := int64(1) << 62
		style := &Style{Location: time.UTC}
		for i := range result.Len() {
			cells, _ := result.Row(i, nil, nil, style)
			var text []string
			for _, c := range cells {
				if c.Null {
					text = append(text, "-")
				} else {
					text = append(text, string(c.Text))
				}
			}
			keys := len(text) - len(spec.Aggregates)
			s := want[strings.Join(text[:keys], " ")]
			if s == nil {
				t.Fatalf("group %v was never there", text)
			}
			expect := []string{"-", number(s.count), "-", "-", "-", "-"}
			if s.count > 0 {
				expect[0] = number(s.length)
			}
			if s.queued > 0 {
				expect[2], expect[3], expect[5] = number(s.low), number(s.high), number(s.queue)
			}
			if s.flagged > 0 {
				expect[4] = fmt.Sprintf("%.3f", float64(s.flags)/float64(s.flagged))
			}
			if got := text[keys:]; !slices.Equal(got, expect) {
				t.Fatalf("group %v: got %v, want %v", text[:keys], got, expect)
			}
			if spec.Bucket == 0 && s.length > last {
				t.Fatalf("group %v with %d stands behind one with %d", text[:keys], s.length, last)
			}
			last = s.length
		}
	})
}

// One group more than allowed is an error that says how many are, whether a
// key's texts or the groups themselves are too many, in one worker or in all.
func TestTooManyGroups(t *testing.T) {
	rows := make([]row, 12)
	for i := range rows {
		port := uint16(i)
		rows[i] = row{id: fmt.Sprint(i), port: &port}
	}
	for _, by := range []string{"record_id", "dest_port"} {
		for limit := 11; limit <= 12; limit++ {
			g := NewGroups(&Grouping{By: []*Field{fields[by]}, MaxGroups: limit, Aggregates: []Aggregate{{}}}, 2)
			err := g.Add(0, newTable(rows[:6]), nil)
			if err == nil {
				err = g.Add(1, newTable(rows[6:]), nil)
			}
			var r *Result
			if err == nil {
				r, err = g.Result(0)
			}
			var many *TooManyGroupsError
			if limit == 12 && (err != nil || r.Len() != 12) || limit == 11 && (!errors.As(err, &many) || many.Max != 11) {
				t.Errorf("12 groups by %s, %d allowed: %v", by, limit, err)
			}
		}
	}
}
