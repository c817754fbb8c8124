package codec

import (
	"net/netip"
	"testing"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// flowRecord is a packet of a flow; for ICMP the ports are type and code.
func flowRecord(protocol uint8, src, dst string, sport, dport uint16) *record.Record {
	r := &record.Record{}
	r.Present = 1<<packet.FieldProtocol | 1<<packet.FieldSourceAddress | 1<<packet.FieldDestinationAddress | 1<<packet.FieldIPVersion
	s := netip.MustParseAddr(src)
	r.IPVersion = 6
	if s.Is4() {
		r.IPVersion = 4
	}
	r.Protocol, r.SourceAddress, r.DestinationAddress = protocol, s.As16(), netip.MustParseAddr(dst).As16()
	switch protocol {
	case protocolICMP, protocolICMPv6:
		r.Present |= groupICMP
		r.ICMPType, r.ICMPCode = uint8(sport), uint8(dport)
	case protocolTCP, protocolUDP, protocolSCTP:
		r.Present |= groupPorts
		r.SourcePort, r.DestinationPort = sport, dport
	}
	return r
}

// TestCommunityID uses vectors of the Community ID specification's baseline.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct {
		r    *record.Record
		want string
	}{
		{flowRecord(protocolTCP, "128.232.110.120", "66.35.250.204", 34855, 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{flowRecord(protocolTCP, "66.35.250.204", "128.232.110.120", 80, 34855), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{flowRecord(protocolUDP, "192.168.1.52", "8.8.8.8", 54585, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{flowRecord(protocolICMP, "192.168.0.89", "192.168.0.1", 8, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{flowRecord(protocolICMP, "192.168.0.1", "192.168.0.89", 0, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{flowRecord(protocolICMPv6, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 0), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{flowRecord(protocolSCTP, "192.168.170.8", "192.168.170.56", 7, 80), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
	} {
		want := c.want
		if got := string(AppendCommunityID(nil, c.r)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	noPorts := flowRecord(protocolTCP, "10.0.0.1", "10.0.0.2", 0, 0)
	noPorts.Present &^= groupPorts
	for name, r := range map[string]*record.Record{"later fragment": noPorts, "no IP": {}} {
		if got := AppendCommunityID(nil, r); got != nil {
			t.Errorf("%s: got %s, want nothing", name, got)
		}
	}
}
