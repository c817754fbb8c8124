package packet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"xcapa/internal/pcap"
	"xcapa/internal/testpkt"
)

// TestSecondOpinion decodes every frame in testdata with gopacket as well. What
// gopacket reads of the outermost IP header, and of the TCP or UDP header right
// behind it, must be the same in Packet.
func TestSecondOpinion(t *testing.T) {
	var ip, transport int
	look := func(name string, linkType uint16, frame []byte, origLen uint32) {
		var p Packet
		Decode(&p, linkType, frame, origLen)
		first, next := gopacketHeaders(linkType, frame)
		if first == nil || p.Status.IsError() || p.Status == StatusSnapped {
			return // gopacket reads on where it should not, or stops where it need not
		}
		ip++
		diffs := compareIP(&p, first)
		if next != nil && p.Status != StatusLaterFragment {
			transport++
			diffs = append(diffs, compareTransport(&p, next)...)
		}
		for _, field := range diffs {
			t.Errorf("%s: %s is not what gopacket reads\nours %s\ngopacket %s\nframe %x", name, shownFields[field].name, dump(&p), gopacket.LayerString(first), frame)
		}
	}
	for _, v := range testpkt.Corpus(t) {
		look(v.Name, v.LinkType, v.Frame, v.OrigLen)
	}
	for _, path := range testpkt.Captures(t) {
		r, err := pcap.Open(path, pcap.Options{})
		if err != nil {
			continue // a file to refuse
		}
		for {
			frame, err := r.Next()
			if err != nil {
				break
			}
			look(path, frame.LinkType, frame.Data, frame.OrigLen)
		}
		r.Close()
	}
	t.Logf("compared %d IP headers and %d TCP or UDP headers", ip, transport)
	if ip < 300 || transport < 150 {
		t.Errorf("compared %d IP headers and %d TCP or UDP headers, want more than 300 and 150", ip, transport)
	}
}

// gopacketHeaders returns the outermost IP header and the TCP or UDP header that
// directly follows it (or its extension headers), where gopacket finds them.
func gopacketHeaders(linkType uint16, frame []byte) (ip, transport gopacket.Layer) {
	first := layers.LinkType(linkType)
	switch linkType {
	case LinkTypeEthernet, LinkTypeRaw, LinkTypeNull, LinkTypeLoop, LinkTypeLinuxSLL:
	default:
		return nil, nil
	}
	decoded := gopacket.NewPacket(frame, first, gopacket.DecodeOptions{NoCopy: true})
	for _, l := range decoded.Layers() {
		switch l.LayerType() {
		case layers.LayerTypeEthernet, layers.LayerTypeDot1Q, layers.LayerTypeLoopback, layers.LayerTypeLinuxSLL,
			layers.LayerTypeIPv6HopByHop, layers.LayerTypeIPv6Routing, layers.LayerTypeIPv6Destination:
		case layers.LayerTypeIPv4, layers.LayerTypeIPv6:
			if h, ok := l.(*layers.IPv4); ok && h.Version == 0 {
				return nil, nil // gave up in the options, before it kept a field
			}
			if ip != nil {
				return ip, nil
			}
			ip = l
		case layers.LayerTypeTCP, layers.LayerTypeUDP:
			return ip, l
		default:
			return ip, nil
		}
	}
	return ip, nil
}

// wrongFields collects the fields whose values differ.
type wrongFields []Field

func (w *wrongFields) compare(p *Packet, field Field, same bool) {
	if !same || !p.Present.Has(field) {
		*w = append(*w, field)
	}
}

