package record

import "xcapa/internal/packet"

// NoField marks a table entry that has no bit in FieldSet: it is always there,
// computed, or shared by the records of a message.
const NoField packet.Field = 0xff

// ArrowType is the type of a stored column.
type ArrowType uint8

// The column types of a block. ArrowNone: the field is no column.
const (
	ArrowNone ArrowType = iota
	ArrowUint8
	ArrowUint16
	ArrowUint32
	ArrowUint64
	ArrowInt64
	ArrowTimestamp // nanoseconds, UTC
	ArrowFixed6
	ArrowFixed16
	ArrowBinary // variable length: these columns stand last
)

var arrowNames = [...]string{"", "uint8", "uint16", "uint32", "uint64", "int64",
	"timestamp[ns, UTC]", "fixed binary(6)", "fixed binary(16)", "binary"}

// String is the type's name in the documentation.
func (t ArrowType) String() string { return arrowNames[t] }

// Width is the bytes of one value in its data buffer, 0 for none or variable.
func (t ArrowType) Width() int {
	return [...]int{0, 1, 2, 4, 8, 8, 8, 6, 16, 0}[t]
}

// Where a field's value comes from.
type Kind uint8

const (
	Stored   Kind = iota // a column of a block
	Computed             // made by the reader from stored fields
	Shared               // in the message's headers
	Constant             // the same in every document
	SeedOnly             // only in documents of SchemaSeed
)

// Seed behaviours that the seed encoder needs to know of a field; any other
// text in Info.Seed says how the value differs.
const (
	SeedSame   = "same"
	SeedAbsent = "absent"
	SeedNever  = "never"
)

// Info is one line of the table of fields.
type Info struct {
	Name    string       // in JSON, Arrow and Elasticsearch
	Field   packet.Field // bit in Record.Present, or NoField
	Kind    Kind
	Arrow   ArrowType
	Elastic string // mapping type, a key of elasticMappings; "": not indexed there
	ECS     string // name in the ECS schema, "" for none
	Seed    string // what SchemaSeed does differently
	Meaning string // meaning, unit, source
}

// Nullable reports whether a block's column can hold nulls.
func (i *Info) Nullable() bool { return i.Field != NoField }

// Fields returns the table in document order. The slice must not be changed.
func Fields() []Info { return table[:] }

// Names of fields that code refers to one by one.
const (
	NameTimestamp      = "@timestamp"
	NameID             = "record_id"
	NameTime           = "record_time"
	NameNanos          = "packet_timestamp_in_nanos"
	NameType           = "record_type"
	NameProcessor      = "processor_name"
	NameFrameLength    = "frame_length"
	NameCapturedLength = "frame_captured_length"
	NameHost           = "capture_host"
	NameInterface      = "capture_interface"
	NameQueue          = "capture_queue"
	NameSegmentLength  = "tcp_computed_segment_total_length"
	NameDataLength     = "tcp_computed_data_length"
	NameCommunityID    = "community_id"
	NameErrors         = "record_errors"
)

// TypePacket and ProcessorName are the constant values of NameType and
// NameProcessor.
const (
	TypePacket    = "pcap_packet"
	ProcessorName = "ParseNetworkPacket"
)

