package codec

import (
	"encoding/binary"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// DecodeSeed decodes frame as Logisland's ParseNetworkPacket does, into r, whose
// time stays: an Ethernet header, one 802.1Q tag at most, then IPv4, whatever the
// EtherType says; TCP and UDP also in later fragments; header lengths that
// cannot be; no look at where the datagram ends. false: the parser loses this
// frame without a word, and r is as it was.
//
// A record that was read back has no frame: its document says what the record
// does (appendSeedJSON).
func DecodeSeed(r *record.Record, frame []byte) bool {
	var p packet.Packet
	b := frame
	if len(b) < seedEthernet {
		return false
	}
	etherType := binary.BigEndian.Uint16(b[12:])
	b = b[seedEthernet:]
	if etherType == etherTypeVLAN {
		if len(b) < 4 {
			return false
		}
		b = b[4:]
	}
	if len(b) == 0 {
		return false
	}
	if b[0]>>4 == 4 && !seedIPv4(&p, b) {
		return false
	}
	r.Packet = p
	return true
}

const (
	seedEthernet  = 14
	etherTypeVLAN = 0x8100
)

// seedIPv4 reads an IPv4 header and what follows it; false: the buffer ends too
// early.
func seedIPv4(p *packet.Packet, b []byte) bool {
	if len(b) < 20 {
		return false
	}
	p.IPVersion, p.IPHeaderLen = b[0]>>4, b[0]&15*4
	p.TOS = b[1]
	p.TotalLength = uint32(binary.BigEndian.Uint16(b[2:]))
	p.Identification = uint32(binary.BigEndian.Uint16(b[4:]))
	p.IPFlags = b[6] >> 5
	p.FragmentOffset = binary.BigEndian.Uint16(b[6:]) & 0x1fff
	p.TTL, p.Protocol = b[8], b[9]
	p.HeaderChecksum = binary.BigEndian.Uint16(b[10:])
	p.SourceAddress, p.DestinationAddress = mapped(b[12:16]), mapped(b[16:20])
	p.Present |= seedIP
	b = b[20:]
	if n := int(p.IPHeaderLen) - 20; n > 0 {
		if len(b) < n {
			return false
		}
		p.IPOptions = b[:n]
		p.Present |= 1 << packet.FieldIPOptions
		b = b[n:]
	}
	switch p.Protocol {
	case protocolTCP:
		return seedTCPHeader(p, b)
	case protocolUDP:
		if len(b) < 8 {
			return false
		}
		p.SourcePort, p.DestinationPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		p.UDPLength, p.UDPChecksum = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
		p.Present |= groupPorts | groupUDP
	}
	return true
}

func seedTCPHeader(p *packet.Packet, b []byte) bool {
	if len(b) < 20 {
		return false
	}
	p.SourcePort, p.DestinationPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.SequenceNumber, p.AcknowledgmentNumber = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.DataOffset = b[12] >> 4
	p.TCPFlags = uint16(b[13])
	p.Window = binary.BigEndian.Uint16(b[14:])
	p.TCPChecksum, p.UrgentPointer = binary.BigEndian.Uint16(b[16:]), binary.BigEndian.Uint16(b[18:])
	p.Present |= groupPorts | groupTCP
	if n := int(p.DataOffset)*4 - 20; n > 0 {
		if len(b) < 20+n {
			return false
		}
		p.TCPOptions = b[20 : 20+n]
		p.Present |= 1 << packet.FieldTCPOptions
	}
	return true
}

// mapped is an IPv4 address as ::ffff:a.b.c.d.
func mapped(b []byte) (a [16]byte) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], b)
	return a
}
