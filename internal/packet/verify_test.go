package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"xcapa/internal/pcap"
	"xcapa/internal/testpkt"
)

// checksumCase is a datagram and the verdicts of Verify; none and absent are
// different: absent is "".
type checksumCase struct {
	name          string
	frame         []byte
	ip, transport string
}

func checksumCases() []checksumCase {
	tcp := testpkt.TCP(testpkt.TCPHeader{SourcePort: 1, DestinationPort: 2, Flags: 2}, []byte("odd"))
	udp := testpkt.UDP(1, 2, []byte("payload"))
	ipv4 := func(h testpkt.IPv4Header, payload []byte) []byte {
		return testpkt.Ethernet(testpkt.EtherTypeIPv4, testpkt.IPv4(h, payload))
	}
	ipv6 := func(h testpkt.IPv6Header, payload []byte) []byte {
		return testpkt.Ethernet(testpkt.EtherTypeIPv6, testpkt.IPv6(h, payload))
	}
	change := func(frame []byte, at int, value ...byte) []byte {
		frame = slices.Clone(frame)
		copy(frame[at:], value)
		return frame
	}
	tcp4 := ipv4(testpkt.IPv4Header{Protocol: 6}, tcp)
	udp4 := ipv4(testpkt.IPv4Header{Protocol: 17}, udp)
	tcp6 := ipv6(testpkt.IPv6Header{Protocol: 6}, tcp)
	partial := testpkt.PseudoSum(6, testpkt.A4, testpkt.B4, len(tcp))

	// A segment whose pseudo header has another end than the IP header: built
	// with the addresses that count, sent with the ones of the way there.
	other := netip.MustParseAddr("2001:db8::9")
	final := other.As16()
	routed := func(kind uint8) []byte {
		body := append([]byte{2, kind, 1, 0, 0, 0, 0}, final[:]...)
		h := testpkt.IPv6Header{Protocol: 6, Destination: other, Extensions: []testpkt.Extension{{Protocol: protocolRouting, Body: body}}}
		return change(ipv6(h, tcp), 14+24, testpkt.B6.AsSlice()...)
	}
	arrived := ipv6(testpkt.IPv6Header{Protocol: 6, Extensions: []testpkt.Extension{
		{Protocol: protocolRouting, Body: append([]byte{2, 0, 0, 0, 0, 0, 0}, final[:]...)},
	}}, tcp)
	home := func() []byte {
		body := append([]byte{2, 1, 2, 0, 0, 0xc9, 16}, final[:]...)
		h := testpkt.IPv6Header{Protocol: 6, Source: other, Extensions: []testpkt.Extension{{Protocol: protocolDestination, Body: body}}}
		return change(ipv6(h, tcp), 14+8, testpkt.A6.AsSlice()...)
	}

	return []checksumCase{
		{"tcp4", tcp4, "good", "good"},
		{"tcp4_padded", testpkt.Pad(slices.Clone(tcp4), 0xaa), "good", "good"},
		{"tcp4_payload_changed", change(tcp4, len(tcp4)-1, 'D'), "good", "bad"},
		{"tcp4_ttl_changed", change(tcp4, 14+8, 9), "bad", "good"},
		{"tcp4_left_to_the_nic", change(tcp4, 34+16, byte(partial>>8), byte(partial)), "good", "partial"},
		{"tcp4_payload_snapped", tcp4[:len(tcp4)-1], "good", "none"},
		{"tcp4_header_snapped", tcp4[:34+17], "good", ""},
		{"ipv4_header_snapped", tcp4[:14+19], "none", ""},
		{"tcp4_options", ipv4(testpkt.IPv4Header{Protocol: 6, Options: []byte{7, 7, 4, 1, 2, 3, 4, 0}}, tcp), "good", "good"},
		{"udp4", udp4, "good", "good"},
		{"udp4_not_sent", change(udp4, 34+6, 0, 0), "good", "none"},
		{"udp4_longer_than_the_datagram", change(udp4, 34+4, 0, 200), "good", "none"},
		{"udp4_first_fragment", ipv4(testpkt.IPv4Header{Protocol: 17, Flags: 1}, testpkt.Hex("0001 0002 00ff 1234 00000000")), "good", "none"},
		{"icmp", ipv4(testpkt.IPv4Header{Protocol: 1}, testpkt.ICMP(8, 0, make([]byte, 5))), "good", "good"},
		{"icmp_changed", change(ipv4(testpkt.IPv4Header{Protocol: 1}, testpkt.ICMP(8, 0, make([]byte, 5))), 34, 0), "good", "bad"},
		{"tcp6", tcp6, "", "good"},
		{"tcp6_address_changed", change(tcp6, 14+39, 7), "", "bad"},
		{"icmp6", ipv6(testpkt.IPv6Header{Protocol: 58}, testpkt.ICMP(128, 0, make([]byte, 4))), "", "good"},
		{"tcp6_routing_type_0", routed(0), "", "good"},
		{"tcp6_routing_type_2", routed(2), "", "good"},
		{"tcp6_segment_routing", routed(4), "", "good"},
		{"tcp6_unknown_routing", routed(9), "", "none"},
		{"tcp6_routing_arrived", arrived, "", "good"},
		{"tcp6_home_address", home(), "", "good"},
		{"sctp", ipv4(testpkt.IPv4Header{Protocol: 132}, make([]byte, 12)), "good", ""},
		{"total_length_0", testpkt.ByName("E17").Frame, "bad", "none"},
		{"arp", testpkt.ByName("A1").Frame, "", ""},
	}
}

