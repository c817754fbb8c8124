package testpkt

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// TestBuildersAgainstGopacket builds the same frames with gopacket's serializer.
func TestBuildersAgainstGopacket(t *testing.T) {
	ethernet := func(kind layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: MACA[:], DstMAC: MACB[:], EthernetType: kind}
	}
	ip4 := func(protocol layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: A4.AsSlice(), DstIP: B4.AsSlice()}
	}
	ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: A6.AsSlice(), DstIP: B6.AsSlice()}
	data := []byte("odd")
	tcp := &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 3, Ack: 4, SYN: true, Window: 5}
	tcp.SetNetworkLayerForChecksum(ip4(layers.IPProtocolTCP))
	udp := &layers.UDP{SrcPort: 1, DstPort: 2}
	udp.SetNetworkLayerForChecksum(ip6)
	cases := []struct {
		name string
		got  []byte
		want []gopacket.SerializableLayer
	}{
		{"tcp4", Ethernet(EtherTypeIPv4, IPv4(IPv4Header{Protocol: ProtocolTCP},
			TCP(TCPHeader{SourcePort: 1, DestinationPort: 2, Sequence: 3, Acknowledgment: 4, Flags: 2, Window: 5}, data))),
			[]gopacket.SerializableLayer{ethernet(layers.EthernetTypeIPv4), ip4(layers.IPProtocolTCP), tcp}},
		{"udp6", Ethernet(EtherTypeIPv6, IPv6(IPv6Header{Protocol: ProtocolUDP}, UDP(1, 2, data))),
			[]gopacket.SerializableLayer{ethernet(layers.EthernetTypeIPv6), ip6, udp}},
		{"icmp4_tagged", Ethernet(EtherTypeIPv4, IPv4(IPv4Header{Protocol: ProtocolICMP}, ICMP(8, 0, []byte{0, 1, 0, 2, 'o', 'd', 'd'})), Tag{PCP: 3, VID: 100}),
			[]gopacket.SerializableLayer{
				ethernet(layers.EthernetTypeDot1Q), &layers.Dot1Q{Priority: 3, VLANIdentifier: 100, Type: layers.EthernetTypeIPv4},
				ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 1, Seq: 2},
			}},
	}
	for _, c := range cases {
		buffer := gopacket.NewSerializeBuffer()
		err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
			append(c.want, gopacket.Payload(data))...)
		if err != nil {
			t.Fatalf("%s: serialize with gopacket: %v", c.name, err)
		}
		if want := buffer.Bytes(); !bytes.Equal(bytes.TrimRight(c.got, "\x00"), bytes.TrimRight(want, "\x00")) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, c.got, want)
		}
	}
}

func TestHex(t *testing.T) {
	if got, want := Hex("00ff # two bytes\n\t1 2 # and 34\n"), []byte{0, 0xff, 0x12}; !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	for _, bad := range []string{"0", "0g", "00 1"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Hex(%q) does not panic", bad)
				}
			}()
			Hex(bad)
		}()
	}
}

func TestParseFrame(t *testing.T) {
	v, ok, err := parseFrame("101 60 4500 # a file 3\n")
	if want := (Vector{Name: "a file 3", What: "a file 3", LinkType: 101, OrigLen: 60, Frame: []byte{0x45, 0}}); err != nil || !ok || fmt.Sprint(v) != fmt.Sprint(want) {
		t.Errorf("got %v, %v, %v, want %v", v, ok, err, want)
	}
	if _, ok, err := parseFrame("# a comment\n"); ok || err != nil {
		t.Errorf("comment: got %v, %v", ok, err)
	}
	for _, bad := range []string{"1", "1 2 3 4", "x 2 00", "70000 2 00", "1 y 00", "1 2 0"} {
		if _, _, err := parseFrame(bad); err == nil {
			t.Errorf("parseFrame(%q) gives no error", bad)
		}
	}
}

func TestCorpusIsThere(t *testing.T) {
	if n := len(Corpus(t)); n < 180 {
		t.Errorf("corpus of %d frames, want 180 or more", n)
	}
	if n := len(Captures(t)); n < 100 {
		t.Errorf("%d capture files, want 100 or more", n)
	}
}
