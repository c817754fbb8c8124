// Package line writes one packet as one line for people, in tcpdump's manner.
//
// In: a record. Out: text appended to the caller's buffer, without allocation.
//
// Non-obvious: everything is numeric; a field that the frame did not hold is
// left out, and a frame that could not be decoded says why at the end of its
// line in brackets.
package line

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// TimeFormat is what stands in front of a line, as tcpdump's repeated -t.
type TimeFormat int

// The formats of -t (none) to -ttttt; the default is the time of day.
const (
	TimeOfDay    TimeFormat = iota // 12:59:14.996790
	TimeNone                       // -t
	TimeEpoch                      // -tt: seconds since 1970
	TimeDelta                      // -ttt: since the line before
	TimeDate                       // -tttt: date and time of day
	TimeSinceOne                   // -ttttt: since the first line
)

// Printer formats the lines of one output; it is not safe for several
// goroutines.
type Printer struct {
	Time     TimeFormat
	Ethernet bool           // -e: link-layer header
	Verbose  int            // -v: TTL, id, flags, checksums
	Quiet    bool           // -q: protocol and length only
	Nanos    bool           // nine digits instead of six
	Zone     *time.Location // nil: local

	first, last int64
}

// Append adds the line for r to dst, with its newline.
func (p *Printer) Append(dst []byte, r *record.Record) []byte {
	dst = p.appendTime(dst, r.TimestampNanos)
	if p.Ethernet {
		dst = appendEthernet(dst, r)
	}
	dst = appendVLAN(dst, r, p.Ethernet)
	switch {
	case r.Present.Has(packet.FieldARPOperation):
		dst = appendARP(dst, r)
	case r.Present.Has(packet.FieldSourceAddress), r.Present.Has(packet.FieldIPVersion):
		dst = p.appendIP(dst, r)
	default:
		dst = appendOther(dst, r)
	}
	if r.Status != packet.StatusWhole {
		dst = append(dst, " ["...)
		if r.Status.IsError() {
			dst = record.AppendErrorText(dst, r)
		} else {
			dst = append(dst, r.Status.String()...)
		}
		dst = append(dst, ']')
	}
	return append(dst, '\n')
}

func (p *Printer) appendTime(dst []byte, nanos int64) []byte {
	if p.first == 0 {
		p.first, p.last = nanos, nanos
	}
	zone := p.Zone
	if zone == nil {
		zone = time.Local
	}
	layout := "15:04:05.000000"
	switch p.Time {
	case TimeNone:
		return dst
	case TimeEpoch:
		dst = strconv.AppendInt(dst, nanos/1e9, 10)
		dst = p.appendFraction(dst, nanos)
		return append(dst, ' ')
	case TimeDelta, TimeSinceOne:
		from := p.first
		if p.Time == TimeDelta {
			from, p.last = p.last, nanos
		}
		return p.appendSince(dst, nanos-from)
	case TimeDate:
		layout = "2006-01-02 15:04:05.000000"
	}
	if p.Nanos {
		layout += "000"
	}
	dst = time.Unix(0, nanos).In(zone).AppendFormat(dst, layout)
	return append(dst, ' ')
}

func (p *Printer) appendSince(dst []byte, d int64) []byte {
	if d < 0 {
		dst, d = append(dst, '-'), -d
	}
	s := d / 1e9
	for i, v := range [3]int64{s / 3600, s / 60 % 60, s % 60} {
		if i > 0 {
			dst = append(dst, ':')
		}
		if v < 10 {
			dst = append(dst, '0')
		}
		dst = strconv.AppendInt(dst, v, 10)
	}
	dst = p.appendFraction(dst, d)
	return append(dst, ' ')
}

