package codec

import (
	"encoding/json"
	"fmt"
	"testing"

	"xcapa/internal/record"
	"xcapa/internal/testpkt"
)

// TestSeedFrames holds DecodeSeed to what Logisland's classes were seen to make
// of the golden frames: nil for the frames they lose without a word.
func TestSeedFrames(t *testing.T) {
	none := map[string]any{"src_ip": nil, "src_port": nil, "record_errors": "[" + seedErrorIPv4 + "]"}
	want := map[string]map[string]any{
		"G1":  {"src_port": 19707, "dest_port": 23, "tcp_sequence_number": -406128552, "tcp_flags": 17},
		"A1":  none,
		"E1":  {"protocol": 1, "src_ip": "10.0.0.1", "src_port": nil, "record_errors": "[" + seedErrorTCP + "]"},
		"E2":  none,
		"E3":  {"src_port": 1234, "dest_port": 80, "tcp_acknowledgment_number": -1}, // the tag is lost
		"E4":  none,
		"E5":  {"ip_version": 4, "protocol": 52, "src_ip": "64.6.171.205"}, // a tag read as IPv4
		"E6":  {"ip_internet_header_length": 8, "ip_datagram_total_length": 768, "ip_time_to_live": 128, "protocol": 0, "src_ip": "6.30.174.128", "dst_ip": "0.0.0.0"},
		"E7":  {"ip_version": 4, "protocol": 52},
		"E8":  {"ip_internet_header_length": 24, "ip_options": "lAQAAA=="},
		"E9":  {"tcp_data_offset": 10, "tcp_flags": 2, "tcp_computed_segment_total_length": 40},
		"E10": {"tcp_options": "AgQFtAAAAAA="},
		"E11": {"tcp_flags": 2},
		"E12": {"tcp_computed_data_length": 5, "tcp_computed_segment_total_length": 25, "tcp_flags": 56, "tcp_urgent_pointer": 65535},
		"E13": {"udp_segment_total_length": 20, "udp_checksum": 48879},
		"E14": {"src_port": 57005, "dest_port": 48879, "udp_segment_total_length": 1, "udp_checksum": 515}, // payload read as ports
		"E15": nil,
		"E16": nil,
		"E17": {"tcp_computed_segment_total_length": -20, "tcp_computed_data_length": -40},
		"E18": {"tcp_computed_segment_total_length": 1480, "tcp_computed_data_length": 1460},
		"E19": {"ip_internet_header_length": 0, "src_port": 1234},
		"E20": {"tcp_data_offset": 0, "tcp_computed_data_length": 20},
		"E21": nil,
		"E22": {"src_port": 1234, "tcp_sequence_number": -268435456}, // whatever the EtherType says
	}
	seen := 0
	for _, v := range testpkt.Vectors {
		fields, ok := want[v.Name]
		if !ok {
			continue
		}
		seen++
		var r record.Record
		r.SetPacket(1, v.Frame, v.OrigLen, 0)
		if got := DecodeSeed(&r, v.Frame); got != (fields != nil) {
			t.Errorf("%s (%s): read %v, want %v", v.Name, v.What, got, fields != nil)
		}
		var doc map[string]any
		if err := json.Unmarshal(AppendJSON(nil, &r, captured, &JSONOptions{Schema: record.SchemaSeed}), &doc); err != nil {
			t.Fatal(err)
		}
		for name, w := range fields {
			got := doc[name]
			if f, ok := got.(float64); ok {
				got = int(f)
			}
			if fmt.Sprint(got) != fmt.Sprint(w) {
				t.Errorf("%s (%s): %s is %v, want %v", v.Name, v.What, name, got, w)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d golden frames were found", seen, len(want))
	}
	if DecodeSeed(&record.Record{}, nil) || DecodeSeed(&record.Record{}, make([]byte, 14)) {
		t.Error("a frame without a network layer was read")
	}
}
