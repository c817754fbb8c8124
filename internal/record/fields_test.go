package record

import (
	"encoding/json"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"

	"xcapa/internal/packet"
)

// documented reads the table of fields as users know it. One line can hold
// several names; its types are then either as many, or one for all.
func documented(t *testing.T) []Info {
	t.Helper()
	text, err := os.ReadFile("testdata/documented-fields.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []Info
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[2:] {
		cell := strings.Split(line, " | ")
		names := strings.Split(strings.Trim(cell[0], "| "), ", ")
		typ, _, _ := strings.Cut(cell[1], ", IPv4 as")
		types := strings.Split(typ, ", ")
		if strings.HasPrefix(cell[1], "timestamp") {
			types = []string{cell[1]}
		}
		for i, name := range names {
			name = strings.Trim(name, "`")
			if rest, ok := strings.CutPrefix(name, "…"); ok {
				name = "tcp_computed_" + rest
			}
			typ = types[min(i, len(types)-1)]
			out = append(out, Info{Name: name, Meaning: typ, Elastic: cell[2]})
		}
	}
	return out
}

func TestTableMatchesDocumentation(t *testing.T) {
	docs := documented(t)
	if len(docs) < 70 {
		t.Fatalf("read %d documented names, want at least 70", len(docs))
	}
	var got, want []string
	for _, in := range Fields() {
		if in.Elastic != "" { // the two columns of blocks alone are described below the table
			got = append(got, in.Name)
		}
	}
	for _, d := range docs {
		want = append(want, d.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("names or their order differ\n got %q\nwant %q", got, want)
	}
	for _, d := range docs {
		in := ByName(d.Name)
		if in == nil {
			continue
		}
		// What the documentation cannot say in one word is spelled out here.
		switch d.Name {
		case "arp_sender_ip", "arp_target_ip":
			d.Meaning = "uint32" // five names, four types in the line
		case "arp_target_mac":
			d.Meaning = "fixed binary(6)"
		case "ip_padding", "tcp_padding":
			d.Meaning = "binary" // a document made from a block must equal one made directly
		}
		if in.Arrow != ArrowNone && in.Arrow.String() != d.Meaning {
			t.Errorf("%s: Arrow type %q, documented %q", d.Name, in.Arrow, d.Meaning)
		}
		if in.Arrow == ArrowNone && !slices.Contains([]string{"(computed)", "(message header)", "–"}, d.Meaning) {
			t.Errorf("%s: no column, documented %q", d.Name, d.Meaning)
		}
		// The first word of the mapping's type, where the line has one for all.
		if !strings.HasPrefix(d.Name, "arp_") && in.Kind != SeedOnly {
			word := strings.Fields(in.Elastic)[0]
			if !strings.Contains(d.Elastic, strings.Trim(word, ",")) {
				t.Errorf("%s: Elasticsearch type %q, documented %q", d.Name, in.Elastic, d.Elastic)
			}
		}
	}
}

func TestEveryBitHasOneLine(t *testing.T) {
	var seen packet.FieldSet
	for _, in := range Fields() {
		if in.Field == NoField {
			continue
		}
		if seen.Has(in.Field) {
			t.Errorf("%s: its bit %d has another line", in.Name, in.Field)
		}
		seen |= 1 << in.Field
		if in.Arrow == ArrowNone {
			t.Errorf("%s has a bit and no column", in.Name)
		}
		if ByField(in.Field).Name != in.Name || ByName(in.Name).Field != in.Field {
			t.Errorf("%s: look-up by bit and by name disagree", in.Name)
		}
	}
	if got := bits.OnesCount64(uint64(seen)); got != int(NumFields) {
		t.Errorf("%d bits have a line, want %d", got, NumFields)
	}
	if NumFields > 64 {
		t.Errorf("%d bits do not fit a FieldSet", NumFields)
	}
	if ByField(NumFields) != nil || ByField(NoField) != nil || ByName("nothing") != nil {
		t.Error("look-up of what does not exist must give nil")
	}
}

func TestAccessorsReachEveryColumn(t *testing.T) {
	for _, in := range Fields() {
		if in.Field == NoField {
			continue
		}
		var r Record
		w := in.Arrow.Width()
		switch in.Arrow {
		case ArrowFixed6, ArrowFixed16, ArrowBinary:
			want := []byte("0123456789abcdef")
			if w > 0 {
				want = want[:w]
			}
			r.SetBytes(in.Field, want)
			if got := r.Bytes(in.Field); string(got) != string(want) {
				t.Errorf("%s: Bytes = %q, want %q", in.Name, got, want)
			}
			r.SetBytes(in.Field, []byte{1})
			if got := r.Bytes(in.Field); got[0] != 1 || w > 1 && got[1] != 0 {
				t.Errorf("%s: short value left %x", in.Name, got)
			}
			if r.Uint(in.Field) != 0 {
				t.Errorf("%s: Uint of bytes is not 0", in.Name)
			}
		default:
			want := ^uint64(0) >> (64 - 8*w)
			r.SetUint(in.Field, ^uint64(0))
			if got := r.Uint(in.Field); got != want {
				t.Errorf("%s: Uint = %#x, want %#x (%s)", in.Name, got, want, in.Arrow)
			}
			if r.Bytes(in.Field) != nil {
				t.Errorf("%s: Bytes of an integer is not nil", in.Name)
			}
		}
	}
}

func TestColumnsPutVariableWidthLast(t *testing.T) {
	cols := Columns()
	var names []string
	for i, c := range cols {
		if c.Arrow == ArrowBinary {
			names = append(names, c.Name)
		} else if i > 0 && cols[i-1].Arrow == ArrowBinary {
			t.Errorf("%s stands behind a column of variable width", c.Name)
		}
	}
	if want := []string{"ip_options", "ip_padding", "tcp_options", "tcp_padding"}; !slices.Equal(names, want) {
		t.Errorf("variable columns %q, want %q", names, want)
	}
}

func TestElasticProperties(t *testing.T) {
	var props map[string]map[string]any
	if err := json.Unmarshal(ElasticProperties(SchemaLogisland), &props); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"@timestamp": "date_nanos", "src_ip": "ip", "tcp_sequence_number": "long",
		"record_id": "keyword", "ip_options": "binary", "record_errors": "text"} {
		if got := props[name]["type"]; got != want {
			t.Errorf("%s: type %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"global_magic", "source_offset", "source_row"} {
		if _, ok := props[name]; ok {
			t.Errorf("%s must not be in the mapping", name)
		}
	}
	if props["record_errors"]["index"] != false || props["processor_name"]["index"] != false {
		t.Error("record_errors and processor_name must not be indexed")
	}
	props = nil
	if err := json.Unmarshal(ElasticProperties(SchemaSeed), &props); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"@timestamp", "src_mac", "tcp_padding", "frame_length"} {
		if _, ok := props[name]; ok {
			t.Errorf("seed: %s must not be in the mapping", name)
		}
	}
	// 43 documented fields less record_value, traffic direction and the two paddings.
	if got, want := len(props), 43-4; got != want {
		t.Errorf("seed: %d properties, want %d", got, want)
	}
}

func TestParseSchema(t *testing.T) {
	for _, s := range []Schema{SchemaLogisland, SchemaSeed} {
		if got, err := ParseSchema(s.String()); err != nil || got != s {
			t.Errorf("ParseSchema(%q) = %v, %v", s, got, err)
		}
	}
	if _, err := ParseSchema("ecs2"); err == nil {
		t.Error("an unknown schema must be refused")
	}
}
