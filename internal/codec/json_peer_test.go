package codec

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// peerDocument is the document as encoding/json writes it: what AppendJSON is
// compared with, for its bytes and for its cost. Pointers, because a field that
// is 0 and one that is absent differ.
type peerDocument struct {
	Timestamp   string `json:"@timestamp"`
	ID          string `json:"record_id"`
	Time        int64  `json:"record_time"`
	Nanos       int64  `json:"packet_timestamp_in_nanos"`
	Type        string `json:"record_type"`
	Processor   string `json:"processor_name"`
	FrameLength uint32 `json:"frame_length"`
	CapLength   uint32 `json:"frame_captured_length"`
	Host        string `json:"capture_host,omitempty"`
	Interface   string `json:"capture_interface,omitempty"`
	Queue       *int   `json:"capture_queue,omitempty"`

	Sequence          *uint64 `json:"capture_sequence,omitempty"`
	LinkType          *uint16 `json:"link_type,omitempty"`
	SourceMAC         string  `json:"src_mac,omitempty"`
	DestinationMAC    string  `json:"dst_mac,omitempty"`
	EtherType         *uint16 `json:"ethernet_type,omitempty"`
	VLANID            *uint16 `json:"vlan_id,omitempty"`
	VLANPriority      *uint8  `json:"vlan_priority,omitempty"`
	VLANInnerID       *uint16 `json:"vlan_inner_id,omitempty"`
	VLANInnerPriority *uint8  `json:"vlan_inner_priority,omitempty"`
	ARPOperation      *uint16 `json:"arp_operation,omitempty"`
	ARPSenderMAC      string  `json:"arp_sender_mac,omitempty"`
	ARPSenderIP       string  `json:"arp_sender_ip,omitempty"`
	ARPTargetMAC      string  `json:"arp_target_mac,omitempty"`
	ARPTargetIP       string  `json:"arp_target_ip,omitempty"`

	IPVersion        *uint8  `json:"ip_version,omitempty"`
	IPHeaderLen      *uint8  `json:"ip_internet_header_length,omitempty"`
	TOS              *uint8  `json:"ip_type_of_service,omitempty"`
	TotalLength      *uint32 `json:"ip_datagram_total_length,omitempty"`
	Identification   *uint32 `json:"ip_identification,omitempty"`
	IPFlags          *uint8  `json:"ip_flags,omitempty"`
	FragmentOffset   *uint16 `json:"ip_fragment_offset,omitempty"`
	TTL              *uint8  `json:"ip_time_to_live,omitempty"`
	Protocol         *uint8  `json:"protocol,omitempty"`
	HeaderChecksum   *uint16 `json:"ip_checksum,omitempty"`
	SourceIP         string  `json:"src_ip,omitempty"`
	DestinationIP    string  `json:"dst_ip,omitempty"`
	IPOptions        *[]byte `json:"ip_options,omitempty"`
	IPPadding        *[]byte `json:"ip_padding,omitempty"`
	FlowLabel        *uint32 `json:"ipv6_flow_label,omitempty"`
	NextHeader       *uint8  `json:"ipv6_next_header,omitempty"`
	ExtensionHeaders *uint16 `json:"ipv6_extension_headers_length,omitempty"`

	SourcePort      *uint16 `json:"src_port,omitempty"`
	DestinationPort *uint16 `json:"dest_port,omitempty"`
	SequenceNumber  *uint32 `json:"tcp_sequence_number,omitempty"`
	Acknowledgment  *uint32 `json:"tcp_acknowledgment_number,omitempty"`
	DataOffset      *uint8  `json:"tcp_data_offset,omitempty"`
	TCPFlags        *uint16 `json:"tcp_flags,omitempty"`
	Window          *uint16 `json:"tcp_window_size,omitempty"`
	TCPChecksum     *uint16 `json:"tcp_checksum,omitempty"`
	UrgentPointer   *uint16 `json:"tcp_urgent_pointer,omitempty"`
	TCPOptions      *[]byte `json:"tcp_options,omitempty"`
	TCPPadding      *[]byte `json:"tcp_padding,omitempty"`
	SegmentLength   *uint32 `json:"tcp_computed_segment_total_length,omitempty"`
	DataLength      *uint32 `json:"tcp_computed_data_length,omitempty"`

	UDPLength    *uint16 `json:"udp_segment_total_length,omitempty"`
	UDPChecksum  *uint16 `json:"udp_checksum,omitempty"`
	ICMPType     *uint8  `json:"icmp_type,omitempty"`
	ICMPCode     *uint8  `json:"icmp_code,omitempty"`
	ICMPChecksum *uint16 `json:"icmp_checksum,omitempty"`

	IPChecksumStatus        string   `json:"ip_checksum_status,omitempty"`
	TransportChecksumStatus string   `json:"transport_checksum_status,omitempty"`
	Status                  string   `json:"decode_status,omitempty"`
	Errors                  []string `json:"record_errors,omitempty"`
}

