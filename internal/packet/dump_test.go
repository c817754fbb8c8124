package packet

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// shown prints one field of a Packet for tests.
type shown struct {
	name string
	show func(p *Packet) string
}

func number[T uint8 | uint16 | uint32](get func(p *Packet) T) func(p *Packet) string {
	return func(p *Packet) string { return fmt.Sprint(get(p)) }
}

func bytesOf(get func(p *Packet) []byte) func(p *Packet) string {
	return func(p *Packet) string { return hex.EncodeToString(get(p)) }
}

func address(get func(p *Packet) [16]byte) func(p *Packet) string {
	return func(p *Packet) string { return netip.AddrFrom16(get(p)).Unmap().String() }
}

func ipv4Number(get func(p *Packet) uint32) func(p *Packet) string {
	return func(p *Packet) string {
		v := get(p)
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).String()
	}
}

var shownFields = [NumFields]shown{
	FieldSourceMAC:               {"src", func(p *Packet) string { return hex.EncodeToString(p.SourceMAC[:]) }},
	FieldDestinationMAC:          {"dst", func(p *Packet) string { return hex.EncodeToString(p.DestinationMAC[:]) }},
	FieldEtherType:               {"type", func(p *Packet) string { return fmt.Sprintf("%04x", p.EtherType) }},
	FieldVLANID:                  {"vlan", number(func(p *Packet) uint16 { return p.VLANID })},
	FieldVLANPriority:            {"pcp", number(func(p *Packet) uint8 { return p.VLANPriority })},
	FieldVLANInnerID:             {"inner", number(func(p *Packet) uint16 { return p.VLANInnerID })},
	FieldVLANInnerPriority:       {"innerpcp", number(func(p *Packet) uint8 { return p.VLANInnerPriority })},
	FieldARPOperation:            {"op", number(func(p *Packet) uint16 { return p.ARPOperation })},
	FieldARPSenderMAC:            {"sha", func(p *Packet) string { return hex.EncodeToString(p.ARPSenderMAC[:]) }},
	FieldARPSenderIP:             {"spa", ipv4Number(func(p *Packet) uint32 { return p.ARPSenderIP })},
	FieldARPTargetMAC:            {"tha", func(p *Packet) string { return hex.EncodeToString(p.ARPTargetMAC[:]) }},
	FieldARPTargetIP:             {"tpa", ipv4Number(func(p *Packet) uint32 { return p.ARPTargetIP })},
	FieldIPVersion:               {"ip", number(func(p *Packet) uint8 { return p.IPVersion })},
	FieldIPHeaderLen:             {"hlen", number(func(p *Packet) uint8 { return p.IPHeaderLen })},
	FieldTOS:                     {"tos", number(func(p *Packet) uint8 { return p.TOS })},
	FieldTotalLength:             {"len", number(func(p *Packet) uint32 { return p.TotalLength })},
	FieldIdentification:          {"id", number(func(p *Packet) uint32 { return p.Identification })},
	FieldIPFlags:                 {"ipflags", number(func(p *Packet) uint8 { return p.IPFlags })},
	FieldFragmentOffset:          {"frag", number(func(p *Packet) uint16 { return p.FragmentOffset })},
	FieldTTL:                     {"ttl", number(func(p *Packet) uint8 { return p.TTL })},
	FieldProtocol:                {"proto", number(func(p *Packet) uint8 { return p.Protocol })},
	FieldHeaderChecksum:          {"sum", number(func(p *Packet) uint16 { return p.HeaderChecksum })},
	FieldSourceAddress:           {"from", address(func(p *Packet) [16]byte { return p.SourceAddress })},
	FieldDestinationAddress:      {"to", address(func(p *Packet) [16]byte { return p.DestinationAddress })},
	FieldFlowLabel:               {"flow", number(func(p *Packet) uint32 { return p.FlowLabel })},
	FieldNextHeader:              {"next", number(func(p *Packet) uint8 { return p.NextHeader })},
	FieldExtensionHeaders:        {"ext", number(func(p *Packet) uint16 { return p.ExtensionHeaders })},
	FieldSourcePort:              {"sport", number(func(p *Packet) uint16 { return p.SourcePort })},
	FieldDestinationPort:         {"dport", number(func(p *Packet) uint16 { return p.DestinationPort })},
	FieldSequenceNumber:          {"seq", number(func(p *Packet) uint32 { return p.SequenceNumber })},
	FieldAcknowledgmentNumber:    {"ack", number(func(p *Packet) uint32 { return p.AcknowledgmentNumber })},
	FieldDataOffset:              {"doff", number(func(p *Packet) uint8 { return p.DataOffset })},
	FieldTCPFlags:                {"flags", number(func(p *Packet) uint16 { return p.TCPFlags })},
	FieldWindow:                  {"win", number(func(p *Packet) uint16 { return p.Window })},
	FieldTCPChecksum:             {"tcpsum", number(func(p *Packet) uint16 { return p.TCPChecksum })},
	FieldUrgentPointer:           {"urg", number(func(p *Packet) uint16 { return p.UrgentPointer })},
	FieldUDPLength:               {"udplen", number(func(p *Packet) uint16 { return p.UDPLength })},
	FieldUDPChecksum:             {"udpsum", number(func(p *Packet) uint16 { return p.UDPChecksum })},
	FieldICMPType:                {"icmp", number(func(p *Packet) uint8 { return p.ICMPType })},
	FieldICMPCode:                {"code", number(func(p *Packet) uint8 { return p.ICMPCode })},
	FieldICMPChecksum:            {"icmpsum", number(func(p *Packet) uint16 { return p.ICMPChecksum })},
	FieldIPChecksumStatus:        {"ipcheck", func(p *Packet) string { return p.IPChecksumStatus.String() }},
	FieldTransportChecksumStatus: {"check", func(p *Packet) string { return p.TransportChecksumStatus.String() }},
	FieldStatus: {"status", func(p *Packet) string {
		return fmt.Sprintf("%s/%s@%d(%d,%d)", p.Status, p.StatusLayer, p.StatusOffset, p.StatusNeed, p.StatusHave)
	}},
	FieldIPOptions:  {"ipopt", bytesOf(func(p *Packet) []byte { return p.IPOptions })},
	FieldIPPadding:  {"ippad", bytesOf(func(p *Packet) []byte { return p.IPPadding })},
	FieldTCPOptions: {"tcpopt", bytesOf(func(p *Packet) []byte { return p.TCPOptions })},
	FieldTCPPadding: {"tcppad", bytesOf(func(p *Packet) []byte { return p.TCPPadding })},
}

