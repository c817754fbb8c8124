package bpf

import (
	"encoding/hex"
	"strings"
	"testing"
)

// keeper is the kind of traffic that a keep option leaves to the host.
type keeper int

const (
	keptNever keeper = iota
	keptARP
	keptND
	keptPort // 22 or 53
)

// frame is one crafted frame with what the program must make of it.
type frame struct {
	name string
	hex  string // blanks are for the reader
	// by says which option keeps it, from says how many of its bytes that
	// decision needs: a frame cut before is captured.
	by   keeper
	from int
	// headers is the length of all headers. It holds for every prefix of the
	// frame: the header in which a prefix ends stays whole.
	headers int
}

func (f *frame) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(f.hex, " ", ""))
	if err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	return b
}

// The pieces of the frames. Payloads are "feed" words: no piece of them reads
// as a kept port.
const (
	eth     = "0200000000aa 0200000000bb "
	feed    = "feedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeed "
	arp     = "0806 0001 0800 06 04 0001 0200000000bb c0000201 000000000000 c0000202 "
	tag     = "8100 0064 "
	service = "88a8 0065 "
	old     = "9100 0066 "
	addr4   = "c0000201 c0000202 "
	addr6   = "20010db8000000000000000000000001 20010db8000000000000000000000002 "
	tcp     = "00000001 00000002 50 02 ffff 0000 0000 " // behind the ports
)

// ipv4 heads, behind the EtherType: total length, fragment, protocol vary.
const (
	ip4tcp = "0800 45 00 0040 1234 4000 40 06 0000 " + addr4
	ip4udp = "0800 45 00 0034 1234 4000 40 11 0000 " + addr4
	ip6tcp = "86dd 60000000 002c 06 40 " + addr6
)

