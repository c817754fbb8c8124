package packet

import (
	"strings"
	"testing"

	"xcapa/internal/testpkt"
)

// TestStatusNamesAreFixed pins numbers and names: both are stored.
func TestStatusNamesAreFixed(t *testing.T) {
	const names = ` later_fragment unsupported_link_type unsupported_ethernet_type unsupported_protocol ieee_802_3
		zero_total_length snapped truncated bad_version bad_header_length bad_total_length bad_udp_length
		bad_extension_header too_many_tags too_many_extension_headers`
	want := append([]string{""}, strings.Fields(names)...)
	if len(want) != int(NumStatus) {
		t.Fatalf("%d names for %d statuses", len(want), NumStatus)
	}
	for i, name := range want {
		s := Status(i)
		if s.String() != name {
			t.Errorf("status %d: got %q, want %q", i, s, name)
		}
		if back, ok := ParseStatus(name); !ok || back != s {
			t.Errorf("ParseStatus(%q): got %d, %v", name, back, ok)
		}
		if s.IsError() != (i >= 8) {
			t.Errorf("%q: IsError is %v", name, s.IsError())
		}
	}
	if _, ok := ParseStatus("unknown"); ok {
		t.Error(`ParseStatus("unknown") is ok`)
	}
	if got := NumStatus.String() + " " + NumLayers.String() + " " + numChecksumStatus.String(); got != "unknown unknown unknown" {
		t.Errorf("out of range: got %q", got)
	}
	var layers []string
	for l := range NumLayers {
		layers = append(layers, l.String())
	}
	if got := strings.Join(layers, " "); got != "ethernet vlan arp ipv4 ipv6 tcp udp icmp sctp" {
		t.Errorf("layers: %s", got)
	}
	var sums []string
	for c := range numChecksumStatus {
		sums = append(sums, c.String())
	}
	if got := strings.Join(sums, " "); got != "none good bad partial" {
		t.Errorf("checksum statuses: %s", got)
	}
}

func TestAppendStatus(t *testing.T) {
	want := map[string]string{
		"E1":  "",
		"E6":  "ieee_802_3: ethernet type at byte 12",
		"E7":  "unsupported_ethernet_type: ethernet type at byte 12",
		"E14": "later_fragment: ipv4 fragment offset at byte 20",
		"E17": "zero_total_length: ipv4 length at byte 16",
		"E19": "bad_header_length: ipv4 header at byte 14 needs 20 bytes, 0 are given",
		"E20": "bad_header_length: tcp header at byte 34 needs 20 bytes, 0 are given",
		"E21": "truncated: tcp header at byte 34 needs 20 bytes, 12 are there",
	}
	for name, text := range want {
		v := testpkt.ByName(name)
		p := decoded(t, v.Frame)
		if got := string(p.AppendStatus([]byte("dirty "))); got != "dirty "+text {
			t.Errorf("%s: got %q, want %q", name, got, "dirty "+text)
		}
	}
	cases := map[string]string{
		"udp_length_7":                       "bad_udp_length: udp length at byte 24 needs 8 bytes, 7 are given",
		"total_length_19":                    "bad_total_length: ipv4 length at byte 2 needs 20 bytes, 19 are given",
		"ihl_beyond_the_datagram":            "bad_header_length: ipv4 header at byte 0 needs 60 bytes, 40 are left of the datagram",
		"ipv6_extension_beyond_the_datagram": "bad_extension_header: ipv6 extension header at byte 40 needs 24 bytes, 16 are left of the datagram",
		"version_5":                          "bad_version: ipv4 version at byte 14",
		"ah_under_ipv4":                      "unsupported_protocol: ipv4 protocol at byte 9",
		"link_type_105":                      "unsupported_link_type: ethernet header at byte 0",
	}
	for _, c := range decodeCases {
		text, ok := cases[c.name]
		if !ok {
			continue
		}
		delete(cases, c.name)
		var p Packet
		frame := testpkt.Hex(c.frame)
		Decode(&p, c.linkType, frame, uint32(len(frame)))
		if got := string(p.AppendStatus(nil)); got != text {
			t.Errorf("%s: got %q, want %q", c.name, got, text)
		}
	}
	for name := range cases {
		t.Errorf("no case %s", name)
	}
}

func TestProtocolName(t *testing.T) {
	named := map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "ipv6-icmp", 132: "sctp", 136: "udplite"}
	for n := range 256 {
		if got := ProtocolName(uint8(n)); got != named[uint8(n)] {
			t.Errorf("protocol %d: got %q, want %q", n, got, named[uint8(n)])
		}
	}
}