// appendFraction adds the part of nanos below a second with its point.
func (p *Printer) appendFraction(dst []byte, nanos int64) []byte {
	f, digits := nanos%1e9, 9
	if f < 0 {
		f = -f
	}
	if !p.Nanos {
		f, digits = f/1000, 6
	}
	dst = append(dst, '.')
	for range digits {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; f > 0; i-- {
		dst[i] = byte('0' + f%10)
		f /= 10
	}
	return dst
}

func appendEthernet(dst []byte, r *record.Record) []byte {
	if !r.Present.Has(packet.FieldDestinationMAC) {
		return dst
	}
	dst = appendMAC(dst, r.SourceMAC)
	dst = append(dst, " > "...)
	dst = appendMAC(dst, r.DestinationMAC)
	if r.Present.Has(packet.FieldEtherType) {
		dst = appendEtherType(append(dst, ", "...), r.EtherType)
	}
	dst = append(dst, ", length "...)
	dst = strconv.AppendUint(dst, uint64(r.OrigLen), 10)
	return append(dst, ": "...)
}

// The EtherTypes with names (IEEE Registration Authority).
const (
	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806
	etherTypeIPv6 = 0x86dd
)

// appendEtherType names the types that have lines of their own.
func appendEtherType(dst []byte, t uint16) []byte {
	name := ""
	switch t {
	case etherTypeIPv4:
		name = "IPv4"
	case etherTypeIPv6:
		name = "IPv6"
	case etherTypeARP:
		name = "ARP"
	}
	dst = append(dst, "ethertype "...)
	if name == "" {
		return appendHex16(append(dst, "0x"...), t)
	}
	dst = append(append(dst, name...), " (0x"...)
	return append(appendHex16(dst, t), ')')
}

func appendVLAN(dst []byte, r *record.Record, always bool) []byte {
	if !r.Present.Has(packet.FieldVLANID) || !always {
		return dst
	}
	dst = append(dst, "vlan "...)
	dst = strconv.AppendUint(dst, uint64(r.VLANID), 10)
	dst = append(dst, ", p "...)
	dst = strconv.AppendUint(dst, uint64(r.VLANPriority), 10)
	dst = append(dst, ", "...)
	if r.Present.Has(packet.FieldVLANInnerID) {
		dst = append(dst, "vlan "...)
		dst = strconv.AppendUint(dst, uint64(r.VLANInnerID), 10)
		dst = append(dst, ", p "...)
		dst = strconv.AppendUint(dst, uint64(r.VLANInnerPriority), 10)
		dst = append(dst, ", "...)
	}
	return dst
}

// The operations of RFC 826.
const (
	arpRequest = 1
	arpReply   = 2
)

func appendARP(dst []byte, r *record.Record) []byte {
	dst = append(dst, "ARP, "...)
	switch {
	case r.ARPOperation == arpRequest && r.Present.Has(packet.FieldARPTargetIP):
		dst = append(dst, "Request who-has "...)
		dst = appendIPv4(dst, r.ARPTargetIP)
		dst = append(dst, " tell "...)
		dst = appendIPv4(dst, r.ARPSenderIP)
	case r.ARPOperation == arpReply && r.Present.Has(packet.FieldARPSenderIP):
		dst = append(dst, "Reply "...)
		dst = appendIPv4(dst, r.ARPSenderIP)
		dst = append(dst, " is-at "...)
		dst = appendMAC(dst, r.ARPSenderMAC)
	default:
		dst = append(dst, "operation "...)
		dst = strconv.AppendUint(dst, uint64(r.ARPOperation), 10)
	}
	return appendLength(dst, uint64(r.OrigLen)-uint64(min(r.OrigLen, 14)))
}

func appendOther(dst []byte, r *record.Record) []byte {
	switch {
	case r.Present.Has(packet.FieldEtherType):
		dst = append(dst, "ethertype 0x"...)
		dst = appendHex16(dst, r.EtherType)
	case r.LinkType != packet.LinkTypeEthernet:
		dst = append(dst, "link type "...)
		dst = strconv.AppendUint(dst, uint64(r.LinkType), 10)
	default:
		dst = append(dst, "frame"...)
	}
	return appendLength(dst, uint64(r.OrigLen))
}

func (p *Printer) appendIP(dst []byte, r *record.Record) []byte {
	switch {
	case p.Ethernet && r.Present.Has(packet.FieldEtherType): // says it already
	case r.IPVersion == 6:
		dst = append(dst, "IP6 "...)
	default:
		dst = append(dst, "IP "...)
	}
	if p.Verbose > 0 {
		dst = appendIPDetails(dst, r)
	}
	ports := r.Present.Has(packet.FieldSourcePort)
	if r.Present.Has(packet.FieldSourceAddress) {
		dst = appendEndpoint(dst, r.SourceAddress, r.SourcePort, ports)
	}
	if r.Present.Has(packet.FieldDestinationAddress) {
		dst = append(dst, " > "...)
		dst = appendEndpoint(dst, r.DestinationAddress, r.DestinationPort, ports && r.Present.Has(packet.FieldDestinationPort))
	}
	dst = append(dst, ": "...)
	return p.appendTransport(dst, r)
}

// appendIPDetails adds what the IP header says beside the addresses, as far as
// the frame holds it.
func appendIPDetails(dst []byte, r *record.Record) []byte {
	dst = append(dst, '(')
	start := len(dst)
	has := func(f packet.Field) bool { return r.Present.Has(f) }
	ttl := "ttl "
	if r.IPVersion == 6 {
		ttl = "hlim "
	}
	if has(packet.FieldTOS) && r.IPVersion == 4 {
		dst = strconv.AppendUint(append(dst, "tos 0x"...), uint64(r.TOS), 16)
	} else if has(packet.FieldTOS) && r.TOS != 0 {
		dst = strconv.AppendUint(append(dst, "class 0x"...), uint64(r.TOS), 16)
	}
	if has(packet.FieldFlowLabel) && r.FlowLabel != 0 {
		dst = appendHex20(append(comma(dst, start), "flowlabel 0x"...), r.FlowLabel)
	}
	if has(packet.FieldTTL) {
		dst = appendCount(comma(dst, start), ttl, uint64(r.TTL))
	}
	if has(packet.FieldIdentification) {
		dst = appendCount(comma(dst, start), "id ", uint64(r.Identification))
	}
	if has(packet.FieldFragmentOffset) {
		dst = appendCount(comma(dst, start), "offset ", uint64(r.FragmentOffset)*8) // bytes, as tcpdump
	}
	if has(packet.FieldIPFlags) {
		dst = appendIPFlags(append(comma(dst, start), "flags "...), r.IPFlags)
	}
	if has(packet.FieldProtocol) {
		dst = appendProtocol(append(comma(dst, start), "proto "...), r.Protocol)
	}
	if has(packet.FieldTotalLength) {
		dst = appendCount(comma(dst, start), "length ", uint64(r.TotalLength))
	}
	return append(dst, ") "...)
}

// comma separates what comes from what there is since start.
func comma(dst []byte, start int) []byte {
	if len(dst) == start {
		return dst
	}
	return append(dst, ", "...)
}

func appendCount(dst []byte, name string, n uint64) []byte {
	return strconv.AppendUint(append(dst, name...), n, 10)
}

// appendIPFlags adds the three flags of RFC 791 3.1 in tcpdump's words: more
// fragments is "+", the reserved bit "rb".
func appendIPFlags(dst []byte, flags uint8) []byte {
	dst = append(dst, '[')
	start := len(dst)
	for _, f := range [...]struct {
		bit  uint8
		name string
	}{{1, "+"}, {2, "DF"}, {4, "rb"}} {
		if flags&f.bit == 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ", "...)
		}
		dst = append(dst, f.name...)
	}
	if len(dst) == start {
		dst = append(dst, "none"...)
	}
	return append(dst, ']')
}