func TestVerify(t *testing.T) {
	for _, c := range checksumCases() {
		t.Run(c.name, func(t *testing.T) {
			p := dirty()
			Decode(p, LinkTypeEthernet, c.frame, uint32(len(c.frame)))
			Verify(p, c.frame)
			verdict := func(f Field) string {
				if !p.Present.Has(f) {
					return ""
				}
				return shownFields[f].show(p)
			}
			if got := verdict(FieldIPChecksumStatus); got != c.ip {
				t.Errorf("IP checksum: got %q, want %q\nframe %x", got, c.ip, c.frame)
			}
			if got := verdict(FieldTransportChecksumStatus); got != c.transport {
				t.Errorf("transport checksum: got %q, want %q\nframe %x", got, c.transport, c.frame)
			}
		})
	}
}

// TestOnesSum compares the sum of eight bytes at a time with the plain one, for
// all lengths up to 70 and for the bytes that carry most.
func TestOnesSum(t *testing.T) {
	for _, fill := range []byte{0, 1, 0x80, 0xfe, 0xff} {
		for n := range 70 {
			b := make([]byte, n)
			for i := range b {
				b[i] = fill - byte(i*i)
			}
			for _, sum := range []uint64{0, 1, 0xffff, 0x2fffd} {
				if got, want := onesSum(sum, b), uint64(testpkt.Sum(uint32(sum), b)); got != want {
					t.Fatalf("sum %#x and %x: got %#x, want %#x", sum, b, got, want)
				}
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	frame := testpkt.Ethernet(testpkt.EtherTypeIPv4, testpkt.IPv4(testpkt.IPv4Header{Protocol: 6},
		testpkt.TCP(testpkt.TCPHeader{SourcePort: 1, DestinationPort: 2}, make([]byte, 1460))))
	var p Packet
	Decode(&p, LinkTypeEthernet, frame, uint32(len(frame)))
	present := p.Present
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		p.Present = present
		Verify(&p, frame)
	}
	if p.TransportChecksumStatus != ChecksumGood {
		b.Fatalf("checksum %#x is %v", binary.BigEndian.Uint16(frame[34+16:]), p.TransportChecksumStatus)
	}
}

// TestVerifyCaptures judges captures whose makers say in the name what is right:
// a home address option and a routing header change the pseudo header.
func TestVerifyCaptures(t *testing.T) {
	for name, want := range map[string]ChecksumStatus{
		"chksums__ip6-hoa-tcp-good-chksum.pcap":   ChecksumGood,
		"chksums__ip6-hoa-udp-good-chksum.pcap":   ChecksumGood,
		"chksums__ip6-route0-udp-bad-chksum.pcap": ChecksumBad,
	} {
		r, err := pcap.Open(testpkt.Testdata(t, "pcap", "hard", "zeek_zeek", name), pcap.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		frame, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		var p Packet
		Decode(&p, frame.LinkType, frame.Data, frame.OrigLen)
		Verify(&p, frame.Data)
		if got := p.TransportChecksumStatus; got != want || !p.Present.Has(FieldTransportChecksumStatus) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
