package packet

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"

	"xcapa/internal/testpkt"
)

func decoded(t *testing.T, frame []byte) *Packet {
	t.Helper()
	p := dirty()
	Decode(p, LinkTypeEthernet, frame, uint32(len(frame)))
	return p
}

// oneFlow builds a frame of a flow in either direction.
type oneFlow func(reversed bool) []byte

func ends(reversed bool, a, b netip.AddrPort) (source, destination netip.AddrPort) {
	if reversed {
		return b, a
	}
	return a, b
}

func flow(protocol uint8, a, b string) oneFlow {
	return func(reversed bool) []byte {
		source, destination := ends(reversed, netip.MustParseAddrPort(a), netip.MustParseAddrPort(b))
		segment := testpkt.UDP(source.Port(), destination.Port(), nil)
		if protocol == testpkt.ProtocolTCP {
			segment = testpkt.TCP(testpkt.TCPHeader{SourcePort: source.Port(), DestinationPort: destination.Port()}, nil)
		}
		if source.Addr().Is4() {
			return testpkt.Ethernet(testpkt.EtherTypeIPv4, testpkt.IPv4(testpkt.IPv4Header{
				Source: source.Addr(), Destination: destination.Addr(), Protocol: protocol,
			}, segment))
		}
		return testpkt.Ethernet(testpkt.EtherTypeIPv6, testpkt.IPv6(testpkt.IPv6Header{
			Source: source.Addr(), Destination: destination.Addr(), Protocol: protocol,
		}, segment))
	}
}

func TestFlowHashKnowsNoDirection(t *testing.T) {
	flows := map[string]oneFlow{
		"tcp":                 flow(6, "10.0.0.1:1000", "10.0.0.2:80"),
		"tcp_ports_swapped":   flow(6, "10.0.0.1:80", "10.0.0.2:1000"),
		"tcp_same_xor":        flow(6, "10.0.0.5:1000", "10.0.0.6:80"),
		"udp_same_ends":       flow(17, "10.0.0.1:1000", "10.0.0.2:80"),
		"tcp_to_itself":       flow(6, "10.0.0.1:1000", "10.0.0.1:1000"),
		"tcp6":                flow(6, "[2001:db8::1]:1000", "[2001:db8::2]:80"),
		"tcp6_other_half":     flow(6, "[2001:db8:1::1]:1000", "[2001:db8:1::2]:80"),
		"tcp_other_port":      flow(6, "10.0.0.1:1001", "10.0.0.2:80"),
		"tcp_port_moved":      flow(6, "10.0.0.1:80", "10.0.0.2:80"),
		"tcp6_mapped_no_ipv4": flow(6, "[::10.0.0.1]:1000", "[::10.0.0.2]:80"),
	}
	seen := map[uint64]string{}
	for name, f := range flows {
		there, back := decoded(t, f(false)).FlowHash(), decoded(t, f(true)).FlowHash()
		if there != back {
			t.Errorf("%s: %#x there, %#x back", name, there, back)
		}
		if other, ok := seen[there]; ok {
			t.Errorf("%s and %s have the same hash %#x", name, other, there)
		}
		seen[there] = name
	}
}

// TestFlowHashIsStable pins values: hashes are message keys, and two versions of
// xcapa must send a flow to the same partition.
func TestFlowHashIsStable(t *testing.T) {
	for name, want := range map[string]uint64{
		"G1": 0x42bcd02e7a1177f0, "A1": 0xe8aa86a4c920f174, "E2": 0xfe2acd380f751cb8, "E7": 0x14e0644c9d46f0c,
	} {
		v := testpkt.ByName(name)
		if got := decoded(t, v.Frame).FlowHash(); got != want {
			t.Errorf("%s: got %#x, want %#x", name, got, want)
		}
	}
}

// TestFlowHashKeepsFragmentsTogether has the first and a later fragment of one
// datagram, and one with the same ends that is whole.
func TestFlowHashKeepsFragmentsTogether(t *testing.T) {
	udp := testpkt.UDP(53, 5353, make([]byte, 32))
	build := func(flags uint8, offset uint16) []byte {
		return testpkt.Ethernet(testpkt.EtherTypeIPv4, testpkt.IPv4(testpkt.IPv4Header{Protocol: 17, Flags: flags, FragmentOffset: offset}, udp))
	}
	first, later := decoded(t, build(1, 0)), decoded(t, build(0, 5))
	if !first.Present.Has(FieldSourcePort) || later.Present.Has(FieldSourcePort) {
		t.Fatalf("ports of the fragments: %s / %s", dump(first), dump(later))
	}
	if first.FlowHash() != later.FlowHash() {
		t.Errorf("first fragment %#x, later %#x", first.FlowHash(), later.FlowHash())
	}
}

