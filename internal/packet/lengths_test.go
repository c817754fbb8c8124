package packet

import (
	"testing"

	"xcapa/internal/testpkt"
)

func TestTCPLengths(t *testing.T) {
	data := make([]byte, 100)
	tcp := testpkt.TCP(testpkt.TCPHeader{Options: testpkt.Hex("0101080a 00000001 00000002")}, data)
	extension := testpkt.Extension{Protocol: protocolDestination, Body: make([]byte, 15)}
	extension.Body[0] = 1
	ipv4 := testpkt.Ethernet(testpkt.EtherTypeIPv4, testpkt.IPv4(testpkt.IPv4Header{Protocol: 6, Options: []byte{1, 1, 1, 0}}, tcp))
	ipv6 := testpkt.Ethernet(testpkt.EtherTypeIPv6, testpkt.IPv6(testpkt.IPv6Header{Protocol: 6, Extensions: []testpkt.Extension{extension}}, tcp))
	zero := func(frame []byte, at int) []byte {
		frame = append([]byte{}, frame...)
		frame[at], frame[at+1] = 0, 0
		return frame
	}
	cases := []struct {
		name          string
		frame         []byte
		origLen       int
		segment, data uint32
	}{
		{"ipv4", ipv4, len(ipv4), 132, 100},
		{"ipv4_padded", append(append([]byte{}, ipv4...), 0, 0, 0), len(ipv4) + 3, 132, 100},
		{"ipv4_snapped", ipv4[:80], len(ipv4), 132, 100},
		{"ipv4_length_0", zero(ipv4, 16), len(ipv4), 132, 100},
		{"ipv4_length_0_snapped", zero(ipv4, 16)[:80], len(ipv4), 132, 100},
		{"ipv6", ipv6, len(ipv6), 132, 100},
		{"ipv6_length_0", zero(ipv6, 18), len(ipv6), 132, 100},
		{"data_offset_beyond_the_datagram", testpkt.Hex(`0000 0000 0000 0000 0000 0000 0800
			45000028 00010000 4006 abcd 0a000001 0a000002 00010002 00000003 00000004 f010ffff 00000000`), 54, 20, 0},
		{"ihl_beyond_the_datagram", testpkt.Hex(`0000 0000 0000 0000 0000 0000 0800
			4f000028 00010000 4006 abcd 0a000001 0a000002 00010002 00000003 00000004 5010ffff 00000000`), 54, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var p Packet // the lengths of a frame without TCP need a fresh one
			Decode(&p, LinkTypeEthernet, c.frame, uint32(c.origLen))
			if got := p.TCPSegmentLen(uint32(c.origLen)); got != c.segment {
				t.Errorf("segment: got %d, want %d of %s", got, c.segment, dump(&p))
			}
			if got := p.TCPDataLen(uint32(c.origLen)); got != c.data {
				t.Errorf("data: got %d, want %d of %s", got, c.data, dump(&p))
			}
		})
	}
}

// TestRestoreOffsets takes the offsets away from every frame of the corpus and
// has them computed from the fields, as after reading a record back.
func TestRestoreOffsets(t *testing.T) {
	restored := 0
	check := func(name string, linkType uint16, frame []byte, origLen uint32) {
		var p Packet
		Decode(&p, linkType, frame, origLen)
		if p.Status.IsError() || p.Status == StatusSnapped {
			return // the header that is not whole has no place among the fields
		}
		if p.Present.Has(FieldVLANInnerID) && p.NetworkOffset > linkHeaderLen(linkType)+2*tagLen {
			return // a third tag is not stored
		}
		q := p
		q.NetworkOffset, q.TransportOffset = 99, 99
		q.RestoreOffsets(linkType)
		restored++
		if q.NetworkOffset != p.NetworkOffset || q.TransportOffset != p.TransportOffset {
			t.Errorf("%s: got %d and %d of %s", name, q.NetworkOffset, q.TransportOffset, dump(&p))
		}
	}
	for _, v := range testpkt.Corpus(t) {
		check(v.Name, v.LinkType, v.Frame, v.OrigLen)
	}
	for _, c := range decodeCases {
		frame := testpkt.Hex(c.frame)
		check(c.name, c.linkType, frame, max(c.origLen, uint32(len(frame))))
	}
	if restored < 100 {
		t.Errorf("only %d frames", restored)
	}
}
