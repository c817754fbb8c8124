package testpkt

// Vector is one frame of the golden set.
type Vector struct {
	Name     string
	What     string
	LinkType uint16 // LINKTYPE number
	OrigLen  uint32 // bytes on the wire
	Frame    []byte // shared: copy before writing
}

// Vectors are the frames of the test files of the parser that xcapa replaces (G1
// to G4, A1, A2: Apache Logisland's 4-TCP-packets.pcap and
// 1-ARP+1-TCP-packets.pcap, Apache-2.0) and one frame for each case it got wrong
// or that is easily got wrong (E1 to E22, made by hand; addresses 10.0.0.1 to
// 10.0.0.2, TCP 1234 to 80, checksums are dummies).
var Vectors = []Vector{
	{
		Name: "G1", What: "FIN+ACK, telnet", LinkType: 1, OrigLen: 54,
		Frame: Hex(`
			0012cfe554a0001f3c23dbd30800 # Ethernet
			450000284aa64000400658ebc0a80ae2c0a80b0c # IPv4, total length 40
			4cfb0017e7caf858261345de501140c73ea60000 # TCP`),
	},
	{
		Name: "G2", What: "ACK, padded to 60 bytes", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001f3c23dbd30012cfe554a00800 # Ethernet
			450000288af700004006589ac0a80b0cc0a80ae2 # IPv4, total length 40
			00174cfb261345dee7caf859501001df7d8e0000 # TCP
			000000000000 # Ethernet padding`),
	},
	{
		Name: "G3", What: "FIN+ACK, padded", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001f3c23dbd30012cfe554a00800 # Ethernet
			4500002826f900004006bc98c0a80b0cc0a80ae2 # IPv4, total length 40
			00174cfb261345dee7caf859501101df7d8d0000 # TCP
			000000000000 # Ethernet padding`),
	},
	{
		Name: "G4", What: "ACK", LinkType: 1, OrigLen: 54,
		Frame: Hex(`
			0012cfe554a0001f3c23dbd30800 # Ethernet
			450000284aa74000400658eac0a80ae2c0a80b0c # IPv4, total length 40
			4cfb0017e7caf859261345df501040c73ea50000 # TCP`),
	},
	{
		Name: "A1", What: "ARP request, padded", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001e68514fa9001a8c10ad300806 # Ethernet
			0001080006040001001a8c10ad30ac100001000000000000ac10ff01 # ARP
			000000000000000000000000000000000000 # Ethernet padding`),
	},
	{
		Name: "A2", What: "FIN+ACK, HTTP", LinkType: 1, OrigLen: 54,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			4500002838ed400080065d36c0a8038341365f4b # IPv4, total length 40
			db95005007f4bf78f4b6a49150113fffce8c0000 # TCP`),
	},
	{
		Name: "E1", What: "ICMP", LinkType: 1, OrigLen: 66,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000034123440004001abcd0a0000010a000002 # IPv4, total length 52
			0800000000000000 # ICMP
			000000000000000000000000000000000000000000000000 # payload`),
	},
	{
		Name: "E2", What: "IPv6 TCP", LinkType: 1, OrigLen: 74,
		Frame: Hex(`
			001a8c15f9804061869af1f586dd # Ethernet
			60000000001406402001000000000000000000000000000020010000000000000000000000000001 # IPv6
			04d20050f0000000ffffffff5010ffffffff0000 # TCP`),
	},
	{
		Name: "E3", What: "VLAN 100 pcp 3", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f58100 # Ethernet
			60640800 # tag: VID 100, PCP 3; next type
			45000028123440004006abcd0a0000010a000002 # IPv4, total length 40
			04d20050f0000000ffffffff5010ffffffff0000 # TCP
			0000 # Ethernet padding`),
	},
	{
		Name: "E4", What: "QinQ 88a8/8100", LinkType: 1, OrigLen: 62,
		Frame: Hex(`
			001a8c15f9804061869af1f588a8 # Ethernet
			00648100 # tag: VID 100, PCP 0; next type
			00650800 # tag: VID 101, PCP 0; next type
			45000028123440004006abcd0a0000010a000002 # IPv4, total length 40
			04d20050f0000000ffffffff5010ffffffff0000 # TCP`),
	},
	{
		Name: "E5", What: "8100/8100 TCI 0x4500", LinkType: 1, OrigLen: 62,
		Frame: Hex(`
			001a8c15f9804061869af1f58100 # Ethernet
			00648100 # tag: VID 100, PCP 0; next type
			45000800 # tag: VID 1280, PCP 2; next type
			45000028123440004006abcd0a0000010a000002 # IPv4, total length 40
			04d20050f0000000ffffffff5010ffffffff0000 # TCP`),
	},
	{
		Name: "E6", What: "STP BPDU", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50026 # Ethernet
			424203000000000080000019061eae800000000080000019061eae8080010000140002000f000000000000000000 # payload`),
	},
	{
		Name: "E7", What: "MPLS label 0x45000", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f58847 # Ethernet
			450001ff45000028123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff00000000 # payload`),
	},
	{
		Name: "E8", What: "IP router-alert option + TCP", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			4600002c123440004006abcd0a0000010a000002 # IPv4, total length 44
			94040000 # IPv4 options
			04d20050f0000000ffffffff5010ffffffff0000 # TCP
			0000 # Ethernet padding`),
	},
	{
		Name: "E9", What: "TCP 20 option bytes", LinkType: 1, OrigLen: 74,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			4500003c123440004006abcd0a0000010a000002 # IPv4, total length 60
			04d20050f0000000ffffffffa002ffffffff0000 # TCP
			020405b40402080a00000001000000000103030a # TCP options`),
	},
	{
		Name: "E10", What: "MSS + EOL + pad", LinkType: 1, OrigLen: 62,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000030123440004006abcd0a0000010a000002 # IPv4, total length 48
			04d20050f0000000ffffffff7002ffffffff0000 # TCP
			020405b400000000 # TCP options`),
	},
	{
		Name: "E11", What: "NS+CWR+ECE+SYN", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000028123440004006abcd0a0000010a000002 # IPv4, total length 40
			04d20050f0000000ffffffff51c2ffffffff0000 # TCP
			000000000000 # Ethernet padding`),
	},
	{
		Name: "E12", What: "5 payload bytes, URG", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			4500002d123440004006abcd0a0000010a000002 # IPv4, total length 45
			04d20050f0000000ffffffff5038ffffffffffff # TCP
			68656c6c6f # payload
			00 # Ethernet padding`),
	},
	{
		Name: "E13", What: "UDP 53 -> 5353", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000028123440004011abcd0a0000010a000002 # IPv4, total length 40
			003514e90014beef # UDP
			787878787878787878787878 # payload
			000000000000 # Ethernet padding`),
	},
	{
		Name: "E14", What: "UDP fragment offset 185", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			4500002c123400b94011abcd0a0000010a000002 # IPv4, total length 44
			deadbeef00010203deadbeef00010203deadbeef00010203 # payload
			0000 # Ethernet padding`),
	},
	{
		Name: "E15", What: "TCP fragment of 0xff", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			4500002c123420b94006abcd0a0000010a000002 # IPv4, total length 44
			ffffffffffffffffffffffffffffffffffffffffffffffff # payload
			0000 # Ethernet padding`),
	},
	{
		Name: "E16", What: "4-byte last fragment", LinkType: 1, OrigLen: 38,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000018123400b94011abcd0a0000010a000002 # IPv4, total length 24
			61626364 # payload`),
	},
	{
		Name: "E17", What: "total length 0", LinkType: 1, OrigLen: 74,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000000123440004006abcd0a0000010a000002 # IPv4, total length 0
			04d20050f0000000ffffffff5010ffffffff0000 # TCP
			7878787878787878787878787878787878787878 # payload`),
	},
	{
		Name: "E18", What: "snaplen cut, total 1500", LinkType: 1, OrigLen: 1514,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			450005dc123440004006abcd0a0000010a000002 # IPv4, total length 1500
			04d20050f0000000ffffffff5010ffffffff0000 # TCP
			7878787878787878787878787878787878787878 # payload`),
	},
	{
		Name: "E19", What: "IHL 0", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			40000028123440004006abcd0a0000010a000002 # IPv4, total length 40
			04d20050f0000000ffffffff5010ffffffff0000 # TCP
			000000000000 # Ethernet padding`),
	},
	{
		Name: "E20", What: "data offset 0", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000028123440004006abcd0a0000010a000002 # IPv4, total length 40
			04d20050f0000000ffffffff0010ffffffff0000 # TCP
			000000000000 # Ethernet padding`),
	},
	{
		Name: "E21", What: "TCP header cut to 12 bytes", LinkType: 1, OrigLen: 46,
		Frame: Hex(`
			001a8c15f9804061869af1f50800 # Ethernet
			45000020123440004006abcd0a0000010a000002 # IPv4, total length 32
			04d20050f0000000ffffffff # TCP`),
	},
	{
		Name: "E22", What: "IPv4 bytes under EtherType 0x1234", LinkType: 1, OrigLen: 60,
		Frame: Hex(`
			001a8c15f9804061869af1f51234 # Ethernet
			45000028123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff0000000000000000 # payload`),
	},
}

// ByName returns the vector of that name; it panics if there is none.
func ByName(name string) Vector {
	for _, v := range Vectors {
		if v.Name == name {
			return v
		}
	}
	panic("testpkt: no vector named " + name)
}
