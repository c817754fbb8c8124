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
	synFrame  = "0012cfe554a0001f3c23dbd30800450000344aa74000400658dfc0a80ae2c0a80b0c4cfb00170000000100000000800220000000000002" +
		"0405b40103030201010402"
	ackFrame  = "0012cfe554a0001f3c23dbd30800450000284aa74000400658ebc0a80ae2c0a80b0c4cfb0017e7caf858261345de501040c73ea60000"
	pingFrame = "001a8c15f9804061869af1f5080045000020123400004001abcd0a0000010a0000020800f7ff00000000000000000000"
	moreFrame = "001a8c15f9804061869af1f5080045000020123420b94011abcd0a0000010a000002003514e90014beef7878787878787878"
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
		{"tcp verbose", tcpFrame, Printer{Verbose: 1, Time: TimeNone}, "IP (tos 0x0, ttl 64, id 19111, offset 0, flags [DF], proto TCP (6), length 40) 192.168.10.226.19707 > 192.168.11.12.23: Flags [F.], cksum 0x3ea6, seq 3888838744, ack 638797278, win 16583, length 0\n"},
		{"epoch", tcpFrame, Printer{Time: TimeEpoch, Quiet: true}, "1338882754.996790 IP 192.168.10.226.19707 > 192.168.11.12.23: tcp 0\n"},
		{"date, nanoseconds", tcpFrame, Printer{Time: TimeDate, Quiet: true, Nanos: true}, "2012-06-05 07:52:34.996790000 IP 192.168.10.226.19707 > 192.168.11.12.23: tcp 0\n"},
		{"arp", arpFrame, Printer{Time: TimeNone}, "ARP, Request who-has 172.16.255.1 tell 172.16.0.1, length 46\n"},
		{"udp", udpFrame, Printer{Time: TimeNone}, "IP 10.0.0.1.53 > 10.0.0.2.5353: UDP, length 12\n"},
		{"ipv6", ip6Frame, Printer{Time: TimeNone, Quiet: true}, "IP6 2001::.1234 > 2001::1.80: tcp 0\n"},
		{"link header and tag", vlanFrame, Printer{Time: TimeNone, Ethernet: true, Quiet: true}, "40:61:86:9a:f1:f5 > 00:1a:8c:15:f9:80, ethertype IPv4 (0x0800), length 60: vlan 100, p 3, 10.0.0.1.1234 > 10.0.0.2.80: tcp 0\n"},
		{"options", synFrame, Printer{Time: TimeNone}, "IP 192.168.10.226.19707 > 192.168.11.12.23: Flags [S], seq 1, win 8192, options [mss 1460,nop,wscale 2,nop,nop,sackOK], length 0\n"},
		{"pure acknowledgement", ackFrame, Printer{Time: TimeNone}, "IP 192.168.10.226.19707 > 192.168.11.12.23: Flags [.], ack 638797278, win 16583, length 0\n"},
		{"ping", pingFrame, Printer{Time: TimeNone}, "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, length 12\n"},
		{"ping verbose", pingFrame, Printer{Time: TimeNone, Verbose: 1}, "IP (tos 0x0, ttl 64, id 4660, offset 0, flags [none], proto ICMP (1), length 32) 10.0.0.1 > 10.0.0.2: ICMP echo request, length 12\n"},
		{"more fragments", moreFrame, Printer{Time: TimeNone, Verbose: 1}, "IP (tos 0x0, ttl 64, id 4660, offset 1480, flags [+], proto UDP (17), length 32) 10.0.0.1 > 10.0.0.2: udp, length 12 [later_fragment]\n"},
		{"ipv6 verbose", ip6Frame, Printer{Time: TimeNone, Verbose: 1}, "IP6 (hlim 64, proto TCP (6), length 60) 2001::.1234 > 2001::1.80: Flags [.], cksum 0xffff, ack 4294967295, win 65535, length 0\n"},
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
	want := "> IP 10.0.0.1.1234 > 10.0.0.2.80: tcp, length 12 [truncated: "
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
	r := decoded(t, synFrame)
	p := Printer{Ethernet: true, Verbose: 1, Zone: time.UTC}
	buf := p.Append(nil, r)
	if n := testing.AllocsPerRun(100, func() { buf = p.Append(buf[:0], r) }); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
}

// Options of every kind, and those whose lengths lie.
func TestTCPOptions(t *testing.T) {
	tests := []struct{ hex, want string }{
		{"020405b4", "mss 1460"},
		{"0101080a00000001fffffffe", "nop,nop,TS val 1 ecr 4294967294"},
		{"050a0000000100000002", "sack 1 {1:2}"},
		{"051200000001000000020000000300000004", "sack 2 {1:2}{3:4}"},
		{"2202", "tfo cookiereq"},
		{"220a0102030405060708", "tfo cookie 0102030405060708"},
		{"fd04f989", "unknown-253 0xf989"},
		{"1302", "unknown-19"},
		{"0203ff", "unknown-2 0xff"},
		{"0100ff", "nop,eol"},
		{"0204", "bad opt"},
		{"0101fd", "nop,nop,bad opt"},
		{"0201", "bad opt"},
	}
	for _, tt := range tests {
		if got, want := string(appendTCPOptions(nil, testpkt.Hex(tt.hex))), "options ["+tt.want+"]"; got != want {
			t.Errorf("%s: got %s, want %s", tt.hex, got, want)
		}
	}
}