// pick is p if the record has field f.
func pick[T any](r *record.Record, f packet.Field, p *T) *T {
	if r.Present.Has(f) {
		return p
	}
	return nil
}

func peerAddress(a [16]byte, version uint8) string {
	addr := netip.AddrFrom16(a)
	if version == 4 {
		addr = addr.Unmap()
	}
	return addr.String()
}

func peerIPv4(v uint32) string {
	return net.IPv4(byte(v>>24), byte(v>>16), byte(v>>8), byte(v)).String()
}

// peerJSON is the same document by encoding/json and the standard library's
// text forms of addresses and times.
func peerJSON(r *record.Record, o *record.Origin) ([]byte, error) {
	has := r.Present.Has
	d := peerDocument{
		Timestamp:   time.Unix(0, r.TimestampNanos).UTC().Format("2006-01-02T15:04:05.000000000Z"),
		ID:          string(record.AppendID(nil, r, o)),
		Time:        time.Unix(0, r.TimestampNanos).UnixMilli(),
		Nanos:       r.TimestampNanos,
		Type:        "pcap_packet",
		Processor:   "ParseNetworkPacket",
		FrameLength: r.OrigLen,
		CapLength:   r.CapLen,
		Host:        o.Host,

		Sequence:          pick(r, record.FieldSequence, &r.Sequence),
		LinkType:          pick(r, record.FieldLinkType, &r.LinkType),
		EtherType:         pick(r, packet.FieldEtherType, &r.EtherType),
		VLANID:            pick(r, packet.FieldVLANID, &r.VLANID),
		VLANPriority:      pick(r, packet.FieldVLANPriority, &r.VLANPriority),
		VLANInnerID:       pick(r, packet.FieldVLANInnerID, &r.VLANInnerID),
		VLANInnerPriority: pick(r, packet.FieldVLANInnerPriority, &r.VLANInnerPriority),
		ARPOperation:      pick(r, packet.FieldARPOperation, &r.ARPOperation),
		IPVersion:         pick(r, packet.FieldIPVersion, &r.IPVersion),
		IPHeaderLen:       pick(r, packet.FieldIPHeaderLen, &r.IPHeaderLen),
		TOS:               pick(r, packet.FieldTOS, &r.TOS),
		TotalLength:       pick(r, packet.FieldTotalLength, &r.TotalLength),
		Identification:    pick(r, packet.FieldIdentification, &r.Identification),
		IPFlags:           pick(r, packet.FieldIPFlags, &r.IPFlags),
		FragmentOffset:    pick(r, packet.FieldFragmentOffset, &r.FragmentOffset),
		TTL:               pick(r, packet.FieldTTL, &r.TTL),
		Protocol:          pick(r, packet.FieldProtocol, &r.Protocol),
		HeaderChecksum:    pick(r, packet.FieldHeaderChecksum, &r.HeaderChecksum),
		IPOptions:         pick(r, packet.FieldIPOptions, &r.IPOptions),
		IPPadding:         pick(r, packet.FieldIPPadding, &r.IPPadding),
		FlowLabel:         pick(r, packet.FieldFlowLabel, &r.FlowLabel),
		NextHeader:        pick(r, packet.FieldNextHeader, &r.NextHeader),
		ExtensionHeaders:  pick(r, packet.FieldExtensionHeaders, &r.ExtensionHeaders),
		SourcePort:        pick(r, packet.FieldSourcePort, &r.SourcePort),
		DestinationPort:   pick(r, packet.FieldDestinationPort, &r.DestinationPort),
		SequenceNumber:    pick(r, packet.FieldSequenceNumber, &r.SequenceNumber),
		Acknowledgment:    pick(r, packet.FieldAcknowledgmentNumber, &r.AcknowledgmentNumber),
		DataOffset:        pick(r, packet.FieldDataOffset, &r.DataOffset),
		TCPFlags:          pick(r, packet.FieldTCPFlags, &r.TCPFlags),
		Window:            pick(r, packet.FieldWindow, &r.Window),
		TCPChecksum:       pick(r, packet.FieldTCPChecksum, &r.TCPChecksum),
		UrgentPointer:     pick(r, packet.FieldUrgentPointer, &r.UrgentPointer),
		TCPOptions:        pick(r, packet.FieldTCPOptions, &r.TCPOptions),
		TCPPadding:        pick(r, packet.FieldTCPPadding, &r.TCPPadding),
		UDPLength:         pick(r, packet.FieldUDPLength, &r.UDPLength),
		UDPChecksum:       pick(r, packet.FieldUDPChecksum, &r.UDPChecksum),
		ICMPType:          pick(r, packet.FieldICMPType, &r.ICMPType),
		ICMPCode:          pick(r, packet.FieldICMPCode, &r.ICMPCode),
		ICMPChecksum:      pick(r, packet.FieldICMPChecksum, &r.ICMPChecksum),
	}
	if o.Source == "" {
		d.Interface, d.Queue = o.Interface, &o.Queue
	}
	if has(packet.FieldSourceMAC) {
		d.SourceMAC = net.HardwareAddr(r.SourceMAC[:]).String()
	}
	if has(packet.FieldDestinationMAC) {
		d.DestinationMAC = net.HardwareAddr(r.DestinationMAC[:]).String()
	}
	if has(packet.FieldARPSenderMAC) {
		d.ARPSenderMAC = net.HardwareAddr(r.ARPSenderMAC[:]).String()
	}
	if has(packet.FieldARPTargetMAC) {
		d.ARPTargetMAC = net.HardwareAddr(r.ARPTargetMAC[:]).String()
	}
	if has(packet.FieldARPSenderIP) {
		d.ARPSenderIP = peerIPv4(r.ARPSenderIP)
	}
	if has(packet.FieldARPTargetIP) {
		d.ARPTargetIP = peerIPv4(r.ARPTargetIP)
	}
	if has(packet.FieldSourceAddress) {
		d.SourceIP = peerAddress(r.SourceAddress, r.IPVersion)
	}
	if has(packet.FieldDestinationAddress) {
		d.DestinationIP = peerAddress(r.DestinationAddress, r.IPVersion)
	}
	if _, _, ok := TCPLengths(r); ok {
		segment, data := r.TCPSegmentLen(r.OrigLen), r.TCPDataLen(r.OrigLen)
		d.SegmentLength, d.DataLength = &segment, &data
	}
	if has(packet.FieldIPChecksumStatus) {
		d.IPChecksumStatus = r.IPChecksumStatus.String()
	}
	if has(packet.FieldTransportChecksumStatus) {
		d.TransportChecksumStatus = r.TransportChecksumStatus.String()
	}
	if has(packet.FieldStatus) {
		d.Status = r.Status.String()
		if r.Status.IsError() {
			d.Errors = []string{string(record.AppendErrorText(nil, r))}
		}
	}
	return json.Marshal(&d)
}

// peerEqual compares documents after undoing what encoding/json writes in other
// words: escapes for the sake of HTML, short escapes, the escaped U+FFFD.
func peerEqual(ours, peer []byte) bool {
	undo := strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">", `\ufffd`, "\ufffd", `\n`, `\u000a`)
	return string(ours) == undo.Replace(string(peer))
}