func compareIP(p *Packet, layer gopacket.Layer) (wrong wrongFields) {
	address := func(a [16]byte, ip net.IP) bool { return bytes.Equal(a[:], ip.To16()) }
	switch h := layer.(type) {
	case *layers.IPv4:
		wrong.compare(p, FieldIPVersion, p.IPVersion == 4)
		wrong.compare(p, FieldIPHeaderLen, p.IPHeaderLen == h.IHL*4)
		wrong.compare(p, FieldTOS, p.TOS == h.TOS)
		// gopacket puts the frame's length in place of 0
		wrong.compare(p, FieldTotalLength, p.TotalLength == uint32(h.Length) || p.TotalLength == 0)
		wrong.compare(p, FieldIdentification, p.Identification == uint32(h.Id))
		wrong.compare(p, FieldIPFlags, p.IPFlags == uint8(h.Flags))
		wrong.compare(p, FieldFragmentOffset, p.FragmentOffset == h.FragOffset)
		wrong.compare(p, FieldTTL, p.TTL == h.TTL)
		wrong.compare(p, FieldProtocol, p.Protocol == uint8(h.Protocol))
		wrong.compare(p, FieldHeaderChecksum, p.HeaderChecksum == h.Checksum)
		wrong.compare(p, FieldSourceAddress, address(p.SourceAddress, h.SrcIP))
		wrong.compare(p, FieldDestinationAddress, address(p.DestinationAddress, h.DstIP))
		if h.IHL > 5 {
			options := p.IPOptions
			if p.Present.Has(FieldIPPadding) {
				options = append(bytes.Clone(options), p.IPPadding...)
			}
			wrong.compare(p, FieldIPOptions, bytes.Equal(options, h.Contents[20:]))
		}
	case *layers.IPv6:
		wrong.compare(p, FieldIPVersion, p.IPVersion == 6)
		wrong.compare(p, FieldTOS, p.TOS == h.TrafficClass)
		wrong.compare(p, FieldFlowLabel, p.FlowLabel == h.FlowLabel)
		wrong.compare(p, FieldTotalLength, p.TotalLength == 40+uint32(h.Length))
		wrong.compare(p, FieldNextHeader, p.NextHeader == uint8(h.NextHeader))
		wrong.compare(p, FieldTTL, p.TTL == h.HopLimit)
		wrong.compare(p, FieldSourceAddress, address(p.SourceAddress, h.SrcIP))
		wrong.compare(p, FieldDestinationAddress, address(p.DestinationAddress, h.DstIP))
	}
	return wrong
}

func compareTransport(p *Packet, layer gopacket.Layer) (wrong wrongFields) {
	switch h := layer.(type) {
	case *layers.TCP:
		wrong.compare(p, FieldSourcePort, p.SourcePort == uint16(h.SrcPort))
		wrong.compare(p, FieldDestinationPort, p.DestinationPort == uint16(h.DstPort))
		wrong.compare(p, FieldSequenceNumber, p.SequenceNumber == h.Seq)
		wrong.compare(p, FieldAcknowledgmentNumber, p.AcknowledgmentNumber == h.Ack)
		wrong.compare(p, FieldDataOffset, p.DataOffset == h.DataOffset)
		wrong.compare(p, FieldTCPFlags, p.TCPFlags == gopacketFlags(h))
		wrong.compare(p, FieldWindow, p.Window == h.Window)
		wrong.compare(p, FieldTCPChecksum, p.TCPChecksum == h.Checksum)
		wrong.compare(p, FieldUrgentPointer, p.UrgentPointer == h.Urgent)
	case *layers.UDP:
		wrong.compare(p, FieldSourcePort, p.SourcePort == uint16(h.SrcPort))
		wrong.compare(p, FieldDestinationPort, p.DestinationPort == uint16(h.DstPort))
		wrong.compare(p, FieldUDPLength, p.UDPLength == h.Length)
		wrong.compare(p, FieldUDPChecksum, p.UDPChecksum == h.Checksum)
	}
	return wrong
}

// TestCaptures decodes every prefix of the first packets of the capture files
// and expects the reader's end, not a panic, from each file.
func TestCaptures(t *testing.T) {
	for _, path := range testpkt.Captures(t) {
		r, err := pcap.Open(path, pcap.Options{})
		if err != nil {
			continue
		}
		p := dirty()
		for n := 0; n < 50; n++ {
			frame, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Logf("%s: %v", path, err)
				}
				break
			}
			for cut := range min(len(frame.Data), 200) + 1 {
				exact := bytes.Clone(frame.Data[:cut])[:cut:cut]
				Decode(p, frame.LinkType, exact, frame.OrigLen)
				checkViews(t, p, exact)
				Verify(p, exact)
			}
		}
		r.Close()
	}
}