func TestFlowHashOfOtherFrames(t *testing.T) {
	ask := testpkt.Ethernet(testpkt.EtherTypeARP, testpkt.ARP(1, testpkt.MACA, testpkt.A4, [6]byte{}, testpkt.B4))
	answer := testpkt.Ethernet(testpkt.EtherTypeARP, testpkt.ARP(2, testpkt.MACB, testpkt.B4, testpkt.MACA, testpkt.A4))
	if a, b := decoded(t, ask).FlowHash(), decoded(t, answer).FlowHash(); a != b || a == 0 {
		t.Errorf("ARP: question %#x, answer %#x", a, b)
	}
	frame := testpkt.Ethernet(0x88cc, nil)
	back := append(append(append([]byte{}, frame[6:12]...), frame[:6]...), frame[12:]...)
	if a, b := decoded(t, frame).FlowHash(), decoded(t, back).FlowHash(); a != b || a == 0 {
		t.Errorf("other EtherType: %#x there, %#x back", a, b)
	}
	if got := decoded(t, nil).FlowHash(); got != 0 {
		t.Errorf("empty frame: got %#x, want 0", got)
	}
}

// checkFlowHashOf wants the number that decoding gives.
func checkFlowHashOf(t *testing.T, linkType uint16, frame []byte, origLen uint32) {
	t.Helper()
	var p, scratch Packet
	Decode(&p, linkType, frame, origLen)
	if got, want := FlowHashOf(&scratch, linkType, frame, origLen), p.FlowHash(); got != want {
		t.Fatalf("link type %d: got %#x, decoded %#x\nframe %x", linkType, got, want, frame)
	}
}

// The hash without decoding is that of decoding: for every frame of the corpus,
// at every length, with every byte changed.
func TestFlowHashOf(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, v := range testpkt.Corpus(t) {
		for n := range min(len(v.Frame), 200) + 1 {
			checkFlowHashOf(t, v.LinkType, v.Frame[:n], v.OrigLen)
		}
		checkFlowHashOf(t, v.LinkType, v.Frame, v.OrigLen)
		frame := bytes.Clone(v.Frame)
		for i := range min(len(frame), 100) {
			for range 20 {
				frame[i] = byte(random.Uint32())
				checkFlowHashOf(t, v.LinkType, frame, v.OrigLen)
			}
			frame[i] = v.Frame[i]
		}
	}
}

// TestFlowHashSpreads puts 65,536 flows of neighbouring addresses and ports on 12
// partitions and 2 workers: each gets its share within 5 %, by low and high bits.
func TestFlowHashSpreads(t *testing.T) {
	p := decoded(t, flow(6, "10.0.0.0:1000", "10.0.0.1:443")(false))
	var partitions [12]int
	var high [2]int
	for i := range 1 << 16 {
		p.SourceAddress[15] = byte(i)
		p.SourcePort = uint16(1000 + i>>8)
		h := p.FlowHash()
		partitions[h%12]++
		high[h>>63]++
	}
	check := func(name string, got, shares int) {
		want := float64(1<<16) / float64(shares)
		if math.Abs(float64(got)-want) > want*0.05 {
			t.Errorf("%s: %d flows, want %.0f within 5 %%", name, got, want)
		}
	}
	for _, n := range partitions {
		check("one of 12 partitions", n, 12)
	}
	for _, n := range high {
		check("one of 2 halves", n, 2)
	}
}

func BenchmarkFlowHash(b *testing.B) {
	var p Packet
	frame := testpkt.ByName("G1").Frame
	Decode(&p, LinkTypeEthernet, frame, uint32(len(frame)))
	var sum uint64
	for b.Loop() {
		sum += p.FlowHash()
	}
	if sum == 0 {
		b.Fatal(binary.BigEndian.Uint32(frame))
	}
}

// BenchmarkFlowHashOf is what a receiver pays that shares frames out.
func BenchmarkFlowHashOf(b *testing.B) {
	sets := benchTraffic()
	for _, name := range sortedNames(sets) {
		frames := sets[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var p Packet
			var sum uint64
			for i := 0; b.Loop(); i++ {
				frame := frames[i%trafficLen]
				sum += FlowHashOf(&p, LinkTypeEthernet, frame, uint32(len(frame)))
			}
			if sum == 0 {
				b.Fatal("every hash is 0")
			}
		})
	}
}
