package codec

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"

	"xcapa/internal/message"
	"xcapa/internal/record"
	"xcapa/internal/testpkt"
)

// serialized is the golden frame called name in an encoding, with the seed's
// values.
func serialized(t testing.TB, name string, e Encoding, s record.Schema) []byte {
	t.Helper()
	frame, hex := []byte(nil), ""
	for _, v := range testpkt.Vectors {
		if v.Name == name {
			frame = v.Frame
		}
	}
	if frame == nil {
		hex = "001a8c15f9804061869af1f508060001080006040001001a8c10ad30ac100001000000000000ac10ff01000000000000000000000000000000000000"
	} else {
		hex = hexOf(frame)
	}
	r := decodeHex(t, hex)
	r.TimestampNanos = 1795821444908000000
	return NewDocuments(e, JSONOptions{Schema: s}).Append([]byte("dirty"), r, captured, nil)[len("dirty"):]
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// What differs from run to run, and what Logisland loses of a byte string.
var (
	volatile  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\b1[789]\d{11}\b|\b1[789]\d{17}\b|time=[A-Z][^,]*`)
	identity  = regexp.MustCompile(`\[B@[0-9a-f]+`)
	bytesText = "AgQFtAQCCAoAAAABAAAAAAEDAwo="
)

// alike makes our text and Logisland's comparable: bytes repaired, what is
// volatile gone, fields (lines, or parts between commas) sorted.
func alike(text []byte, cut string) string {
	s := identity.ReplaceAllString(volatile.ReplaceAllString(string(text), "*"), bytesText)
	s = strings.ReplaceAll(s, `"[not_implemented_error: Not Implemented protocol : only IPv4 protocol (TCP & UDP) is handled so far.]"`,
		`"not_implemented_error: Not Implemented protocol : only IPv4 protocol (TCP & UDP) is handled so far."`)
	s = strings.ReplaceAll(strings.TrimSpace(s), "Record{fields={", "")
	parts := strings.Split(s, cut)
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " ,{}")
	}
	slices.Sort(parts)
	return strings.Join(parts, "\n")
}

// TestLogislandSerializers compares with what the serializers of Logisland 1.2.0
// made of its own parser's records (testdata/serializers): the fields are the
// same, to the byte, but for what differs from run to run and what Logisland
// loses.
func TestLogislandSerializers(t *testing.T) {
	for _, c := range []struct {
		file, cut string
		e         Encoding
	}{{".json", "\n", EncodingSeedJSON}, {".extended.json", ",", EncodingExtendedJSON}, {".txt", "}, ", EncodingString}} {
		for _, name := range []string{"G1", "E9", "ARP"} {
			want, err := os.ReadFile("testdata/serializers/" + name + c.file)
			if err != nil {
				t.Fatal(err)
			}
			got := serialized(t, name, c.e, record.SchemaSeed)
			if g, w := alike(got, c.cut), alike(want, c.cut); g != w {
				t.Errorf("%s as %v:\n got %s\nwant %s", name, c.e, g, w)
			}
		}
	}
}

// TestSeedJSONLayout: Logisland's indentation, and JSON.
func TestSeedJSONLayout(t *testing.T) {
	got := string(serialized(t, "ARP", EncodingSeedJSON, record.SchemaSeed))
	if !strings.HasPrefix(got, "{\n  \"id\" : \"") || !strings.Contains(got, ",\n  \"fields\" : {\n    \"global_magic\" : -725372255,\n") ||
		!strings.Contains(got, "\n    \"record_errors\" : [ \"not_implemented_error: ") || !strings.HasSuffix(got, "\"\n  }\n}") {
		t.Errorf("layout:\n%s", got)
	}
	if !json.Valid([]byte(got)) {
		t.Errorf("no JSON:\n%s", got)
	}
}

// TestSeedJSONRead: what the serializers wrote becomes the document again.
func TestSeedJSONRead(t *testing.T) {
	for _, e := range []Encoding{EncodingSeedJSON, EncodingExtendedJSON} {
		for _, name := range []string{"G1", "E9", "ARP"} {
			want := serialized(t, name, EncodingJSON, record.SchemaLogisland)
			m := message.Message{Topic: "t", Value: serialized(t, name, e, record.SchemaLogisland)}
			err := NewReader(EncodingAuto).Read(&m, func(row *Row) error {
				var a, b map[string]any
				if err := json.Unmarshal(row.JSON, &a); err != nil {
					t.Fatalf("%v: %s", err, row.JSON)
				}
				_ = json.Unmarshal(want, &b)
				ja, _ := json.Marshal(a)
				jb, _ := json.Marshal(b)
				if !bytes.Equal(ja, jb) || bytes.ContainsRune(row.JSON, '\n') || row.TimestampNanos != 1795821444908000000 || string(row.ID) != b["record_id"] {
					t.Errorf("%s as %v:\n got %s\nwant %s", name, e, row.JSON, want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	// Logisland's own, with its damage.
	own, err := os.ReadFile("testdata/serializers/E9.json")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := NewReader(EncodingAuto).Read(&message.Message{Topic: "t", Value: own}, func(row *Row) error {
		n++
		if !bytes.Contains(row.JSON, []byte(`"dest_port" : 80`)) && !bytes.Contains(row.JSON, []byte(`"dest_port":80`)) {
			t.Errorf("document %s", row.JSON)
		}
		return nil
	}); err != nil || n != 1 {
		t.Errorf("%d rows, error %v", n, err)
	}
}

// TestAvro: another implementation reads what we write with the schema we ship,
// and gets the document.
func TestAvro(t *testing.T) {
	for _, schema := range []record.Schema{record.SchemaLogisland, record.SchemaSeed} {
		s, err := avro.Parse(string(AvroSchema(schema)))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range append(slices.Clone(testpkt.Vectors), testpkt.Vector{Name: "ARP"}) {
			var got, want map[string]any
			if err := avro.Unmarshal(s, serialized(t, v.Name, EncodingAvro, schema), &got); err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			d := json.NewDecoder(bytes.NewReader(serialized(t, v.Name, EncodingJSON, schema)))
			if err := d.Decode(&want); err != nil {
				t.Fatal(err)
			}
			delete(want, "@timestamp")
			for k, g := range got {
				if list, ok := g.(map[string]any); ok {
					got[k] = list["array"] // how it names the branch of a union
				}
				if g == nil {
					delete(got, k)
				}
			}
			for _, k := range []string{"record_id", "record_time"} {
				if schema == record.SchemaSeed {
					delete(got, k)
					delete(want, k)
				}
			}
			ja, _ := json.Marshal(got)
			jb, _ := json.Marshal(want)
			var a, b map[string]any
			_ = json.Unmarshal(ja, &a)
			_ = json.Unmarshal(jb, &b)
			ja, _ = json.Marshal(a)
			jb, _ = json.Marshal(b)
			if !bytes.Equal(ja, jb) {
				t.Errorf("%s, schema %v:\n got %s\nwant %s", v.Name, schema, ja, jb)
			}
		}
	}
}

func TestParseSerializer(t *testing.T) {
	for class, want := range map[string]Encoding{
		"com.hurence.logisland.serializer.BytesArraySerializer":   EncodingRaw,
		"com.hurence.logisland.serializer.KryoSerializer":         EncodingArrow,
		"com.hurence.logisland.serializer.JsonSerializer":         EncodingSeedJSON,
		"com.hurence.logisland.serializer.ExtendedJsonSerializer": EncodingExtendedJSON,
		"StringSerializer": EncodingString, "AvroSerializer": EncodingAvro, "none": EncodingJSON,
	} {
		s, err := ParseSerializer(class)
		if err != nil || s.Encoding != want {
			t.Errorf("%s: %v, error %v; want %v", class, s.Encoding, err, want)
		}
	}
	for class, want := range map[string]string{
		"com.hurence.logisland.serializer.ConfluentSerializer": "schema registry",
		"org.example.Mine": "JsonSerializer",
	} {
		if _, err := ParseSerializer(class); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", class, err, want)
		}
	}
}

func BenchmarkDocuments(b *testing.B) {
	for _, e := range []Encoding{EncodingJSON, EncodingSeedJSON, EncodingExtendedJSON, EncodingString, EncodingAvro} {
		b.Run(e.String(), func(b *testing.B) {
			r := decodeHex(b, g1Frame)
			d := NewDocuments(e, JSONOptions{})
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = d.Append(dst[:0], r, captured, nil)
			}
		})
	}
}
