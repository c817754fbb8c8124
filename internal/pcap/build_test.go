package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// classicFile is a pcap file in memory, made field by field.
type classicFile struct {
	order     binary.AppendByteOrder
	magic     uint32
	minor     uint16
	snapLen   uint32
	linkType  uint32
	extraZero int // bytes behind each record header ("modified" pcap has 8)
}

func littleMicros() classicFile {
	return classicFile{order: binary.LittleEndian, magic: magicMicros, minor: 4, snapLen: 262144, linkType: 1}
}

// record is a packet as a test wants it back.
type record struct {
	seconds, fraction uint32
	origLen           uint32
	data              []byte
}

func (f classicFile) bytes(records ...record) []byte {
	b := f.order.AppendUint32(nil, f.magic)
	b = f.order.AppendUint16(b, 2)
	b = f.order.AppendUint16(b, f.minor)
	b = append(b, make([]byte, 8)...)
	b = f.order.AppendUint32(b, f.snapLen)
	b = f.order.AppendUint32(b, f.linkType)
	for _, r := range records {
		b = f.order.AppendUint32(b, r.seconds)
		b = f.order.AppendUint32(b, r.fraction)
		first, second := uint32(len(r.data)), r.origLen
		if f.minor < 3 {
			first, second = second, first
		}
		b = f.order.AppendUint32(b, first)
		b = f.order.AppendUint32(b, second)
		b = append(b, make([]byte, f.extraZero)...)
		b = append(b, r.data...)
	}
	return b
}

// records makes n different packets of 40 to 99 bytes, a millisecond apart.
func records(n int) []record {
	out := make([]record, n)
	for i := range out {
		data := make([]byte, 40+i*7%60)
		for j := range data {
			data[j] = byte(i*31 + j*17 + 1)
		}
		out[i] = record{seconds: 1_700_000_000 + uint32(i/1000), fraction: uint32(i % 1000 * 1000), origLen: uint32(len(data)), data: data}
	}
	return out
}

// ngFile is a pcapng stream in memory, made block by block.
type ngFile struct {
	order binary.AppendByteOrder
	b     []byte
}

func (f *ngFile) block(kind uint32, body []byte) {
	total := uint32(len(body)+3)&^3 + blockOverhead
	f.b = f.order.AppendUint32(f.b, kind)
	f.b = f.order.AppendUint32(f.b, total)
	f.b = append(f.b, body...)
	f.b = append(f.b, make([]byte, -len(body)&3)...)
	f.b = f.order.AppendUint32(f.b, total)
}

func (f *ngFile) section(order binary.AppendByteOrder) *ngFile {
	f.order = order
	body := order.AppendUint32(nil, byteOrderMagic)
	body = order.AppendUint16(body, 1)
	body = order.AppendUint16(body, 0)
	f.block(blockSection, append(body, bytes.Repeat([]byte{0xff}, 8)...))
	return f
}

func (f *ngFile) option(b []byte, code uint16, value []byte) []byte {
	b = f.order.AppendUint16(b, code)
	b = f.order.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func (f *ngFile) iface(linkType uint16, snapLen uint32, options ...[]byte) *ngFile {
	body := f.order.AppendUint16(nil, linkType)
	body = f.order.AppendUint16(body, 0)
	body = f.order.AppendUint32(body, snapLen)
	f.block(blockInterface, append(body, bytes.Join(options, nil)...))
	return f
}

func (f *ngFile) enhanced(iface uint32, ticks uint64, data []byte, origLen uint32) *ngFile {
	body := f.order.AppendUint32(nil, iface)
	body = f.order.AppendUint32(body, uint32(ticks>>32))
	body = f.order.AppendUint32(body, uint32(ticks))
	body = f.order.AppendUint32(body, uint32(len(data)))
	body = f.order.AppendUint32(body, origLen)
	f.block(blockEnhancedPacket, append(body, data...))
	return f
}

func (f *ngFile) obsolete(iface, drops uint16, ticks uint64, data []byte, origLen uint32) *ngFile {
	body := f.order.AppendUint16(nil, iface)
	body = f.order.AppendUint16(body, drops)
	body = f.order.AppendUint32(body, uint32(ticks>>32))
	body = f.order.AppendUint32(body, uint32(ticks))
	body = f.order.AppendUint32(body, uint32(len(data)))
	body = f.order.AppendUint32(body, origLen)
	f.block(blockPacket, append(body, data...))
	return f
}

func (f *ngFile) simple(data []byte, origLen uint32) *ngFile {
	f.block(blockSimplePacket, append(f.order.AppendUint32(nil, origLen), data...))
	return f
}

// readAll reads to io.EOF and copies what it gets.
func readAll(t testing.TB, b []byte, o Options) (packets []Packet, damage []*DamageError, stats Stats) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(b), "test", o)
	if err != nil {
		var d *DamageError
		if !errors.As(err, &d) {
			t.Fatalf("NewReader: %v, want a *DamageError", err)
		}
		return nil, []*DamageError{d}, Stats{}
	}
	defer r.Close()
	for {
		p, err := r.Next()
		if err == io.EOF {
			return packets, damage, r.Stats()
		}
		var d *DamageError
		switch {
		case errors.As(err, &d):
			damage = append(damage, d)
		case err != nil:
			t.Fatalf("Next: %v, want a *DamageError", err)
		default:
			p.Data = bytes.Clone(p.Data)
			packets = append(packets, p)
		}
	}
}
