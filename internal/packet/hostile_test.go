package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"unsafe"

	"xcapa/internal/testpkt"
)

// dirty returns a Packet as an earlier frame may have left it: every field set.
func dirty() *Packet {
	p := new(Packet)
	junk := bytes.Repeat([]byte{0xee}, 40)
	for _, v := range testpkt.Vectors {
		Decode(p, v.LinkType, v.Frame, v.OrigLen)
	}
	p.IPOptions, p.IPPadding, p.TCPOptions, p.TCPPadding = junk, junk, junk, junk
	p.ExtensionHeaders, p.VLANInnerID, p.VLANInnerPriority = 0xeeee, 0xee, 7
	p.Present = 1<<NumFields - 1
	p.Status, p.NetworkOffset, p.TransportOffset = StatusTooManyTags, 0xeeee, 0xeeee
	return p
}

// checkViews fails if a slice that is present reaches outside the frame.
func checkViews(t *testing.T, p *Packet, frame []byte) {
	t.Helper()
	views := []struct {
		field Field
		view  []byte
	}{
		{FieldIPOptions, p.IPOptions}, {FieldIPPadding, p.IPPadding},
		{FieldTCPOptions, p.TCPOptions}, {FieldTCPPadding, p.TCPPadding},
	}
	for _, v := range views {
		if !p.Present.Has(v.field) {
			continue
		}
		first := uintptr(unsafe.Pointer(unsafe.SliceData(frame)))
		at := uintptr(unsafe.Pointer(unsafe.SliceData(v.view)))
		if len(v.view) == 0 || at < first || at+uintptr(len(v.view)) > first+uintptr(len(frame)) {
			t.Errorf("%s: %d bytes at %d of the frame, which has %d", shownFields[v.field].name, len(v.view), at-first, len(frame))
		}
	}
}

// decodeAllWays decodes one frame with nothing behind it, with 0xaa behind it,
// into a used Packet, and by the general path alone; all must agree. It returns
// the dump.
func decodeAllWays(t *testing.T, linkType uint16, frame []byte, origLen uint32) (*Packet, string) {
	t.Helper()
	exact := bytes.Clone(frame)[:len(frame):len(frame)]
	p := new(Packet)
	Decode(p, linkType, exact, origLen)
	checkViews(t, p, exact)
	said := dump(p)

	filled := append(bytes.Clone(frame), bytes.Repeat([]byte{0xaa}, 200)...)
	behind := new(Packet)
	Decode(behind, linkType, filled[:len(frame)], origLen)
	used := dirty()
	Decode(used, linkType, exact, origLen)
	checkViews(t, used, exact)
	general := dirty()
	decodeAny(general, linkType, exact, origLen)

	for _, other := range []struct {
		name string
		p    *Packet
	}{{"with 0xaa behind the frame", behind}, {"into a used Packet", used}, {"by decodeAny", general}} {
		if got := dump(other.p); got != said {
			t.Fatalf("%s\n got %s\nwant %s\nframe %x", other.name, got, said, frame)
		}
	}
	return p, said
}

// checkWithin fails if p has a field that the whole frame's decoding lacks, or
// another value of it.
func checkWithin(t *testing.T, p, whole *Packet, frame []byte) {
	t.Helper()
	for f := range FieldIPOptions + 4 {
		if f == FieldStatus || !p.Present.Has(f) {
			continue
		}
		if !whole.Present.Has(f) {
			t.Fatalf("%s=%s of %d bytes is not in the whole frame: %s\nframe %x", shownFields[f].name, shownFields[f].show(p), len(frame), dump(whole), frame)
		}
		if f == FieldExtensionHeaders && p.ExtensionHeaders < whole.ExtensionHeaders {
			continue // of those walked
		}
		if got, want := shownFields[f].show(p), shownFields[f].show(whole); got != want {
			t.Fatalf("%s of %d bytes: got %s, want %s\nframe %x", shownFields[f].name, len(frame), got, want, frame)
		}
	}
}

