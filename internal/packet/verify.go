package packet

import (
	"encoding/binary"
	"math/bits"
)

// Verify checks the checksums of the frame that was decoded into p and sets
// IPChecksumStatus (IPv4) and TransportChecksumStatus (TCP, UDP, ICMP, ICMPv6)
// where the header with the checksum is whole. It reads every payload byte.
//
// none: UDP sent no checksum, or the bytes to tell are not all there: fragments,
// snapped payload, lengths of 0, lengths that contradict each other, an IPv6
// routing or destination option header that is not understood. partial: the field
// holds the sum of the pseudo header alone, as a sender leaves it whose NIC fills
// in the rest; a frame captured on its sender looks like that.
//
// It does not allocate. RFC 1071; RFC 9293 3.1; RFC 768; RFC 8200 8.1.
func Verify(p *Packet, frame []byte) {
	if p.Present.Has(FieldHeaderChecksum) {
		p.IPChecksumStatus = p.verifyIPv4Header(frame)
		p.Present |= 1 << FieldIPChecksumStatus
	}
	const checksumFields FieldSet = 1<<FieldTCPChecksum | 1<<FieldUDPChecksum | 1<<FieldICMPChecksum
	if p.Present&checksumFields != 0 {
		p.TransportChecksumStatus = p.verifyTransport(frame)
		p.Present |= 1 << FieldTransportChecksumStatus
	}
}

func (p *Packet) verifyIPv4Header(frame []byte) ChecksumStatus {
	end := int(p.NetworkOffset) + int(p.IPHeaderLen)
	if p.IPHeaderLen < ipv4Len || end > len(frame) {
		return ChecksumNone
	}
	if onesSum(0, frame[p.NetworkOffset:end]) == 0xffff {
		return ChecksumGood
	}
	return ChecksumBad
}

func (p *Packet) verifyTransport(frame []byte) ChecksumStatus {
	if p.isFragment() || p.lengthUnknown() {
		return ChecksumNone
	}
	start, end := int(p.TransportOffset), int(p.NetworkOffset)+int(p.TotalLength)
	if p.Present.Has(FieldUDPLength) {
		if p.UDPChecksum == 0 || p.UDPLength < udpLen || start+int(p.UDPLength) > end {
			return ChecksumNone
		}
		end = start + int(p.UDPLength)
	}
	if start >= end || end > len(frame) {
		return ChecksumNone
	}
	var pseudo uint64
	if p.Protocol != protocolICMP {
		source, destination, ok := p.checksumAddresses(frame)
		if !ok {
			return ChecksumNone
		}
		pseudo = onesSum(onesSum(uint64(p.Protocol)+uint64(end-start), source), destination)
	}
	if onesSum(pseudo, frame[start:end]) == 0xffff {
		return ChecksumGood
	}
	if pseudo != 0 && pseudo == uint64(p.transportChecksum()) {
		return ChecksumPartial
	}
	return ChecksumBad
}

func (p *Packet) transportChecksum() uint16 {
	switch {
	case p.Present.Has(FieldTCPChecksum):
		return p.TCPChecksum
	case p.Present.Has(FieldUDPChecksum):
		return p.UDPChecksum
	}
	return p.ICMPChecksum
}

// checksumAddresses returns the addresses of the pseudo header: those of the IP
// header, except that under IPv6 a routing header with segments left names the
// final destination (RFC 8200 8.1) and a home address option the source (RFC
// 6275 11.3.1). ok is false if a routing header is not understood.
func (p *Packet) checksumAddresses(frame []byte) (source, destination []byte, ok bool) {
	at := int(p.NetworkOffset)
	if p.IPVersion == 4 {
		return frame[at+12 : at+16], frame[at+16 : at+20], true
	}
	source, destination = frame[at+8:at+24], frame[at+24:at+40]
	// Decode walked these headers to the transport header: all are whole.
	next := p.NextHeader
	for at += ipv6Len; at < int(p.TransportOffset); {
		size := extensionLen(next, frame[at+1])
		header := frame[at : at+size]
		switch next {
		case protocolRouting:
			if header[3] != 0 {
				if destination = finalDestination(header); destination == nil {
					return nil, nil, false
				}
			}
		case protocolDestination:
			if home := homeAddress(header); home != nil {
				source = home
			}
		}
		next, at = header[0], at+size
	}
	return source, destination, true
}

// finalDestination returns the address at the end of the route, nil if the type
// is not known: type 0 (RFC 5095) and 2 (RFC 6275 6.4) hold it last, type 4 first
// (segment routing, RFC 8754 2).
func finalDestination(header []byte) []byte {
	switch kind := header[2]; {
	case len(header) < 24:
	case kind == 0, kind == 2:
		if last := 8 + (len(header)-8)/16*16; last >= 24 {
			return header[last-16 : last]
		}
	case kind == 4:
		return header[8:24]
	}
	return nil
}

// homeAddress returns the address in the Home Address option of a destination
// options header (RFC 6275 6.3), nil if there is none.
func homeAddress(header []byte) []byte {
	const pad1, home, homeLen = 0, 0xc9, 16
	for options := header[2:]; len(options) >= 2; {
		if options[0] == pad1 {
			options = options[1:]
			continue
		}
		end := 2 + int(options[1])
		if end > len(options) {
			return nil
		}
		if options[0] == home && end == 2+homeLen {
			return options[2:end]
		}
		options = options[end:]
	}
	return nil
}

// onesSum adds the ones' complement sum of b, taken as 16-bit words in network
// byte order with an odd last byte padded with 0, to sum and folds it to 16 bits.
// b starts at an even place of what is summed.
func onesSum(sum uint64, b []byte) uint64 {
	var carry uint64
	for ; len(b) >= 8; b = b[8:] {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
	}
	var rest [8]byte
	copy(rest[:], b)
	sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(rest[:]), carry)
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}