var table = [...]Info{
	{NameTimestamp, NoField, Computed, 0, "date_nanos", "@timestamp", "record_time", "packet time, RFC 3339, UTC, 9 digits"},
	{NameID, NoField, Computed, 0, "keyword", "event.id", "random UUID", "stable id: run-queue-sequence, or topic-partition-offset"},
	{NameTime, NoField, Computed, 0, "date", "", "clock at parsing", "packet time, ms since 1970"},
	{NameNanos, NoField, Stored, ArrowTimestamp, "long", "", "ms resolution", "packet time, ns since 1970"},
	{NameType, NoField, Constant, 0, "keyword", "", SeedSame, "pcap_packet"},
	{NameProcessor, NoField, Constant, 0, "keyword, not indexed", "", SeedSame, "ParseNetworkPacket"},
	{NameFrameLength, NoField, Stored, ArrowUint32, "integer", "network.bytes", SeedAbsent, "bytes on the wire"},
	{NameCapturedLength, NoField, Stored, ArrowUint32, "integer", "xcapa.frame.captured_length", SeedAbsent, "bytes held"},
	{NameHost, NoField, Shared, 0, "keyword", "observer.hostname", SeedAbsent, "name of the capture host"},
	{NameInterface, NoField, Shared, 0, "keyword", "observer.ingress.interface.name", SeedAbsent, "interface"},
	{NameQueue, NoField, Shared, 0, "short", "xcapa.queue", SeedAbsent, "RX queue"},
	{"capture_sequence", FieldSequence, Stored, ArrowUint64, "long", "event.sequence", SeedAbsent, "number of the frame on its queue; a hole is a loss"},
	{"link_type", FieldLinkType, Stored, ArrowUint16, "integer", "xcapa.link_type", SeedAbsent, "LINKTYPE number, only when not Ethernet (1)"},

	{"src_mac", packet.FieldSourceMAC, Stored, ArrowFixed6, "keyword", "source.mac", SeedAbsent, "Ethernet source address"},
	{"dst_mac", packet.FieldDestinationMAC, Stored, ArrowFixed6, "keyword", "destination.mac", SeedAbsent, "Ethernet destination address"},
	{"ethernet_type", packet.FieldEtherType, Stored, ArrowUint16, "integer", "xcapa.ethernet.type", SeedAbsent, "EtherType behind all tags"},
	{"vlan_id", packet.FieldVLANID, Stored, ArrowUint16, "integer", "network.vlan.id", SeedAbsent, "outermost tag: VID"},
	{"vlan_priority", packet.FieldVLANPriority, Stored, ArrowUint8, "integer", "xcapa.vlan.priority", SeedAbsent, "outermost tag: PCP"},
	{"vlan_inner_id", packet.FieldVLANInnerID, Stored, ArrowUint16, "integer", "network.inner.vlan.id", SeedAbsent, "innermost tag of two or more: VID"},
	{"vlan_inner_priority", packet.FieldVLANInnerPriority, Stored, ArrowUint8, "integer", "xcapa.vlan.inner_priority", SeedAbsent, "innermost tag of two or more: PCP"},

	{"arp_operation", packet.FieldARPOperation, Stored, ArrowUint16, "integer", "xcapa.arp.operation", SeedAbsent, "RFC 826, Ethernet/IPv4 only: 1 request, 2 reply"},
	{"arp_sender_mac", packet.FieldARPSenderMAC, Stored, ArrowFixed6, "keyword", "xcapa.arp.sender_mac", SeedAbsent, "RFC 826 sender hardware address"},
	{"arp_sender_ip", packet.FieldARPSenderIP, Stored, ArrowUint32, "ip", "xcapa.arp.sender_ip", SeedAbsent, "RFC 826 sender protocol address"},
	{"arp_target_mac", packet.FieldARPTargetMAC, Stored, ArrowFixed6, "keyword", "xcapa.arp.target_mac", SeedAbsent, "RFC 826 target hardware address"},
	{"arp_target_ip", packet.FieldARPTargetIP, Stored, ArrowUint32, "ip", "xcapa.arp.target_ip", SeedAbsent, "RFC 826 target protocol address"},

	{"ip_version", packet.FieldIPVersion, Stored, ArrowUint8, "short", "network.type", "4 only", "4 or 6"},
	{"ip_internet_header_length", packet.FieldIPHeaderLen, Stored, ArrowUint8, "short", "xcapa.ip.header_length", SeedSame, "IPv4: bytes, 20-60"},
	{"ip_type_of_service", packet.FieldTOS, Stored, ArrowUint8, "short", "xcapa.ip.tos", SeedSame, "TOS byte; IPv6 traffic class"},
	{"ip_datagram_total_length", packet.FieldTotalLength, Stored, ArrowUint32, "integer", "xcapa.ip.total_length", SeedSame, "IPv4 total length; IPv6: 40 + payload length; bytes"},
	{"ip_identification", packet.FieldIdentification, Stored, ArrowUint32, "long", "xcapa.ip.identification", SeedSame, "IPv4; IPv6 from the fragment header"},
	{"ip_flags", packet.FieldIPFlags, Stored, ArrowUint8, "short", "xcapa.ip.flags", SeedSame, "4 reserved, 2 DF, 1 MF; IPv6 fragment header: 1 M"},
	{"ip_fragment_offset", packet.FieldFragmentOffset, Stored, ArrowUint16, "integer", "xcapa.ip.fragment_offset", SeedSame, "units of 8 bytes"},
	{"ip_time_to_live", packet.FieldTTL, Stored, ArrowUint8, "short", "xcapa.ip.ttl", SeedSame, "TTL; IPv6 hop limit"},
	{"protocol", packet.FieldProtocol, Stored, ArrowUint8, "short", "network.iana_number, network.transport", SeedSame, "IANA number; IPv6: after the extension headers"},
	{"ip_checksum", packet.FieldHeaderChecksum, Stored, ArrowUint16, "integer", "xcapa.ip.checksum", SeedSame, "as on the wire, IPv4"},
	{"src_ip", packet.FieldSourceAddress, Stored, ArrowFixed16, "ip", "source.ip", "dotted quad", "source address; IPv6 in RFC 5952 form; Arrow: IPv4 as ::ffff:a.b.c.d"},
	{"dst_ip", packet.FieldDestinationAddress, Stored, ArrowFixed16, "ip", "destination.ip", "dotted quad", "destination address, as src_ip"},
	{"ip_options", packet.FieldIPOptions, Stored, ArrowBinary, "binary", "xcapa.ip.options", "all bytes", "option bytes up to End of Options"},
	{"ip_padding", packet.FieldIPPadding, Stored, ArrowBinary, "binary", "", SeedNever, "bytes behind End of Options, when any"},
	{"ipv6_flow_label", packet.FieldFlowLabel, Stored, ArrowUint32, "integer", "xcapa.ip.flow_label", SeedAbsent, "IPv6 flow label"},
	{"ipv6_next_header", packet.FieldNextHeader, Stored, ArrowUint8, "short", "xcapa.ip.next_header", SeedAbsent, "next header of the fixed header"},
	{"ipv6_extension_headers_length", packet.FieldExtensionHeaders, Stored, ArrowUint16, "integer", "xcapa.ip.extension_headers_length", SeedAbsent, "bytes of all extension headers walked; absent when none"},

	{"src_port", packet.FieldSourcePort, Stored, ArrowUint16, "integer", "source.port", "from anything", "TCP, UDP, SCTP, UDP-Lite, DCCP; never from a later fragment"},
	{"dest_port", packet.FieldDestinationPort, Stored, ArrowUint16, "integer", "destination.port", "from anything", "as src_port"},
	{"tcp_sequence_number", packet.FieldSequenceNumber, Stored, ArrowUint32, "long", "xcapa.tcp.sequence_number", "signed 32 bit", "unsigned"},
	{"tcp_acknowledgment_number", packet.FieldAcknowledgmentNumber, Stored, ArrowUint32, "long", "xcapa.tcp.acknowledgment_number", "signed 32 bit", "unsigned"},
	{"tcp_data_offset", packet.FieldDataOffset, Stored, ArrowUint8, "short", "xcapa.tcp.data_offset", SeedSame, "32-bit words, 5-15"},
	{"tcp_flags", packet.FieldTCPFlags, Stored, ArrowUint16, "integer", "xcapa.tcp.flags", "low 6 bits", "9 bits: NS 256, CWR, ECE, URG, ACK, PSH, RST, SYN, FIN 1"},
	{"tcp_window_size", packet.FieldWindow, Stored, ArrowUint16, "integer", "xcapa.tcp.window_size", SeedSame, "as on the wire, unscaled"},
	{"tcp_checksum", packet.FieldTCPChecksum, Stored, ArrowUint16, "integer", "xcapa.tcp.checksum", SeedSame, "as on the wire"},
	{"tcp_urgent_pointer", packet.FieldUrgentPointer, Stored, ArrowUint16, "integer", "xcapa.tcp.urgent_pointer", SeedSame, "as on the wire"},
	{"tcp_options", packet.FieldTCPOptions, Stored, ArrowBinary, "binary", "xcapa.tcp.options", "all bytes", "option bytes up to End of Options"},
	{"tcp_padding", packet.FieldTCPPadding, Stored, ArrowBinary, "binary", "", SeedNever, "bytes behind End of Options, when any"},
	{NameSegmentLength, NoField, Computed, 0, "integer", "xcapa.tcp.segment_length", "negative", "bytes, from the IP lengths; clamped at 0; with total length 0 from the frame"},
	{NameDataLength, NoField, Computed, 0, "integer", "source.bytes", "negative", "bytes, as the segment length, without the TCP header"},
	{"tcp_computed_src_ip", NoField, SeedOnly, 0, "ip", "", SeedSame, "copy of src_ip"},
	{"tcp_computed_dest_ip", NoField, SeedOnly, 0, "ip", "", SeedSame, "copy of dst_ip"},
	{"tcp_computed_reassembled_length", NoField, SeedOnly, 0, "integer", "", SeedSame, "0"},
	{"tcp_computed_relative_ack", NoField, SeedOnly, 0, "integer", "", SeedSame, "0"},
	{"tcp_computed_relative_seq", NoField, SeedOnly, 0, "integer", "", SeedSame, "0"},
	{"global_magic", NoField, SeedOnly, 0, "integer", "", SeedSame, "pcap magic as a signed integer"},

	{"udp_segment_total_length", packet.FieldUDPLength, Stored, ArrowUint16, "integer", "xcapa.udp.length", SeedSame, "as on the wire"},
	{"udp_checksum", packet.FieldUDPChecksum, Stored, ArrowUint16, "integer", "xcapa.udp.checksum", SeedSame, "as on the wire"},
	{"icmp_type", packet.FieldICMPType, Stored, ArrowUint8, "short", "xcapa.icmp.type", SeedAbsent, "ICMP and ICMPv6"},
	{"icmp_code", packet.FieldICMPCode, Stored, ArrowUint8, "short", "xcapa.icmp.code", SeedAbsent, "ICMP and ICMPv6"},
	{"icmp_checksum", packet.FieldICMPChecksum, Stored, ArrowUint16, "integer", "xcapa.icmp.checksum", SeedAbsent, "as on the wire"},
	{"ip_checksum_status", packet.FieldIPChecksumStatus, Stored, ArrowUint8, "keyword", "xcapa.ip.checksum_status", SeedAbsent, "good, bad, partial (offloaded), none; only with --verify-checksums"},
	{"transport_checksum_status", packet.FieldTransportChecksumStatus, Stored, ArrowUint8, "keyword", "xcapa.transport.checksum_status", SeedAbsent, "as ip_checksum_status"},
	{NameCommunityID, NoField, Computed, 0, "keyword", "network.community_id", SeedAbsent, "Community ID 1.0, only with --community-id"},
	{"decode_status", packet.FieldStatus, Stored, ArrowUint8, "keyword", "error.code", SeedAbsent, "absent when every header was whole; else one code"},
	{NameErrors, NoField, Computed, 0, "text, not indexed", "error.message", "its own two texts", "one `code: what, where, how many bytes` for a status of class error"},

	// Blocks only: where a row of a raw topic or file came from. Documents carry
	// it in their record_id.
	{"source_offset", FieldSourceOffset, Stored, ArrowInt64, "", "", SeedAbsent, "offset of the raw message; null for captured packets"},
	{"source_row", FieldSourceRow, Stored, ArrowUint32, "", "", SeedAbsent, "number of the packet in a raw message of several; else null"},
}