// TestEveryPrefix cuts every frame of the corpus at each of its first 200 bytes.
func TestEveryPrefix(t *testing.T) {
	cases := 0
	for _, v := range testpkt.Corpus(t) {
		var whole Packet
		Decode(&whole, v.LinkType, v.Frame, v.OrigLen)
		for n := range min(len(v.Frame), 200) + 1 {
			cut := v.Frame[:n:n]
			cases++

			snapped, said := decodeAllWays(t, v.LinkType, cut, v.OrigLen)
			checkWithin(t, snapped, &whole, cut)
			if !whole.Status.IsError() && snapped.Status.IsError() {
				t.Fatalf("%s cut by the snap length at %d: %s\nwhole: %s", v.Name, n, said, dump(&whole))
			}

			short, said := decodeAllWays(t, v.LinkType, cut, uint32(n))
			checkWithin(t, short, &whole, cut)
			if short.Status == StatusSnapped {
				t.Fatalf("%s that ends at %d: %s", v.Name, n, said)
			}
			if short.Present&^(1<<FieldStatus) != snapped.Present&^(1<<FieldStatus) {
				t.Fatalf("%s at %d: other fields when it ends than when it was cut:\n%s\n%s", v.Name, n, said, dump(snapped))
			}
		}
	}
	if cases < 10000 {
		t.Errorf("only %d prefixes", cases)
	}
}

// TestEveryTotalLength decodes 65,536 total lengths with each IHL, in a frame of
// 80 bytes that was 90 on the wire: a datagram of up to 66 bytes is captured, one
// of up to 76 was on the wire, longer ones never were.
func TestEveryTotalLength(t *testing.T) {
	const capLen, origLen = 80, 90
	transport := testpkt.UDP(53, 5353, make([]byte, capLen))
	frame := testpkt.Ethernet(testpkt.EtherTypeIPv4, testpkt.IPv4(testpkt.IPv4Header{Protocol: testpkt.ProtocolUDP}, transport))[:capLen:capLen]
	ip := frame[14:]
	for i := range ip[20:] {
		ip[20+i] = 1 // options of one byte, then ports, length and checksum 0x0101
	}
	p := dirty()
	for headerWords := range 16 {
		ip[0] = 4<<4 | byte(headerWords)
		for length := range 1 << 16 {
			binary.BigEndian.PutUint16(ip[2:], uint16(length))
			Decode(p, LinkTypeEthernet, frame, origLen)
			want, need := StatusWhole, headerWords*4+8
			switch {
			case headerWords < 5:
				want = StatusBadHeaderLength
			case length == 0 && 14+need <= capLen:
				want = StatusZeroTotalLength
			case length == 0:
				want = StatusSnapped // an IHL of 15 in a frame of 80: 2 bytes of UDP are left out
			case length < 20:
				want = StatusBadTotalLength
			case length < headerWords*4:
				want = StatusBadHeaderLength
			case length < need:
				want = StatusTruncated
			case 14+need > capLen:
				want = StatusSnapped
			}
			if p.Status != want {
				t.Fatalf("IHL %d, total length %d: got %v, want %v", headerWords, length, p.Status, want)
			}
			if got := p.Present.Has(FieldSourcePort); got != (want == StatusWhole || want == StatusZeroTotalLength || want == StatusSnapped || want == StatusTruncated && length >= headerWords*4+2) {
				t.Fatalf("IHL %d, total length %d: port present %v with %v", headerWords, length, got, p.Status)
			}
		}
	}
}

// TestStackedTags has 0 to 64 VLAN tags in front of the same datagram.
func TestStackedTags(t *testing.T) {
	datagram := testpkt.IPv4(testpkt.IPv4Header{Protocol: testpkt.ProtocolUDP}, testpkt.UDP(1, 2, nil))
	tpids := []uint16{0x8100, 0x88a8, 0x9100}
	for n := range 65 {
		var tags []testpkt.Tag
		for i := range n {
			tags = append(tags, testpkt.Tag{TPID: tpids[i%3], VID: uint16(100 + i), PCP: uint8(i % 8)})
		}
		frame := testpkt.Ethernet(testpkt.EtherTypeIPv4, datagram, tags...)
		p, said := decodeAllWays(t, LinkTypeEthernet, frame, uint32(len(frame)))
		if n > maxTags {
			if p.Status != StatusTooManyTags || p.StatusOffset != 12+4*maxTags || p.Present.Has(FieldIPVersion) || p.Present.Has(FieldVLANInnerID) {
				t.Errorf("%d tags: %s", n, said)
			}
			continue
		}
		if p.Status != StatusWhole || p.SourcePort != 1 || p.NetworkOffset != uint32(14+4*n) {
			t.Errorf("%d tags: %s", n, said)
		}
		if p.Present.Has(FieldVLANID) != (n >= 1) || n >= 1 && (p.VLANID != 100 || p.VLANPriority != 0) {
			t.Errorf("%d tags, outermost: %s", n, said)
		}
		if p.Present.Has(FieldVLANInnerID) != (n >= 2) || n >= 2 && (p.VLANInnerID != uint16(99+n) || p.VLANInnerPriority != uint8((n-1)%8)) {
			t.Errorf("%d tags, innermost: %s", n, said)
		}
	}
}