var frames = []frame{
	{"arp", eth + arp + feed, keptARP, 14, 42},
	{"arp_vlan", eth + tag + arp + feed, keptARP, 18, 46},
	{"arp_qinq", eth + service + tag + arp + feed, keptARP, 22, 50},
	{"arp_four_tags", eth + service + old + tag + tag + arp + feed, keptARP, 30, 58},
	{"arp_five_tags", eth + service + tag + tag + tag + tag + arp + feed, keptNever, 0, 30},

	{"nd_solicitation", eth + "86dd 60000000 0020 3a ff " + addr6 + "87 00 0000 00000000" + feed, keptND, 55, 62},
	{"nd_redirect_vlan", eth + tag + "86dd 60000000 0020 3a ff " + addr6 + "89 00 0000 00000000" + feed, keptND, 59, 66},
	{"nd_first_133", eth + "86dd 60000000 0020 3a ff " + addr6 + "85 00 0000 00000000" + feed, keptND, 55, 62},
	{"icmp6_132", eth + "86dd 60000000 0020 3a ff " + addr6 + "84 00 0000 00000000" + feed, keptNever, 0, 62},
	{"icmp6_138", eth + "86dd 60000000 0020 3a ff " + addr6 + "8a 00 0000 00000000" + feed, keptNever, 0, 62},
	{"nd_behind_hop_by_hop", eth + "86dd 60000000 0028 00 ff " + addr6 + "3a00050200000000 87 00 0000 00000000" + feed, keptND, 63, 70},
	{"nd_in_padding", eth + "86dd 60000000 0008 00 ff " + addr6 + "3a00050200000000 87 00 0000 00000000" + feed, keptNever, 0, 62},
	{"icmp6_in_ipv4", eth + "0800 45 00 0034 1234 4000 40 3a 0000 " + addr4 + "87 00 0000 00000000" + feed, keptNever, 0, 42},

	{"tcp4_to_22", eth + ip4tcp + "c000 0016 " + tcp + feed, keptPort, 38, 54},
	{"tcp4_from_22", eth + ip4tcp + "0016 c000 " + tcp + feed, keptPort, 38, 54},
	{"tcp4_swapped_bytes", eth + ip4tcp + "1600 3500 " + tcp + feed, keptNever, 0, 54},
	{"tcp4_other", eth + ip4tcp + "c000 0050 " + tcp + feed, keptNever, 0, 54},
	{"tcp4_qinq", eth + service + tag + ip4tcp + "c000 0016 " + tcp + feed, keptPort, 46, 62},
	{"tcp4_options", eth + ip4tcp + "c000 0050 00000001 00000002 80 02 ffff 0000 0000 020405b40101010104020000" + feed, keptNever, 0, 66},
	{"tcp4_data_offset_15", eth + ip4tcp + "c000 0050 00000001 00000002 f0 02 ffff 0000 0000" + feed + feed, keptNever, 0, 78},
	{"tcp4_data_offset_4", eth + ip4tcp + "c000 0050 00000001 00000002 40 02 ffff 0000 0000" + feed, keptNever, 0, 54},
	{"udp4_to_53", eth + ip4udp + "c000 0035 0020 0000" + feed, keptPort, 38, 42},
	{"udp4_ihl_15", eth + "0800 4f 00 0060 1234 4000 40 11 0000 " + addr4 + "0101010101010101010101010101010101010101 0101010101010101010101010101010101010101 c000 0035 0020 0000" + feed, keptPort, 78, 82},
	{"udp4_first_fragment", eth + "0800 45 00 0034 1234 2000 40 11 0000 " + addr4 + "c000 0035 0020 0000" + feed, keptPort, 38, 42},
	{"udp4_later_fragment", eth + "0800 45 00 0034 1234 2001 40 11 0000 " + addr4 + "c000 0035 0020 0000" + feed, keptNever, 0, 34},
	{"udp4_ports_in_padding", eth + "0800 45 00 0014 1234 4000 40 11 0000 " + addr4 + "c000 0035 0020 0000" + feed, keptNever, 0, 34},
	{"udp4_half_the_ports", eth + "0800 45 00 0016 1234 4000 40 11 0000 " + addr4 + "0035 0035 0020 0000" + feed, keptNever, 0, 36},
	{"udp4_total_length_19", eth + "0800 45 00 0013 1234 4000 40 11 0000 " + addr4 + "c000 0035 0020 0000" + feed, keptNever, 0, 34},
	{"udp4_total_length_0", eth + "0800 45 00 0000 1234 4000 40 11 0000 " + addr4 + "c000 0035 0020 0000" + feed, keptPort, 38, 42},
	{"ipv4_version_6", eth + "0800 65 00 0034 1234 4000 40 11 0000 " + addr4 + "c000 0035 0020 0000" + feed, keptNever, 0, 34},
	{"ipv4_ihl_4", eth + "0800 44 00 0034 1234 4000 40 11 0000 " + addr4 + "c000 0035 0020 0000" + feed, keptNever, 0, 34},
	{"icmp4", eth + "0800 45 00 0034 1234 4000 40 01 0000 " + addr4 + "08 00 0000 00160016" + feed, keptNever, 0, 42},
	{"sctp4", eth + "0800 45 00 0038 1234 4000 40 84 0000 " + addr4 + "c000 0016 00000000 00000000" + feed, keptNever, 0, 46},
	{"dccp4", eth + "0800 45 00 003c 1234 4000 40 21 0000 " + addr4 + "c000 0016 04 00 0000 00000000 00000000" + feed, keptNever, 0, 50},
	{"dccp4_data_offset_0", eth + "0800 45 00 003c 1234 4000 40 21 0000 " + addr4 + "c000 0016 00 00 0000 00000000 00000000" + feed, keptNever, 0, 46},
	{"udplite4", eth + "0800 45 00 0034 1234 4000 40 88 0000 " + addr4 + "c000 0016 0000 0000" + feed, keptNever, 0, 42},
	{"gre4", eth + "0800 45 00 0034 1234 4000 40 2f 0000 " + addr4 + "0000 0800" + feed, keptNever, 0, 34},

	{"tcp6_to_22", eth + ip6tcp + "c000 0016 " + tcp + feed, keptPort, 58, 74},
	{"tcp6_vlan", eth + tag + ip6tcp + "0016 c000 " + tcp + feed, keptPort, 62, 78},
	{"udp6_from_53", eth + "86dd 60000000 0020 11 40 " + addr6 + "0035 c000 0020 0000" + feed, keptPort, 58, 62},
	{"udp6_payload_length_0", eth + "86dd 60000000 0000 11 40 " + addr6 + "0035 c000 0020 0000" + feed, keptPort, 58, 62},
	{"udp6_payload_length_2", eth + "86dd 60000000 0002 11 40 " + addr6 + "0035 0035 0020 0000" + feed, keptNever, 0, 56},
	{"udp6_extensions", eth + "86dd 60000000 0048 00 40 " + addr6 +
		"2b00050200000000 3c01000000000000 0000000000000000 8700040000000000 11000000 00000000 0035 c000 0020 0000" + feed, keptPort, 98, 102},
	{"udp6_authentication", eth + "86dd 60000000 0038 33 40 " + addr6 + "11040000 00000001 00000001 000000000000000000000000 0035 c000 0020 0000" + feed, keptPort, 82, 86},
	{"udp6_first_fragment", eth + "86dd 60000000 0028 2c 40 " + addr6 + "11000001 12345678 0035 c000 0020 0000" + feed, keptPort, 66, 70},
	{"udp6_later_fragment", eth + "86dd 60000000 0028 2c 40 " + addr6 + "11000009 12345678 0035 c000 0020 0000" + feed, keptNever, 0, 62},
	{"udp6_eight_extensions", eth + "86dd 60000000 0060 3c 40 " + addr6 + destinations(7) + "1100010400000000 0035 c000 0020 0000" + feed, keptPort, 122, 126},
	{"udp6_nine_extensions", eth + "86dd 60000000 0068 3c 40 " + addr6 + destinations(8) + "1100010400000000 0035 c000 0020 0000" + feed, keptNever, 0, 118},
	{"esp6", eth + "86dd 60000000 0020 32 40 " + addr6 + "00350035 00000001" + feed, keptNever, 0, 54},
	{"no_next_header6", eth + "86dd 60000000 0020 3b 40 " + addr6 + "00350035 00000001" + feed, keptNever, 0, 54},
	{"ipv6_version_4", eth + "86dd 40000000 0020 11 40 " + addr6 + "0035 c000 0020 0000" + feed, keptNever, 0, 54},

	{"lldp", eth + "88cc 0207040200000000bb" + feed, keptNever, 0, 14},
	{"ieee_802_3", eth + "0026 424203" + feed, keptNever, 0, 14},
	{"jumbo_ethertype_lookalike", eth + "0608 0001 0800" + feed, keptNever, 0, 14},
}

// destinations is a chain of n empty destination options headers that ends in
// one more.
func destinations(n int) string { return strings.Repeat("3c00010400000000 ", n) }
