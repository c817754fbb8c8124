package codec

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// The seed's values: the schema of Logisland's ParseNetworkPacket, with its
// deviations kept on purpose. Where the frame is at hand, DecodeSeed reads it as
// the seed does. From a record alone, read back from a block, two things cannot
// be kept: ports that the seed reads from the payload of a later fragment, and IP
// fields that it reads from frames that are no IP. A frame that the seed loses
// without a word still gives a document here.
const (
	seedMagic = -725372255 // d4 c3 b2 a1, as the seed's Java int

	seedErrorIPv4 = `not_implemented_error: Not Implemented protocol : only IPv4 protocol (TCP & UDP) is handled so far.`
	seedErrorTCP  = `not_implemented_error: Not Implemented protocol inside ipv4 packet : only TCP and UDP protocols are handled so far.`
)

// seedClock is the clock at parsing, which the seed calls the record's time.
var seedClock = func() int64 { return time.Now().UnixMilli() }

// appendSeedJSON appends the document of one packet as the seed has it: random
// record_id, clock of now in record_time, IPv4 only, signed TCP numbers, six
// flag bits, options with their padding, negative lengths.
func appendSeedJSON(dst []byte, r *record.Record, o *record.Origin) []byte {
	n := len(dst)
	dst = slices.Grow(dst, jsonBound(r, o))
	b := dst[:cap(dst)]
	n += copy(b[n:], `{"record_id":"`)
	n = putUUID(b, n)
	n += copy(b[n:], jsonTime)
	n = putInt(b, n, seedClock())
	n += copy(b[n:], jsonNanos)
	n = putInt(b, n, floorDiv(r.TimestampNanos, 1e6)*1e6)
	n += copy(b[n:], `,"`+record.NameType+`":"`+record.TypePacket+`","`+record.NameProcessor+`":"`+record.ProcessorName+`"`)
	if isIPv4 := r.Present.Has(packet.FieldIPVersion) && r.IPVersion == 4; isIPv4 {
		n = putSeedIPv4(b, n, r)
	} else {
		n = putSeedKey(b, n, "global_magic", seedMagic)
		n = putSeedError(b, n, seedErrorIPv4)
	}
	b[n] = '}'
	return b[:n+1]
}

const (
	seedIP = groupIP | groupIPv4
	// the seed's flow of a document: what stands behind the IP fields
	seedTCP = groupPorts | 1<<packet.FieldDataOffset | 1<<packet.FieldWindow | 1<<packet.FieldTCPChecksum | 1<<packet.FieldUrgentPointer
)

func putSeedIPv4(b []byte, n int, r *record.Record) int {
	p := uint64(r.Present)
	n = putFields(b, n, r, p&seedIP)
	if r.Present.Has(packet.FieldIPOptions) || r.Present.Has(packet.FieldIPPadding) {
		n = putSeedOptions(b, n, "ip_options", r, packet.FieldIPOptions, packet.FieldIPPadding)
	}
	tcp := r.Present.Has(packet.FieldProtocol) && r.Protocol == protocolTCP && r.Present.Has(packet.FieldDataOffset)
	udp := r.Present.Has(packet.FieldProtocol) && r.Protocol == protocolUDP
	switch {
	case tcp:
		n = putSeedTCP(b, n, r)
	case udp:
		n = putSeedKey(b, n, "global_magic", seedMagic)
		n = putFields(b, n, r, p&(groupPorts|groupUDP))
	default:
		n = putSeedKey(b, n, "global_magic", seedMagic)
		if r.Present.Has(packet.FieldProtocol) && r.Protocol != protocolTCP {
			n = putSeedError(b, n, seedErrorTCP)
		}
	}
	return n
}

func putSeedTCP(b []byte, n int, r *record.Record) int {
	p := uint64(r.Present)
	n = putFields(b, n, r, p&groupPorts)
	n = putSeedKey(b, n, "tcp_sequence_number", int64(int32(r.SequenceNumber)))
	n = putSeedKey(b, n, "tcp_acknowledgment_number", int64(int32(r.AcknowledgmentNumber)))
	n = putFields(b, n, r, p&(1<<packet.FieldDataOffset))
	if r.Present.Has(packet.FieldTCPFlags) {
		n = putSeedKey(b, n, "tcp_flags", int64(r.TCPFlags&0x3f))
	}
	n = putFields(b, n, r, p&seedTCP&^(groupPorts|1<<packet.FieldDataOffset))
	if r.Present.Has(packet.FieldTCPOptions) || r.Present.Has(packet.FieldTCPPadding) {
		n = putSeedOptions(b, n, "tcp_options", r, packet.FieldTCPOptions, packet.FieldTCPPadding)
	}
	segment := int64(r.TotalLength) - int64(r.IPHeaderLen)
	n = putSeedKey(b, n, record.NameSegmentLength, segment)
	n = putSeedKey(b, n, record.NameDataLength, segment-4*int64(r.DataOffset))
	n += copy(b[n:], `,"tcp_computed_src_ip":`)
	n = putAddress(b, n, &r.SourceAddress, false)
	n += copy(b[n:], `,"tcp_computed_dest_ip":`)
	n = putAddress(b, n, &r.DestinationAddress, false)
	n += copy(b[n:], `,"tcp_computed_reassembled_length":0,"tcp_computed_relative_ack":0,"tcp_computed_relative_seq":0`)
	return putSeedKey(b, n, "global_magic", seedMagic)
}

func putSeedKey(b []byte, n int, name string, v int64) int {
	n += copy(b[n:], `,"`)
	n += copy(b[n:], name)
	n += copy(b[n:], `":`)
	return putInt(b, n, v)
}

// putSeedOptions writes all bytes behind the fixed header as one string.
func putSeedOptions(b []byte, n int, name string, r *record.Record, options, padding packet.Field) int {
	var all []byte
	if r.Present.Has(options) {
		all = append(all, r.Bytes(options)...)
	}
	if r.Present.Has(padding) {
		all = append(all, r.Bytes(padding)...)
	}
	n += copy(b[n:], `,"`)
	n += copy(b[n:], name)
	n += copy(b[n:], `":"`)
	n = len(base64.StdEncoding.AppendEncode(b[:n], all))
	b[n] = '"'
	return n + 1
}

func putSeedError(b []byte, n int, text string) int {
	n += copy(b[n:], jsonErrors)
	n += copy(b[n:], text)
	return n + copy(b[n:], `"]`)
}

// putUUID writes a random UUID, RFC 9562 version 4.
func putUUID(b []byte, n int) int {
	var u [16]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		u[i], u[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	for i, part := range [...][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			b[n] = '-'
			n++
		}
		n += hex.Encode(b[n:], part)
	}
	return n
}
