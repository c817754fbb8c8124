package codec

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// seedDocument decodes a frame and returns its document in the seed's schema.
func seedDocument(t *testing.T, frame string, nanos int64) map[string]any {
	t.Helper()
	r := decodeHex(t, frame)
	r.TimestampNanos = nanos
	before := time.Now().UnixMilli()
	doc := AppendJSON(nil, r, captured, &JSONOptions{Schema: record.SchemaSeed})
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	if id := m["record_id"].(string); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("record_id %q is no random UUID", id)
	}
	if clock := int64(m["record_time"].(float64)); clock < before || clock > time.Now().UnixMilli() {
		t.Errorf("record_time %d is not the clock of now", clock)
	}
	for name := range m {
		in := record.ByName(name)
		if in == nil || !record.SchemaSeed.Has(in) {
			t.Errorf("field %s is not the seed's", name)
		}
	}
	return m
}

const g1Frame = "0012cfe554a0001f3c23dbd30800450000284aa64000400658ebc0a80ae2c0a80b0c4cfb0017e7caf858261345de501140c73ea60000"

func TestSeedValues(t *testing.T) {
	base := "001a8c15f9804061869af1f508004500"
	for name, c := range map[string]struct {
		frame  string
		fields int
		want   map[string]any
		absent []string
	}{
		"G1": {g1Frame, 34, map[string]any{
			"packet_timestamp_in_nanos": 1338882754996000000.0, "tcp_sequence_number": -406128552.0,
			"tcp_acknowledgment_number": 638797278.0, "tcp_flags": 17.0, "ip_internet_header_length": 20.0,
			"global_magic": -725372255.0, "src_ip": "192.168.10.226", "tcp_computed_dest_ip": "192.168.11.12",
			"tcp_computed_segment_total_length": 20.0, "tcp_computed_data_length": 0.0, "tcp_computed_relative_ack": 0.0,
		}, []string{"@timestamp", "frame_length", "src_mac", "record_errors"}},
		"total length 0 (E17)": {base + "0000123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff00007878787878787878787878787878787878787878", 34,
			map[string]any{"tcp_computed_segment_total_length": -20.0, "tcp_computed_data_length": -40.0, "tcp_acknowledgment_number": -1.0}, nil},
		"nine flag bits (E11)": {base + "0028123440004006abcd0a0000010a00000204d20050f0000000ffffffff51c2ffffffff00000000000000000000", 34, map[string]any{"tcp_flags": 2.0}, nil},
		"options and padding (E10)": {base + "0030123440004006abcd0a0000010a00000204d20050f0000000ffffffff7002ffffffff0000020405b400000000", 35,
			map[string]any{"tcp_options": "AgQFtAAAAAA="}, []string{"tcp_padding"}},
		"UDP (E13)": {base + "0028123440004011abcd0a0000010a000002003514e90014beef787878787878787878787878000000000000", 22,
			map[string]any{"udp_segment_total_length": 20.0, "udp_checksum": 48879.0}, []string{"tcp_flags"}},
		"ICMP (E1)": {base + "0034123440004001abcd0a0000010a00000208" + "00000000000000000000000000000000000000000000000000000000000000", 19,
			map[string]any{"record_errors": []any{seedErrorTCP}}, []string{"icmp_type"}},
		"IPv6 (E2)": {"001a8c15f9804061869af1f586dd6000000000140640200100000000000000000000000000002001000000000000000000000000000104d20050f0000000ffffffff5010ffffffff0000", 7,
			map[string]any{"record_errors": []any{seedErrorIPv4}}, []string{"src_ip", "src_port"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := seedDocument(t, c.frame, 1338882754996790000)
			if len(m) != c.fields {
				t.Errorf("%d fields, want %d: %v", len(m), c.fields, m)
			}
			for k, want := range c.want {
				got, _ := json.Marshal(m[k])
				if w, _ := json.Marshal(want); string(got) != string(w) {
					t.Errorf("%s = %s, want %s", k, got, w)
				}
			}
			for _, k := range c.absent {
				if v, ok := m[k]; ok {
					t.Errorf("%s = %v, want it absent", k, v)
				}
			}
		})
	}
}

// decodeHex decodes an Ethernet frame written as hex.
func decodeHex(t testing.TB, s string) *record.Record {
	t.Helper()
	frame := unhex(t, s)
	r := &record.Record{OrigLen: uint32(len(frame)), CapLen: uint32(len(frame)), LinkType: packet.LinkTypeEthernet}
	packet.Decode(&r.Packet, packet.LinkTypeEthernet, frame, r.OrigLen)
	return r
}