// dump prints every field that is present, in the order of Field, and where the
// headers start: all that Decode says of a frame.
func dump(p *Packet) string {
	var words []string
	for f := range NumFields {
		if p.Present.Has(f) {
			words = append(words, shownFields[f].name+"="+shownFields[f].show(p))
		}
	}
	if (p.Status != StatusWhole) != p.Present.Has(FieldStatus) {
		words = append(words, fmt.Sprintf("FieldStatus and Status %d disagree", p.Status))
	}
	if p.Present>>NumFields != 0 {
		words = append(words, fmt.Sprintf("unknown bits %#x", p.Present>>NumFields<<NumFields))
	}
	words = append(words, fmt.Sprintf("at=%d,%d", p.NetworkOffset, p.TransportOffset))
	return strings.Join(words, " ")
}

// checkDump compares what Decode said with the wanted dump, in which white space
// is free.
func checkDump(t *testing.T, p *Packet, want string, frame []byte) {
	t.Helper()
	got, wanted := strings.Fields(dump(p)), strings.Fields(want)
	for i := range max(len(got), len(wanted)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(wanted) {
			w = wanted[i]
		}
		if g != w {
			t.Errorf("got %s, want %s\n got: %s\nwant: %s\nframe %x", g, w, strings.Join(got, " "), strings.Join(wanted, " "), frame)
			return
		}
	}
}

func TestShownFieldsAreComplete(t *testing.T) {
	names := map[string]Field{}
	for f := range NumFields {
		name := shownFields[f].name
		if name == "" {
			t.Errorf("field %d has no name", f)
		}
		if other, ok := names[name]; ok {
			t.Errorf("fields %d and %d are both called %s", f, other, name)
		}
		names[name] = f
	}
}