// appendProtocol adds an IANA protocol number with its name.
func appendProtocol(dst []byte, p uint8) []byte {
	name := "unknown"
	switch p {
	case protoICMP:
		name = "ICMP"
	case protoTCP:
		name = "TCP"
	case protoUDP:
		name = "UDP"
	case protoICMPv6:
		name = "ICMPv6"
	case protoSCTP:
		name = "SCTP"
	}
	dst = append(append(dst, name...), " ("...)
	return append(strconv.AppendUint(dst, uint64(p), 10), ')')
}

// The IANA protocol numbers with a line of their own.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

func (p *Printer) appendTransport(dst []byte, r *record.Record) []byte {
	switch {
	case r.Present.Has(packet.FieldTCPFlags) && p.Quiet:
		dst = append(dst, "tcp "...)
		return strconv.AppendUint(dst, uint64(r.TCPDataLen(r.OrigLen)), 10)
	case r.Present.Has(packet.FieldTCPFlags):
		return p.appendTCP(dst, r)
	case r.Present.Has(packet.FieldUDPLength):
		return appendLength(append(dst, "UDP"...), uint64(r.UDPLength)-uint64(min(r.UDPLength, 8)))
	case r.Present.Has(packet.FieldICMPType):
		dst = appendICMP(dst, r)
	case !r.Present.Has(packet.FieldProtocol): // the header ends before it
	case r.Protocol == protoTCP:
		dst = append(dst, "tcp"...)
	case r.Protocol == protoUDP:
		dst = append(dst, "udp"...)
	case r.Protocol == protoSCTP:
		dst = append(dst, "sctp"...)
	case r.Protocol == protoICMP:
		dst = append(dst, "icmp"...)
	default:
		dst = append(dst, "ip-proto-"...)
		dst = strconv.AppendUint(dst, uint64(r.Protocol), 10)
	}
	return appendPayloadLength(dst, r)
}

