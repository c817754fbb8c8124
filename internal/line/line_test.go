package line

import (
	"testing"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
	"xcapa/internal/testpkt"
)

// at is the time of the golden frame G1.
const at = 1338882754996790000

func decoded(t *testing.T, hex string) *record.Record {
	t.Helper()
	frame := testpkt.Hex(hex)
	r := &record.Record{}
	r.SetPacket(packet.LinkTypeEthernet, frame, uint32(len(frame)), at)
	return r
}

const (
	tcpFrame  = "0012cfe554a0001f3c23dbd30800450000284aa74000400658ebc0a80ae2c0a80b0c4cfb0017e7caf858261345de501140c73ea60000"
	arpFrame  = "001e68514fa9001a8c10ad3008060001080006040001001a8c10ad30ac100001000000000000ac10ff01000000000000000000000000000000000000"
	udpFrame  = "001a8c15f9804061869af1f5080045000028123440004011abcd0a0000010a000002003514e90014beef787878787878787878787878000000000000"
	vlanFrame = "001a8c15f9804061869af1f581006064080045000028123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff00000000"
	ip6Frame  = "001a8c15f9804061869af1f586dd6000000000140640200100000000000000000000000000002001000000000000000000000000000104d20050f0000000ffffffff5010ffffffff0000"
	cutFrame  = "001a8c15f9804061869af1f5080045000020123440004006abcd0a0000010a00000204d20050f0000000ffffffff"
	odd       = "001a8c15f9804061869af1f512344500002812344000"
)

func TestLines(t *testing.T) {
	tests := []struct {
		name, frame string
		p           Printer
		want        string
	}{
		{"tcp", tcpFrame, Printer{}, "07:52:34.996790 IP 192.168.10.226.19707 > 192.168.11.12.23: Flags [F.], seq 3888838744, ack 638797278, win 16583, length 0\n"},
		{"tcp quiet", tcpFrame, Printer{Quiet: true, Time: TimeNone}, "IP 192.168.10.226.19707 > 192.168.11.12.23: tcp 0\n"},
		{"tcp verbose", tcpFrame, Printer{Verbose: 1, Time: TimeNone}, "IP (tos 0, ttl 64, id 19111, offset 0, flags 2, proto 6, length 40) 192.168.10.226.19707 > 192.168.11.12.23: Flags [F.], cksum 0x3ea6, seq 3888838744, ack 638797278, win 16583, length 0\n"},
		{"epoch", tcpFrame, Printer{Time: TimeEpoch, Quiet: true}, "1338882754.996790 IP 192.168.10.226.19707 > 192.168.11.12.23: tcp 0\n"},
		{"date, nanoseconds", tcpFrame, Printer{Time: TimeDate, Quiet: true, Nanos: true}, "2012-06-05 07:52:34.996790000 IP 192.168.10.226.19707 > 192.168.11.12.23: tcp 0\n"},
		{"arp", arpFrame, Printer{Time: TimeNone}, "ARP, Request who-has 172.16.255.1 tell 172.16.0.1, length 46\n"},
		{"udp", udpFrame, Printer{Time: TimeNone}, "IP 10.0.0.1.53 > 10.0.0.2.5353: UDP, length 12\n"},
		{"ipv6", ip6Frame, Printer{Time: TimeNone, Quiet: true}, "IP6 2001::.1234 > 2001::1.80: tcp 0\n"},
		{"link header and tag", vlanFrame, Printer{Time: TimeNone, Ethernet: true, Quiet: true}, "40:61:86:9a:f1:f5 > 00:1a:8c:15:f9:80, ethertype 0x0800, length 60: vlan 100, p 3, IP 10.0.0.1.1234 > 10.0.0.2.80: tcp 0\n"},
		{"unknown type", odd, Printer{Time: TimeNone}, "ethertype 0x1234, length 22 [unsupported_ethernet_type]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Zone = time.UTC
			if got := string(tt.p.Append(nil, decoded(t, tt.frame))); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCutFrameSaysWhy(t *testing.T) {
	p := Printer{Time: TimeNone}
	got := string(p.Append([]byte("> "), decoded(t, cutFrame)))
	want := "> IP 10.0.0.1.1234 > 10.0.0.2.80: tcp, length 32 [truncated: "
	if len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
}

func TestDeltaAndSinceFirst(t *testing.T) {
	r := decoded(t, tcpFrame)
	delta, since := Printer{Time: TimeDelta, Quiet: true}, Printer{Time: TimeSinceOne, Quiet: true}
	var d, s string
	for _, step := range []int64{0, 1_500_000_000, 3_661_000_001_000} {
		r.TimestampNanos += step
		d, s = string(delta.Append(nil, r)[:15]), string(since.Append(nil, r)[:15])
	}
	if d != "01:01:01.000001" || s != "01:01:02.500001" {
		t.Errorf("delta %s, since the first %s; want 01:01:01.000001 and 01:01:02.500001", d, s)
	}
}

func TestNoAllocation(t *testing.T) {
	r := decoded(t, tcpFrame)
	p := Printer{Ethernet: true, Verbose: 1, Zone: time.UTC}
	buf := p.Append(nil, r)
	if n := testing.AllocsPerRun(100, func() { buf = p.Append(buf[:0], r) }); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
}
