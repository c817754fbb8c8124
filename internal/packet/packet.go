package packet

// Packet holds the headers of one frame. Decode fills it; it is meant to be
// reused, one per worker.
//
// A field is valid only if its bit is set in Present: Decode does not clear
// what the last frame left in the others. Integers are unsigned, in the wire's
// unit, in host byte order. The slices are views into the decoded frame.
type Packet struct {
	Present FieldSet

	// Status is StatusWhole, or what stopped decoding first. StatusLayer is
	// the header it happened in, StatusOffset where in the frame that header
	// or field starts (bytes), StatusNeed and StatusHave how many bytes were
	// needed from there and how many there are (0, 0 where it is no matter of
	// length). Valid if Status is not StatusWhole.
	Status       Status
	StatusLayer  Layer
	StatusOffset uint32
	StatusNeed   uint32
	StatusHave   uint32

	// Ethernet, IEEE 802.3 and 802.1Q.
	DestinationMAC    [6]byte
	SourceMAC         [6]byte
	EtherType         uint16 // behind all tags
	VLANID            uint16 // outermost tag: VID
	VLANInnerID       uint16 // innermost of two or more; not known of a cut stack
	VLANPriority      uint8  // PCP
	VLANInnerPriority uint8

	// ARP, RFC 826, Ethernet/IPv4 only.
	ARPSenderMAC [6]byte
	ARPTargetMAC [6]byte
	ARPOperation uint16
	ARPSenderIP  uint32
	ARPTargetIP  uint32

	// IPv4 (RFC 791) and IPv6 (RFC 8200).
	SourceAddress      [16]byte // IPv4 as ::ffff:a.b.c.d
	DestinationAddress [16]byte
	TotalLength        uint32 // bytes; IPv6: 40 + payload length
	Identification     uint32 // IPv4; IPv6: of the fragment header
	FlowLabel          uint32 // IPv6
	FragmentOffset     uint16 // units of 8 bytes
	HeaderChecksum     uint16 // IPv4
	ExtensionHeaders   uint16 // IPv6: bytes of all extension headers walked
	IPVersion          uint8
	IPHeaderLen        uint8  // IPv4: bytes, 20-60; less with StatusBadHeaderLength
	TOS                uint8  // IPv6: traffic class
	IPFlags            uint8  // 4 reserved, 2 DF, 1 MF; IPv6 fragment header: 1 M
	TTL                uint8  // IPv6: hop limit
	Protocol           uint8  // IPv6: after the extension headers
	NextHeader         uint8  // IPv6: of the fixed header
	IPOptions          []byte // up to and with End of Options
	IPPadding          []byte // behind End of Options

	// TCP (RFC 9293), UDP (RFC 768) and the ports of SCTP, UDP-Lite, DCCP.
	SourcePort           uint16
	DestinationPort      uint16
	SequenceNumber       uint32
	AcknowledgmentNumber uint32
	TCPFlags             uint16 // 9 bits: NS 256, CWR, ECE, URG, ACK, PSH, RST, SYN, FIN 1
	Window               uint16 // unscaled
	TCPChecksum          uint16
	UrgentPointer        uint16
	DataOffset           uint8 // 32-bit words, 5-15; less with StatusBadHeaderLength
	TCPOptions           []byte
	TCPPadding           []byte
	UDPLength            uint16
	UDPChecksum          uint16
	ICMPType             uint8
	ICMPCode             uint8
	ICMPChecksum         uint16

	// Only with checksum verification, see Verify.
	IPChecksumStatus        ChecksumStatus
	TransportChecksumStatus ChecksumStatus

	// NetworkOffset is where the IP header starts in the frame, TransportOffset
	// where the header behind it does (both bytes). Without such a header they
	// are 0; NetworkOffset is also 0 where the link type has no header.
	NetworkOffset   uint32
	TransportOffset uint32
}

// FieldSet says which fields of a Packet (or record) are valid: bit f is set if
// field f is.
type FieldSet uint64

// Has reports whether f is in the set.
func (s FieldSet) Has(f Field) bool { return s>>f&1 != 0 }

// Field numbers a stored field; it is the bit in FieldSet and the order in
// which codecs keep validity.
type Field uint8

// The fields that Decode can set.
const (
	FieldSourceMAC Field = iota
	FieldDestinationMAC
	FieldEtherType
	FieldVLANID
	FieldVLANPriority
	FieldVLANInnerID
	FieldVLANInnerPriority
	FieldARPOperation
	FieldARPSenderMAC
	FieldARPSenderIP
	FieldARPTargetMAC
	FieldARPTargetIP
	FieldIPVersion
	FieldIPHeaderLen
	FieldTOS
	FieldTotalLength
	FieldIdentification
	FieldIPFlags
	FieldFragmentOffset
	FieldTTL
	FieldProtocol
	FieldHeaderChecksum
	FieldSourceAddress
	FieldDestinationAddress
	FieldFlowLabel
	FieldNextHeader
	FieldExtensionHeaders
	FieldSourcePort
	FieldDestinationPort
	FieldSequenceNumber
	FieldAcknowledgmentNumber
	FieldDataOffset
	FieldTCPFlags
	FieldWindow
	FieldTCPChecksum
	FieldUrgentPointer
	FieldUDPLength
	FieldUDPChecksum
	FieldICMPType
	FieldICMPCode
	FieldICMPChecksum
	FieldIPChecksumStatus
	FieldTransportChecksumStatus
	FieldStatus // Status is not StatusWhole
	FieldIPOptions
	FieldIPPadding
	FieldTCPOptions
	FieldTCPPadding
	NumFields // fields from here on belong to package record
)