// appendPayloadLength adds the length of what follows the IP headers, in bytes,
// where they say it.
func appendPayloadLength(dst []byte, r *record.Record) []byte {
	if !r.Present.Has(packet.FieldTotalLength) {
		return dst
	}
	header := uint64(0)
	switch {
	case r.IPVersion == 6:
		header = 40
		if r.Present.Has(packet.FieldExtensionHeaders) {
			header += uint64(r.ExtensionHeaders)
		}
	case r.Present.Has(packet.FieldIPHeaderLen):
		header = uint64(r.IPHeaderLen)
	}
	return appendLength(dst, uint64(r.TotalLength)-min(header, uint64(r.TotalLength)))
}

// icmpNames are the types that people look for, by tcpdump's names.
var icmpNames = map[uint8]string{0: "echo reply", 8: "echo request"}

var icmp6Names = map[uint8]string{
	128: "echo request", 129: "echo reply", 133: "router solicitation", 134: "router advertisement",
	135: "neighbor solicitation", 136: "neighbor advertisement",
}

func appendICMP(dst []byte, r *record.Record) []byte {
	family, names := "ICMP ", icmpNames
	if r.Protocol == protoICMPv6 {
		family, names = "ICMP6, ", icmp6Names
	}
	dst = append(dst, family...)
	if name := names[r.ICMPType]; name != "" {
		return append(dst, name...)
	}
	dst = appendCount(dst, "type ", uint64(r.ICMPType))
	return appendCount(dst, " code ", uint64(r.ICMPCode))
}

// tcpFlagLetters are tcpdump's, lowest bit first: FIN SYN RST PSH ACK URG ECE
// CWR NS.
const tcpFlagLetters = "FSRP.UEWe"

// tcpNumbered are the flags whose segments show a sequence number even without
// data: FIN, SYN, RST.
const tcpNumbered = 1 | 2 | 4

func (p *Printer) appendTCP(dst []byte, r *record.Record) []byte {
	dst = appendTCPFlags(append(dst, "Flags "...), r.TCPFlags)
	if p.Verbose > 0 && r.Present.Has(packet.FieldTCPChecksum) {
		dst = append(dst, ", cksum 0x"...)
		dst = appendHex16(dst, r.TCPChecksum)
	}
	data := uint64(r.TCPDataLen(r.OrigLen))
	if data > 0 || r.TCPFlags&tcpNumbered != 0 {
		dst = appendCount(dst, ", seq ", uint64(r.SequenceNumber))
	}
	if data > 0 {
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(r.SequenceNumber+uint32(data)), 10)
	}
	if r.TCPFlags&16 != 0 {
		dst = append(dst, ", ack "...)
		dst = strconv.AppendUint(dst, uint64(r.AcknowledgmentNumber), 10)
	}
	if r.Present.Has(packet.FieldWindow) {
		dst = append(dst, ", win "...)
		dst = strconv.AppendUint(dst, uint64(r.Window), 10)
	}
	if r.TCPFlags&32 != 0 {
		dst = append(dst, ", urg "...)
		dst = strconv.AppendUint(dst, uint64(r.UrgentPointer), 10)
	}
	if r.Present.Has(packet.FieldTCPOptions) && len(r.TCPOptions) > 0 {
		dst = appendTCPOptions(append(dst, ", "...), r.TCPOptions)
	}
	return appendLength(dst, data)
}

func appendTCPFlags(dst []byte, flags uint16) []byte {
	dst = append(dst, '[')
	start := len(dst)
	for i := range len(tcpFlagLetters) {
		if flags>>i&1 != 0 && i != 4 {
			dst = append(dst, tcpFlagLetters[i])
		}
	}
	if flags&16 != 0 {
		dst = append(dst, '.')
	}
	if len(dst) == start {
		dst = append(dst, "none"...)
	}
	return append(dst, ']')
}

func appendLength(dst []byte, n uint64) []byte {
	return strconv.AppendUint(append(dst, ", length "...), n, 10)
}

func appendEndpoint(dst []byte, a [16]byte, port uint16, hasPort bool) []byte {
	dst = netip.AddrFrom16(a).Unmap().AppendTo(dst)
	if hasPort {
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, uint64(port), 10)
	}
	return dst
}

func appendIPv4(dst []byte, a uint32) []byte {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}).AppendTo(dst)
}

func appendMAC(dst []byte, m [6]byte) []byte {
	for i := range m {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = hex.AppendEncode(dst, m[i:i+1])
	}
	return dst
}

// appendHex20 adds the 20 bits of a flow label.
func appendHex20(dst []byte, v uint32) []byte {
	return hex.AppendEncode(append(dst, "0123456789abcdef"[v>>16&0xf]), []byte{byte(v >> 8), byte(v)})
}

func appendHex16(dst []byte, v uint16) []byte {
	return hex.AppendEncode(dst, []byte{byte(v >> 8), byte(v)})
}
