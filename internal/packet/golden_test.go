package packet

import (
	"fmt"
	"testing"

	"xcapa/internal/testpkt"
)

// goldenIP is the IPv4 header of the G and A frames behind their MAC addresses.
const goldenIP = "type=0800 ip=4 hlen=20 tos=0 len=40 "

// What the E frames have in common: addresses, ports and dummy checksums.
const (
	edgeMACs  = "src=4061869af1f5 dst=001a8c15f980 "
	edgePorts = "sport=1234 dport=80 "
	edgeTCP   = edgePorts + "seq=4026531840 ack=4294967295 "
	edgeRest  = "win=65535 tcpsum=65535 urg=0 "
	edgeSeg   = edgeTCP + "doff=5 flags=16 " + edgeRest
	edgeAt    = "at=14,34"
)

// edgeIP is the IPv4 header of the E frames, 10.0.0.1 to 10.0.0.2.
func edgeIP(headerLen, totalLength, flags, fragmentOffset, protocol int) string {
	return fmt.Sprintf("ip=4 hlen=%d tos=0 len=%d id=4660 ipflags=%d frag=%d ttl=64 proto=%d sum=43981 from=10.0.0.1 to=10.0.0.2 ",
		headerLen, totalLength, flags, fragmentOffset, protocol)
}

