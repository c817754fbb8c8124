package packet

// The link types (LINKTYPE_ numbers of tcpdump.org) that Decode reads; any
// other gives StatusUnsupportedLinkType.
const (
	LinkTypeNull      = 0   // BSD loopback, address family in the writer's byte order
	LinkTypeEthernet  = 1   //
	LinkTypeRawBSD    = 12  // raw IP as some BSDs number it
	LinkTypeRaw       = 101 // raw IP, version from the first nibble
	LinkTypeLoop      = 108 // OpenBSD loopback, address family in network byte order
	LinkTypeLinuxSLL  = 113 // Linux cooked v1
	LinkTypeIPv4      = 228 //
	LinkTypeIPv6      = 229 //
	LinkTypeLinuxSLL2 = 276 // Linux cooked v2
)
