package packet

import (
	"testing"

	"xcapa/internal/testpkt"
)

// decodeCase is a frame with annotated bytes and all that Decode says of it.
type decodeCase struct {
	name     string
	linkType uint16
	origLen  uint32 // bytes on the wire; 0: as many as captured
	frame    string // see testpkt.Hex
	want     string // see dump
}

const (
	macs     = "02000000000b 02000000000a " // to B, from A
	wantMACs = "src=02000000000a dst=02000000000b "

	// An IPv4 header with 20 bytes of UDP to follow, and those.
	ipv4UDP  = "45000028 00010000 4011 abcd 0a000001 0a000002 "
	wantIPv4 = "ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 "
	udpFull  = "0035 14e9 0014 beef 787878787878787878787878 "
	wantUDP  = "sport=53 dport=5353 udplen=20 udpsum=48879 "

	// The addresses of an IPv6 header.
	addresses6 = "20010db8000000000000000000000001 20010db8000000000000000000000002 "
	wantEnds   = "from=2001:db8::1 to=2001:db8::2 flow=74565 "
)

var decodeCases = []decodeCase{
	// Link types.
	{"null_little_endian", LinkTypeNull, 0, "02000000" + ipv4UDP + udpFull, wantIPv4 + wantUDP + "at=4,24"},
	{"null_big_endian", LinkTypeNull, 0, "00000002" + ipv4UDP + udpFull, wantIPv4 + wantUDP + "at=4,24"},
	{"null_ipv6_freebsd", LinkTypeNull, 0, "1c000000 60012345 0000 3b 40" + addresses6, "ip=6 tos=0 len=40 ttl=64 proto=59 " + wantEnds + "next=59 at=4,0"},
	{"loop", LinkTypeLoop, 0, "00000002" + ipv4UDP + udpFull, wantIPv4 + wantUDP + "at=4,24"},
	{"loop_other_family", LinkTypeLoop, 0, "00000007 00", "status=unsupported_ethernet_type/ethernet@0(0,0) at=0,0"},
	{"loop_cut", LinkTypeLoop, 60, "000000", "status=snapped/ethernet@0(4,3) at=0,0"},
	{"raw_ipv4", LinkTypeRaw, 0, ipv4UDP + udpFull, wantIPv4 + wantUDP + "at=0,20"},
	{"raw_bsd_ipv6", LinkTypeRawBSD, 0, "60012345 0000 3b 40" + addresses6, "ip=6 tos=0 len=40 ttl=64 proto=59 " + wantEnds + "next=59 at=0,0"},
	{"raw_version_3", LinkTypeRaw, 0, "30", "status=bad_version/ipv4@0(0,0) at=0,0"},
	{"raw_empty", LinkTypeRaw, 0, "", "status=truncated/ipv4@0(20,0) at=0,0"},
	{"linktype_ipv4", LinkTypeIPv4, 0, ipv4UDP + udpFull, wantIPv4 + wantUDP + "at=0,20"},
	{"linktype_ipv6_but_4", LinkTypeIPv6, 0, ipv4UDP, "status=bad_version/ipv6@0(0,0) at=0,0"},
	{"sll", LinkTypeLinuxSLL, 0, "0000 0001 0006 02000000000a0000 0800" + ipv4UDP + udpFull,
		"src=02000000000a type=0800 " + wantIPv4 + wantUDP + "at=16,36"},
	{"sll_loopback_has_no_mac", LinkTypeLinuxSLL, 0, "0000 0304 0006 0000000000000000 0800" + ipv4UDP + udpFull,
		"type=0800 " + wantIPv4 + wantUDP + "at=16,36"},
	{"sll_tag", LinkTypeLinuxSLL, 0, "0000 0001 0006 02000000000a0000 8100 6064 0800" + ipv4UDP + udpFull,
		"src=02000000000a type=0800 vlan=100 pcp=3 " + wantIPv4 + wantUDP + "at=20,40"},
	{"sll_netlink", LinkTypeLinuxSLL, 0, "0004 0338 0000 0000000000000000 0800" + ipv4UDP,
		"status=unsupported_ethernet_type/ethernet@14(0,0) at=0,0"},
	{"sll_llc", LinkTypeLinuxSLL, 0, "0001 0001 0006 02000000000a0000 0004 4242", "src=02000000000a status=ieee_802_3/ethernet@14(0,0) at=0,0"},
	{"sll_cut", LinkTypeLinuxSLL, 0, "0000 0001 0006 02000000000a0000", "status=truncated/ethernet@0(16,14) at=0,0"},
	{"sll2", LinkTypeLinuxSLL2, 0, "0800 0000 00000002 0001 00 06 02000000000a0000" + ipv4UDP + udpFull,
		"src=02000000000a type=0800 " + wantIPv4 + wantUDP + "at=20,40"},
	{"sll2_two_tags", LinkTypeLinuxSLL2, 0, "88a8 0000 00000002 0001 00 06 02000000000a0000 0001 8100 e002 0800" + ipv4UDP + udpFull,
		"src=02000000000a type=0800 vlan=1 pcp=0 inner=2 innerpcp=7 " + wantIPv4 + wantUDP + "at=28,48"},
	{"link_type_105", 105, 0, "00", "status=unsupported_link_type/ethernet@0(0,0) at=0,0"},

	// Ethernet and tags.
	{"ethernet_empty", LinkTypeEthernet, 0, "", "status=truncated/ethernet@0(14,0) at=0,0"},
	{"ethernet_12", LinkTypeEthernet, 64, macs, wantMACs + "status=snapped/ethernet@0(14,12) at=0,0"},
	{"ethernet_10", LinkTypeEthernet, 0, "02000000000b 02000000", "dst=02000000000b status=truncated/ethernet@0(14,10) at=0,0"},
	{"ethernet_1535_is_a_length", LinkTypeEthernet, 0, macs + "05ff", wantMACs + "status=ieee_802_3/ethernet@12(0,0) at=0,0"},
	{"tag_then_length", LinkTypeEthernet, 0, macs + "8100 0005 0026 4242", wantMACs + "vlan=5 pcp=0 status=ieee_802_3/ethernet@16(0,0) at=0,0"},
	{"tag_cut_in_tci", LinkTypeEthernet, 64, macs + "8100 00", wantMACs + "status=snapped/vlan@14(4,1) at=0,0"},
	{"tag_cut_behind_tci", LinkTypeEthernet, 0, macs + "8100 6064", wantMACs + "vlan=100 pcp=3 status=truncated/vlan@14(4,2) at=0,0"},
	{"second_tag_cut", LinkTypeEthernet, 64, macs + "88a8 6064 8100 0065", wantMACs + "vlan=100 pcp=3 status=snapped/vlan@18(4,2) at=0,0"},
	{"rarp", LinkTypeEthernet, 0, macs + "8035 0001", wantMACs + "type=8035 status=unsupported_ethernet_type/ethernet@12(0,0) at=0,0"},

	// ARP.
	{"arp_cut_in_target", LinkTypeEthernet, 60, macs + "0806 0001 0800 06 04 0002 02000000000a 0a000001 02000000000b 0a00",
		wantMACs + "type=0806 op=2 sha=02000000000a spa=10.0.0.1 tha=02000000000b status=snapped/arp@14(28,26) at=0,0"},
	{"arp_too_short", LinkTypeEthernet, 0, macs + "0806 0001 0800 06", wantMACs + "type=0806 status=truncated/arp@14(6,5) at=0,0"},
	{"arp_of_infiniband", LinkTypeEthernet, 0, macs + "0806 0020 0800 14 04 0001 " + udpFull + udpFull,
		wantMACs + "type=0806 status=unsupported_protocol/arp@14(0,0) at=0,0"},

	// IPv4: the frame, its length on the wire and the datagram's own length.
	{"padding_is_no_header", LinkTypeEthernet, 0, macs + "0800 45000014 00010000 4011 abcd 0a000001 0a000002" + udpFull,
		wantMACs + "type=0800 ip=4 hlen=20 tos=0 len=20 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 status=truncated/udp@34(8,0) at=14,34"},
	{"padding_is_no_port", LinkTypeEthernet, 0, macs + "0800 45000016 00010000 4011 abcd 0a000001 0a000002" + udpFull,
		wantMACs + "type=0800 ip=4 hlen=20 tos=0 len=22 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 status=truncated/udp@34(8,2) at=14,34"},
	{"longer_than_the_wire_is_whole", LinkTypeRaw, 0, "450005dc 00010000 4011 abcd 0a000001 0a000002 0035 14e9 05c8 beef",
		"ip=4 hlen=20 tos=0 len=1500 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 udplen=1480 udpsum=48879 at=0,20"},
	{"longer_than_the_wire_and_cut", LinkTypeRaw, 0, "450005dc 00010000 4011 abcd 0a000001 0a000002 0035 14e9 05c8",
		"ip=4 hlen=20 tos=0 len=1500 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 udplen=1480 status=truncated/udp@20(8,6) at=0,20"},
	{"cut_by_snap_length", LinkTypeRaw, 1500, "450005dc 00010000 4011 abcd 0a000001 0a000002 0035 14e9 05c8",
		"ip=4 hlen=20 tos=0 len=1500 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 udplen=1480 status=snapped/udp@20(8,6) at=0,20"},
	{"snapped_but_too_short_anyway", LinkTypeRaw, 1500, "4500001a 00010000 4011 abcd 0a000001 0a000002 0035",
		"ip=4 hlen=20 tos=0 len=26 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 status=truncated/udp@20(8,2) at=0,20"},
	{"ihl_4", LinkTypeRaw, 0, "44000028 00010000 4011 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=16 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 status=bad_header_length/ipv4@0(20,16) at=0,0"},
	{"ihl_beyond_the_datagram", LinkTypeRaw, 0, "4f000028 00010000 4011 abcd 0a000001 0a000002" + udpFull + udpFull + udpFull,
		"ip=4 hlen=60 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 status=bad_header_length/ipv4@0(60,40) at=0,0"},
	{"total_length_19", LinkTypeRaw, 0, "45000013 00010000 4011 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=19 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 status=bad_total_length/ipv4@2(20,19) at=0,0"},
	{"version_5", LinkTypeEthernet, 0, macs + "0800 55000028", wantMACs + "type=0800 status=bad_version/ipv4@14(0,0) at=0,0"},
	{"options_cut", LinkTypeRaw, 60, "47000028 00010000 4011 abcd 0a000001 0a000002 94040000",
		"ip=4 hlen=28 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 status=snapped/ipv4@0(28,24) at=0,0"},
	{"options_end_and_padding", LinkTypeRaw, 0, "47000028 00010000 4032 abcd 0a000001 0a000002 01000700 00000000",
		"ip=4 hlen=28 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=50 sum=43981 from=10.0.0.1 to=10.0.0.2 status=unsupported_protocol/ipv4@9(0,0) ipopt=0100 ippad=070000000000 at=0,0"},
	{"option_length_1_is_opaque", LinkTypeRaw, 0, "46000028 00010000 4032 abcd 0a000001 0a000002 07010000",
		"ip=4 hlen=24 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=50 sum=43981 from=10.0.0.1 to=10.0.0.2 status=unsupported_protocol/ipv4@9(0,0) ipopt=07010000 at=0,0"},
	{"option_past_the_end_is_opaque", LinkTypeRaw, 0, "46000028 00010000 4032 abcd 0a000001 0a000002 07200000",
		"ip=4 hlen=24 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=50 sum=43981 from=10.0.0.1 to=10.0.0.2 status=unsupported_protocol/ipv4@9(0,0) ipopt=07200000 at=0,0"},
	{"reserved_flag_and_last_offset", LinkTypeRaw, 0, "45000028 0001dfff 4011 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=6 frag=8191 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 status=later_fragment/ipv4@6(0,0) at=0,0"},
	{"zero_length_gives_way_to_a_fragment", LinkTypeRaw, 0, "45000000 00010001 4011 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=0 id=1 ipflags=0 frag=1 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 status=later_fragment/ipv4@6(0,0) at=0,0"},
	{"zero_length_gives_way_to_an_error", LinkTypeRaw, 0, "45000000 00010000 4006 abcd 0a000001 0a000002 00010002 00000003 00000004 4010ffff 00000000",
		"ip=4 hlen=20 tos=0 len=0 id=1 ipflags=0 frag=0 ttl=64 proto=6 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=1 dport=2 seq=3 ack=4 doff=4 flags=16 win=65535 tcpsum=0 urg=0 status=bad_header_length/tcp@20(20,16) at=0,20"},
	{"first_fragment_has_ports", LinkTypeRaw, 0, "45000028 00012000 4011 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=1 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 " + wantUDP + "at=0,20"},

	// Transport.
	{"tcp_options_beyond_the_datagram", LinkTypeRaw, 0, "45000028 00010000 4006 abcd 0a000001 0a000002 00010002 00000003 00000004 6010ffff 00000000 01010101",
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=6 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=1 dport=2 seq=3 ack=4 doff=6 flags=16 win=65535 tcpsum=0 urg=0 status=bad_header_length/tcp@20(24,20) at=0,20"},
	{"tcp_options_snapped", LinkTypeRaw, 44, "4500002c 00010000 4006 abcd 0a000001 0a000002 00010002 00000003 00000004 6010ffff 00000000 0101",
		"ip=4 hlen=20 tos=0 len=44 id=1 ipflags=0 frag=0 ttl=64 proto=6 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=1 dport=2 seq=3 ack=4 doff=6 flags=16 win=65535 tcpsum=0 urg=0 status=snapped/tcp@20(24,22) at=0,20"},
	{"tcp_13_bytes", LinkTypeRaw, 60, "45000028 00010000 4006 abcd 0a000001 0a000002 00010002 00000003 00000004 50",
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=6 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=1 dport=2 seq=3 ack=4 doff=5 status=snapped/tcp@20(20,13) at=0,20"},
	{"udp_length_7", LinkTypeRaw, 0, ipv4UDP + "0035 14e9 0007 beef 787878787878787878787878",
		wantIPv4 + "sport=53 dport=5353 udplen=7 udpsum=48879 status=bad_udp_length/udp@24(8,7) at=0,20"},
	{"udp_length_0", LinkTypeRaw, 0, ipv4UDP + "0035 14e9 0000 beef 787878787878787878787878",
		wantIPv4 + "sport=53 dport=5353 udplen=0 udpsum=48879 status=bad_udp_length/udp@24(8,0) at=0,20"},
	{"udp_length_0_offloaded", LinkTypeRaw, 0, "45000000 00010000 4011 abcd 0a000001 0a000002 0035 14e9 0000 beef",
		"ip=4 hlen=20 tos=0 len=0 id=1 ipflags=0 frag=0 ttl=64 proto=17 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 udplen=0 udpsum=48879 status=zero_total_length/ipv4@2(0,0) at=0,20"},
	{"udp_lite", LinkTypeRaw, 0, "45000028 00010000 4088 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=136 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 at=0,20"},
	{"sctp", LinkTypeRaw, 0, "45000028 00010000 4084 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=132 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 at=0,20"},
	{"sctp_too_small", LinkTypeRaw, 0, "45000018 00010000 4084 abcd 0a000001 0a000002 0035 14e9",
		"ip=4 hlen=20 tos=0 len=24 id=1 ipflags=0 frag=0 ttl=64 proto=132 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 status=truncated/sctp@20(12,4) at=0,20"},
	{"dccp", LinkTypeRaw, 0, "45000028 00010000 4021 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=33 sum=43981 from=10.0.0.1 to=10.0.0.2 sport=53 dport=5353 at=0,20"},
	{"icmp_cut_in_rest", LinkTypeRaw, 60, "45000028 00010000 4001 abcd 0a000001 0a000002 0301 1234 00",
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=1 sum=43981 from=10.0.0.1 to=10.0.0.2 icmp=3 code=1 icmpsum=4660 status=snapped/icmp@20(8,5) at=0,20"},
	{"icmpv6_under_ipv4", LinkTypeRaw, 0, "45000028 00010000 403a abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=58 sum=43981 from=10.0.0.1 to=10.0.0.2 status=unsupported_protocol/ipv4@9(0,0) at=0,0"},
	{"ah_under_ipv4", LinkTypeRaw, 0, "45000028 00010000 4033 abcd 0a000001 0a000002" + udpFull,
		"ip=4 hlen=20 tos=0 len=40 id=1 ipflags=0 frag=0 ttl=64 proto=51 sum=43981 from=10.0.0.1 to=10.0.0.2 status=unsupported_protocol/ipv4@9(0,0) at=0,0"},

	// IPv6.
	{"ipv6_39_bytes", LinkTypeIPv6, 0, "60012345 0000 3b 40 20010db8000000000000000000000001 20010db80000000000000000000000",
		"ip=6 tos=0 len=40 ttl=64 from=2001:db8::1 flow=74565 next=59 status=truncated/ipv6@0(40,39) at=0,0"},
	{"ipv6_class", LinkTypeIPv6, 0, "6fe12345 0004 3a 01" + addresses6 + "8000 1234",
		"ip=6 tos=254 len=44 ttl=1 proto=58 " + wantEnds + "next=58 icmp=128 code=0 icmpsum=4660 at=0,40"},
	{"ipv6_payload_0_and_tcp", LinkTypeIPv6, 0, "60012345 0000 06 40" + addresses6,
		"ip=6 tos=0 len=40 ttl=64 proto=6 " + wantEnds + "next=6 status=truncated/tcp@40(20,0) at=0,40"},
	{"ipv6_jumbogram", LinkTypeIPv6, 0, "60012345 0000 00 40" + addresses6 + "1100c204 00010008 0035 14e9 0000 beef",
		"ip=6 tos=0 len=40 ttl=64 proto=17 " + wantEnds + "next=0 ext=8 sport=53 dport=5353 udplen=0 udpsum=48879 status=zero_total_length/ipv6@4(0,0) at=0,48"},
	{"ipv6_extension_beyond_the_datagram", LinkTypeIPv6, 0, "60012345 0010 3c 40" + addresses6 + "11020000 00000000 0035 14e9 0008 beef 00000000 00000000",
		"ip=6 tos=0 len=56 ttl=64 " + wantEnds + "next=60 status=bad_extension_header/ipv6@40(24,16) at=0,0"},
	{"ipv6_extension_snapped", LinkTypeIPv6, 80, "60012345 0028 3c 40" + addresses6 + "11020000 00000000 0000",
		"ip=6 tos=0 len=80 ttl=64 " + wantEnds + "next=60 status=snapped/ipv6@40(24,10) at=0,0"},
	{"ipv6_datagram_ends_in_extension", LinkTypeIPv6, 0, "60012345 0004 2b 40" + addresses6 + "11000000 00000000",
		"ip=6 tos=0 len=44 ttl=64 " + wantEnds + "next=43 status=truncated/ipv6@40(8,4) at=0,0"},
	{"ipv6_later_fragment", LinkTypeIPv6, 0, "60012345 0010 2c 40" + addresses6 + "11 00 05c9 deadbeef" + "0035 14e9 0008 beef",
		"ip=6 tos=0 len=56 id=3735928559 ipflags=1 frag=185 ttl=64 proto=17 " + wantEnds + "next=44 ext=8 status=later_fragment/ipv6@42(0,0) at=0,0"},
	{"ipv6_atomic_fragment", LinkTypeIPv6, 0, "60012345 0010 2c 40" + addresses6 + "11 00 0000 deadbeef" + "0035 14e9 0008 beef",
		"ip=6 tos=0 len=56 id=3735928559 ipflags=0 frag=0 ttl=64 proto=17 " + wantEnds + "next=44 ext=8 sport=53 dport=5353 udplen=8 udpsum=48879 at=0,48"},
	{"ipv6_mobility", LinkTypeIPv6, 0, "60012345 0008 87 40" + addresses6 + "3b000100 12340000",
		"ip=6 tos=0 len=48 ttl=64 proto=135 " + wantEnds + "next=135 status=unsupported_protocol/ipv6@6(0,0) at=0,0"},
	{"ipv6_icmp_number_of_ipv4", LinkTypeIPv6, 0, "60012345 0008 01 40" + addresses6 + "08001234 00000000",
		"ip=6 tos=0 len=48 ttl=64 proto=1 " + wantEnds + "next=1 status=unsupported_protocol/ipv6@6(0,0) at=0,0"},
	{"ipv6_version_4", LinkTypeEthernet, 0, macs + "86dd" + ipv4UDP + udpFull + udpFull, wantMACs + "type=86dd status=bad_version/ipv6@14(0,0) at=0,0"},
}

func TestDecode(t *testing.T) {
	for _, c := range decodeCases {
		t.Run(c.name, func(t *testing.T) {
			frame := testpkt.Hex(c.frame)
			origLen := c.origLen
			if origLen == 0 {
				origLen = uint32(len(frame))
			}
			p, _ := decodeAllWays(t, c.linkType, frame, origLen)
			checkDump(t, p, c.want, frame)
			checkConsistent(t, p, frame, dump(p))
		})
	}
}

// TestEveryStatusIsMet keeps the table honest: each status occurs in it, or in
// the tests of the bounds.
func TestEveryStatusIsMet(t *testing.T) {
	var met [NumStatus]bool
	met[StatusTooManyTags], met[StatusTooManyExtensionHeaders] = true, true // TestStackedTags, TestExtensionHeaderChains
	for _, c := range decodeCases {
		var p Packet
		frame := testpkt.Hex(c.frame)
		Decode(&p, c.linkType, frame, max(c.origLen, uint32(len(frame))))
		met[p.Status] = true
	}
	for s, ok := range met {
		if !ok {
			t.Errorf("no case has status %q", Status(s))
		}
	}
}