// vectorWants says what is right for each of testpkt.Vectors: the "right" column
// of the comparison with the parser that xcapa replaces.
var vectorWants = map[string]string{
	"G1": "src=001f3c23dbd3 dst=0012cfe554a0 " + goldenIP + `id=19110 ipflags=2 frag=0 ttl=64 proto=6 sum=22763
		from=192.168.10.226 to=192.168.11.12 sport=19707 dport=23 seq=3888838744 ack=638797278
		doff=5 flags=17 win=16583 tcpsum=16038 urg=0 ` + edgeAt,
	"G2": "src=0012cfe554a0 dst=001f3c23dbd3 " + goldenIP + `id=35575 ipflags=0 frag=0 ttl=64 proto=6 sum=22682
		from=192.168.11.12 to=192.168.10.226 sport=23 dport=19707 seq=638797278 ack=3888838745
		doff=5 flags=16 win=479 tcpsum=32142 urg=0 ` + edgeAt,
	"G3": "src=0012cfe554a0 dst=001f3c23dbd3 " + goldenIP + `id=9977 ipflags=0 frag=0 ttl=64 proto=6 sum=48280
		from=192.168.11.12 to=192.168.10.226 sport=23 dport=19707 seq=638797278 ack=3888838745
		doff=5 flags=17 win=479 tcpsum=32141 urg=0 ` + edgeAt,
	"G4": "src=001f3c23dbd3 dst=0012cfe554a0 " + goldenIP + `id=19111 ipflags=2 frag=0 ttl=64 proto=6 sum=22762
		from=192.168.10.226 to=192.168.11.12 sport=19707 dport=23 seq=3888838745 ack=638797279
		doff=5 flags=16 win=16583 tcpsum=16037 urg=0 ` + edgeAt,
	"A1": `src=001a8c10ad30 dst=001e68514fa9 type=0806 op=1 sha=001a8c10ad30 spa=172.16.0.1 tha=000000000000
		tpa=172.16.255.1 at=0,0`,
	"A2": "src=4061869af1f5 dst=001a8c15f980 " + goldenIP + `id=14573 ipflags=2 frag=0 ttl=128 proto=6 sum=23862
		from=192.168.3.131 to=65.54.95.75 sport=56213 dport=80 seq=133480312 ack=4105610385
		doff=5 flags=17 win=16383 tcpsum=52876 urg=0 ` + edgeAt,

	"E1": edgeMACs + "type=0800 " + edgeIP(20, 52, 2, 0, 1) + "icmp=8 code=0 icmpsum=0 " + edgeAt,
	"E2": edgeMACs + `type=86dd ip=6 tos=0 len=60 ttl=64 proto=6 from=2001:: to=2001::1 flow=0 next=6
		` + edgeSeg + "at=14,54",
	"E3": edgeMACs + "type=0800 vlan=100 pcp=3 " + edgeIP(20, 40, 2, 0, 6) + edgeSeg + "at=18,38",
	"E4": edgeMACs + "type=0800 vlan=100 pcp=0 inner=101 innerpcp=0 " + edgeIP(20, 40, 2, 0, 6) + edgeSeg + "at=22,42",
	"E5": edgeMACs + "type=0800 vlan=100 pcp=0 inner=1280 innerpcp=2 " + edgeIP(20, 40, 2, 0, 6) + edgeSeg + "at=22,42",
	"E6": "src=4061869af1f5 dst=001a8c15f980 status=ieee_802_3/ethernet@12(0,0) at=0,0",
	"E7": edgeMACs + "type=8847 status=unsupported_ethernet_type/ethernet@12(0,0) at=0,0",
	"E8": edgeMACs + "type=0800 " + edgeIP(24, 44, 2, 0, 6) + edgeSeg + "ipopt=94040000 at=14,38",
	"E9": edgeMACs + "type=0800 " + edgeIP(20, 60, 2, 0, 6) + edgeTCP + "doff=10 flags=2 " + edgeRest +
		"tcpopt=020405b40402080a00000001000000000103030a " + edgeAt,
	"E10": edgeMACs + "type=0800 " + edgeIP(20, 48, 2, 0, 6) + edgeTCP + "doff=7 flags=2 " + edgeRest +
		"tcpopt=020405b400 tcppad=000000 " + edgeAt,
	"E11": edgeMACs + "type=0800 " + edgeIP(20, 40, 2, 0, 6) + edgeTCP + "doff=5 flags=450 " + edgeRest + edgeAt,
	"E12": edgeMACs + "type=0800 " + edgeIP(20, 45, 2, 0, 6) + edgeTCP + "doff=5 flags=56 win=65535 tcpsum=65535 urg=65535 " + edgeAt,
	"E13": edgeMACs + "type=0800 " + edgeIP(20, 40, 2, 0, 17) + "sport=53 dport=5353 udplen=20 udpsum=48879 " + edgeAt,
	"E14": edgeMACs + "type=0800 " + edgeIP(20, 44, 0, 185, 17) + "status=later_fragment/ipv4@20(0,0) at=14,0",
	"E15": edgeMACs + "type=0800 " + edgeIP(20, 44, 1, 185, 6) + "status=later_fragment/ipv4@20(0,0) at=14,0",
	"E16": edgeMACs + "type=0800 " + edgeIP(20, 24, 0, 185, 17) + "status=later_fragment/ipv4@20(0,0) at=14,0",
	"E17": edgeMACs + "type=0800 " + edgeIP(20, 0, 2, 0, 6) + edgeSeg + "status=zero_total_length/ipv4@16(0,0) " + edgeAt,
	"E18": edgeMACs + "type=0800 " + edgeIP(20, 1500, 2, 0, 6) + edgeSeg + edgeAt,
	"E19": edgeMACs + "type=0800 " + edgeIP(0, 40, 2, 0, 6) + "status=bad_header_length/ipv4@14(20,0) at=14,0",
	"E20": edgeMACs + "type=0800 " + edgeIP(20, 40, 2, 0, 6) + edgeTCP + "doff=0 flags=16 " + edgeRest +
		"status=bad_header_length/tcp@34(20,0) " + edgeAt,
	"E21": edgeMACs + "type=0800 " + edgeIP(20, 32, 2, 0, 6) + edgeTCP + "status=truncated/tcp@34(20,12) " + edgeAt,
	"E22": edgeMACs + "type=1234 status=unsupported_ethernet_type/ethernet@12(0,0) at=0,0",
}

// vectorLengths has the TCP segment and data length of the vectors where they
// are worth a look, bytes.
var vectorLengths = map[string][2]uint32{
	"G1": {20, 0}, "G2": {20, 0}, "A2": {20, 0}, "E2": {20, 0}, "E8": {20, 0},
	"E9": {40, 0}, "E12": {25, 5}, "E17": {40, 20}, "E18": {1480, 1460}, "E20": {20, 20},
}

func TestVectors(t *testing.T) {
	for _, v := range testpkt.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			var p Packet
			Decode(&p, v.LinkType, v.Frame, v.OrigLen)
			checkDump(t, &p, vectorWants[v.Name], v.Frame)
			want, ok := vectorLengths[v.Name]
			if !ok {
				return
			}
			if got := [2]uint32{p.TCPSegmentLen(v.OrigLen), p.TCPDataLen(v.OrigLen)}; got != want {
				t.Errorf("segment and data length: got %d, want %d", got, want)
			}
		})
	}
	if len(vectorWants) != len(testpkt.Vectors) {
		t.Errorf("%d wanted results for %d vectors", len(vectorWants), len(testpkt.Vectors))
	}
}
