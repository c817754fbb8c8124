package codec

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

var captured = &record.Origin{Host: "probe-1", Run: "0123456789ab", Interface: "eth1", Queue: 3}

// allFields are the bits a record can have.
const allFields = packet.FieldSet(1)<<record.NumFields - 1

// randomRecord fills every field of r with something, stale bytes included,
// and sets the bits of present.
func randomRecord(rng *rand.Rand, r *record.Record, present packet.FieldSet) {
	*r = record.Record{}
	for _, in := range record.Fields() {
		if in.Field == record.NoField {
			continue
		}
		switch in.Arrow {
		case record.ArrowFixed6, record.ArrowFixed16:
			v := make([]byte, in.Arrow.Width())
			for i := range v {
				v[i] = byte(rng.Uint32())
			}
			r.SetBytes(in.Field, v)
		case record.ArrowBinary:
			v := make([]byte, rng.IntN(maxOptions+1))
			for i := range v {
				v[i] = byte(rng.Uint32())
			}
			r.SetBytes(in.Field, v)
		default:
			r.SetUint(in.Field, rng.Uint64())
		}
	}
	r.Present = present
	r.TimestampNanos = rng.Int64()
	r.OrigLen, r.CapLen = rng.Uint32(), rng.Uint32()
}

// tcpRecord is the usual packet: TCP over IPv4 over Ethernet, different in
// every call, with the timestamps option if options.
func tcpRecord(rng *rand.Rand, r *record.Record, options bool) {
	*r = record.Record{TimestampNanos: 1_795_395_968_409_000_000 + rng.Int64N(1e15), Sequence: uint64(rng.Uint32()), OrigLen: 60 + rng.Uint32N(1400)}
	r.CapLen = r.OrigLen
	r.Present = groupEthernet | groupIP | groupIPv4 | groupPorts | groupTCP | 1<<record.FieldSequence
	r.SourceMAC = [6]byte{0x02, 0, 0, 0, 0, byte(rng.Uint32())}
	r.DestinationMAC = [6]byte{0x02, 0xab, 0xcd, 0xef, 0, byte(rng.Uint32())}
	r.EtherType = 0x0800
	r.IPVersion, r.IPHeaderLen, r.TTL, r.Protocol, r.IPFlags = 4, 20, 64, 6, 2
	r.TotalLength = r.OrigLen - 14
	r.Identification = uint32(uint16(rng.Uint32()))
	r.HeaderChecksum = uint16(rng.Uint32())
	r.SourceAddress = [16]byte{10: 0xff, 11: 0xff, 12: 10, 13: 1, 14: byte(rng.Uint32()), 15: byte(rng.Uint32())}
	r.DestinationAddress = [16]byte{10: 0xff, 11: 0xff, 12: 192, 13: 168, 14: byte(rng.Uint32()), 15: byte(rng.Uint32())}
	r.SourcePort, r.DestinationPort = uint16(rng.Uint32()), 443
	r.SequenceNumber, r.AcknowledgmentNumber = rng.Uint32(), rng.Uint32()
	r.DataOffset, r.TCPFlags, r.Window, r.TCPChecksum = 5, 0x18, uint16(rng.Uint32()), uint16(rng.Uint32())
	if options {
		r.Present |= 1 << packet.FieldTCPOptions
		r.DataOffset = 8
		r.TCPOptions = []byte{1, 1, 8, 10, byte(rng.Uint32()), byte(rng.Uint32()), 3, 4, byte(rng.Uint32()), 6, 7, 8}
	}
}

// tcpRecords are n records as tcpRecord makes them.
func tcpRecords(n int, options bool) []record.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]record.Record, n)
	for i := range out {
		tcpRecord(rng, &out[i], options)
	}
	return out
}

// mixedRecords are n records of many kinds, so that most columns have nulls:
// TCP with and without options, UDP, VLAN, IPv6, ARP, truncated headers.
func mixedRecords(n int) []record.Record {
	rng := rand.New(rand.NewPCG(3, 4))
	out := make([]record.Record, n)
	for i := range out {
		r := &out[i]
		tcpRecord(rng, r, rng.IntN(2) == 0)
		switch rng.IntN(8) {
		case 0, 1:
			r.Present = r.Present&^(groupTCP|1<<packet.FieldTCPOptions) | groupUDP
			r.Protocol, r.UDPLength, r.UDPChecksum = 17, uint16(r.TotalLength-20), uint16(rng.Uint32())
		case 2:
			r.Present |= groupVLAN
			r.VLANID, r.VLANPriority = 100, 3
		case 3:
			r.Present = r.Present&^groupIPv4 | groupIPv6
			r.IPVersion, r.NextHeader, r.FlowLabel = 6, 6, rng.Uint32N(1<<20)
			r.SourceAddress = [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(rng.Uint32())}
		case 4:
			r.Present = groupEthernet | 1<<record.FieldSequence | 1<<packet.FieldARPOperation | 1<<packet.FieldARPSenderMAC |
				1<<packet.FieldARPSenderIP | 1<<packet.FieldARPTargetMAC | 1<<packet.FieldARPTargetIP
			r.EtherType, r.ARPOperation, r.ARPSenderIP, r.ARPTargetIP = 0x0806, 1, 0x0a000001, 0x0a000002
		case 5:
			r.Present = groupEthernet | groupIP | groupIPv4 | groupPorts | 1<<record.FieldSequence |
				1<<packet.FieldSequenceNumber | 1<<packet.FieldStatus
			r.Status = packet.StatusTruncated
			r.StatusLayer, r.StatusOffset, r.StatusNeed, r.StatusHave = packet.LayerTCP, 34, 20, 8
		}
	}
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