// TestExtensionHeaderChains has 0 to 64 IPv6 extension headers of every kind and
// of 8 to 24 bytes.
func TestExtensionHeaderChains(t *testing.T) {
	kinds := []testpkt.Extension{
		{Protocol: protocolHopByHop, Body: append([]byte{1}, make([]byte, 14)...)},
		{Protocol: protocolRouting, Body: make([]byte, 7)},
		{Protocol: protocolFragment, Body: []byte{0, 0, 1, 0, 0, 0, 9}}, // first fragment, more follow
		{Protocol: protocolDestination, Body: make([]byte, 7)},
		{Protocol: protocolAH, Body: append([]byte{4}, make([]byte, 22)...)},
	}
	for n := range 65 {
		var chain []testpkt.Extension
		size := 0
		for i := range n {
			chain = append(chain, kinds[i%len(kinds)])
			size += 1 + len(kinds[i%len(kinds)].Body)
		}
		frame := testpkt.Ethernet(testpkt.EtherTypeIPv6, testpkt.IPv6(testpkt.IPv6Header{Protocol: testpkt.ProtocolUDP, Extensions: chain}, testpkt.UDP(1, 2, nil)))
		p, said := decodeAllWays(t, LinkTypeEthernet, frame, uint32(len(frame)))
		if n > maxExtensionHeaders {
			if p.Status != StatusTooManyExtensionHeaders || p.Present.Has(FieldProtocol) || p.Present.Has(FieldSourcePort) {
				t.Errorf("%d extension headers: %s", n, said)
			}
			continue
		}
		if p.Status != StatusWhole || p.SourcePort != 1 || p.Protocol != testpkt.ProtocolUDP || p.TransportOffset != uint32(54+size) {
			t.Errorf("%d extension headers: %s", n, said)
		}
		if p.Present.Has(FieldExtensionHeaders) != (n > 0) || n > 0 && p.ExtensionHeaders != uint16(size) {
			t.Errorf("%d extension headers of %d bytes: %s", n, size, said)
		}
		if p.Present.Has(FieldIdentification) != (n >= 3) || n >= 3 && (p.Identification != 9 || p.IPFlags != 1) {
			t.Errorf("%d extension headers, fragment: %s", n, said)
		}
	}
}

// TestDeepFramesCostLittle bounds the time for the worst frames by the walk: the
// deepest stack may take ten times what the plain frame takes.
func TestDeepFramesCostLittle(t *testing.T) {
	datagram := testpkt.IPv4(testpkt.IPv4Header{Protocol: testpkt.ProtocolUDP}, testpkt.UDP(1, 2, nil))
	var tags []testpkt.Tag
	var chain []testpkt.Extension
	for range 64 {
		tags = append(tags, testpkt.Tag{VID: 1})
		chain = append(chain, testpkt.Extension{Protocol: protocolDestination, Body: make([]byte, 7)})
	}
	plain := testpkt.Ethernet(testpkt.EtherTypeIPv4, datagram)
	for name, frame := range map[string][]byte{
		"64 tags":              testpkt.Ethernet(testpkt.EtherTypeIPv4, datagram, tags...),
		"64 extension headers": testpkt.Ethernet(testpkt.EtherTypeIPv6, testpkt.IPv6(testpkt.IPv6Header{Protocol: 17, Extensions: chain}, testpkt.UDP(1, 2, nil))),
	} {
		t.Run(name, func(t *testing.T) {
			ratio := medianRatio(9, func(n int) { decodeTimes(n, frame) }, func(n int) { decodeTimes(n, plain) })
			if ratio > 10 {
				t.Errorf("takes %.1f times as long as a plain frame, want at most 10", ratio)
			}
		})
	}
}

func decodeTimes(n int, frame []byte) {
	var p Packet
	for range n {
		Decode(&p, LinkTypeEthernet, frame, uint32(len(frame)))
	}
}

func ExamplePacket_AppendStatus() {
	frame := testpkt.ByName("E21").Frame
	var p Packet
	Decode(&p, LinkTypeEthernet, frame, uint32(len(frame)))
	fmt.Printf("%s\n", p.AppendStatus(nil))
	// Output: truncated: tcp header at byte 34 needs 20 bytes, 12 are there
}
