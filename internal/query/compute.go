package query

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"xcapa/internal/codec"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// column is the field's values in t, computed where the store has none.
func (f *Field) column(t Table) (arrow.Array, error) {
	switch {
	case f.kind == kindMillis: // a column of ns; the test's spans are ns too
		return t.Column(record.NameNanos)
	case f.stored != "":
		return t.Column(f.stored)
	}
	return computed[f.Name].column(t)
}

// derived is a field that is made from columns of the store, row by row.
type derived struct {
	needs  []string
	number func(r *record.Record) (v uint32, ok bool)
	text   func(dst []byte, r *record.Record) []byte // nothing appended: null
}

var lengthNeeds = []string{"link_type", "vlan_id", "vlan_inner_id", "ip_version", "ip_internet_header_length", "ip_datagram_total_length",
	"ipv6_extension_headers_length", "src_port", "tcp_data_offset", record.NameFrameLength}

var computed = map[string]*derived{
	record.NameType:      {text: func(dst []byte, _ *record.Record) []byte { return append(dst, record.TypePacket...) }},
	record.NameProcessor: {text: func(dst []byte, _ *record.Record) []byte { return append(dst, record.ProcessorName...) }},
	record.NameSegmentLength: {needs: lengthNeeds, number: func(r *record.Record) (uint32, bool) {
		segment, _, ok := codec.TCPLengths(r)
		return segment, ok
	}},
	record.NameDataLength: {needs: lengthNeeds, number: func(r *record.Record) (uint32, bool) {
		_, data, ok := codec.TCPLengths(r)
		return data, ok
	}},
	record.NameCommunityID: {
		needs: []string{"ip_version", "protocol", "src_ip", "dst_ip", "src_port", "dest_port", "icmp_type", "icmp_code", "ip_fragment_offset"},
		text:  codec.AppendCommunityID,
	},
	record.NameErrors: {needs: []string{"decode_status"}, text: record.AppendErrorText},
}

// column makes the values for every row of t.
func (d *derived) column(t Table) (arrow.Array, error) {
	rows, err := newRecordReader(t, d.needs)
	if err != nil {
		return nil, err
	}
	var rec record.Record
	if d.number != nil {
		b := array.NewUint32Builder(memory.DefaultAllocator)
		b.Reserve(t.Rows())
		for i := range t.Rows() {
			rows.fill(&rec, i)
			if v, ok := d.number(&rec); ok {
				b.UnsafeAppend(v)
			} else {
				b.AppendNull()
			}
		}
		return b.NewArray(), nil
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Reserve(t.Rows())
	var text []byte
	for i := range t.Rows() {
		rows.fill(&rec, i)
		if text = d.text(text[:0], &rec); len(text) > 0 {
			b.BinaryBuilder.Append(text)
		} else {
			b.AppendNull()
		}
	}
	return b.NewArray(), nil
}

// recordReader makes records of some columns' values.
type recordReader []func(r *record.Record, i int)

// newRecordReader reads the columns of t that needs names.
func newRecordReader(t Table, needs []string) (out recordReader, err error) {
	for _, name := range needs {
		a, err := t.Column(name)
		if err != nil {
			return nil, err
		}
		if set := setter(record.ByName(name), a); set != nil {
			out = append(out, set)
		}
	}
	return out, nil
}

// fill makes rec the row i, as far as its columns go.
func (rr recordReader) fill(rec *record.Record, i int) {
	rec.Present, rec.LinkType, rec.OrigLen = 0, packet.LinkTypeEthernet, 0
	for _, set := range rr {
		set(rec, i)
	}
	rec.RestoreOffsets(rec.LinkType)
}

// setter puts a column's value into a record.
func setter(in *record.Info, a arrow.Array) func(r *record.Record, i int) {
	if text := textOf(a); text != nil {
		return func(r *record.Record, i int) {
			if !a.IsNull(i) && setText(r, in, text(i)) {
				r.Present |= 1 << in.Field
			}
		}
	}
	number := numberOf(a)
	if number == nil {
		return nil
	}
	return func(r *record.Record, i int) {
		switch {
		case a.IsNull(i):
		case in.Name == record.NameFrameLength:
			r.OrigLen = uint32(number(i))
		default:
			r.SetUint(in.Field, number(i))
			r.Present |= 1 << in.Field
		}
	}
}

// setText is the inverse of the store's formats.
func setText(r *record.Record, in *record.Info, s string) bool {
	switch {
	case in.Field == packet.FieldStatus:
		status, ok := packet.ParseStatus(s)
		r.Status = status
		return ok
	case in.Elastic == "ip":
		a, err := netip.ParseAddr(s)
		b := a.As16()
		if in.Arrow == record.ArrowUint32 {
			r.SetUint(in.Field, uint64(binary.BigEndian.Uint32(b[12:])))
		} else {
			r.SetBytes(in.Field, b[:])
		}
		return err == nil
	case in.Arrow == record.ArrowFixed6:
		mac, err := net.ParseMAC(s)
		r.SetBytes(in.Field, mac)
		return err == nil
	}
	return false
}

// numberOf gives a number or time array's values by row as their bits, signed
// ones extended; nil for another array.
func numberOf(a arrow.Array) func(i int) uint64 {
	switch a.DataType().ID() {
	case arrow.UINT8:
		v := raw[uint8](a)
		return func(i int) uint64 { return uint64(v[i]) }
	case arrow.UINT16:
		v := raw[uint16](a)
		return func(i int) uint64 { return uint64(v[i]) }
	case arrow.INT16:
		v := raw[uint16](a)
		return func(i int) uint64 { return uint64(int64(int16(v[i]))) }
	case arrow.UINT32:
		v := raw[uint32](a)
		return func(i int) uint64 { return uint64(v[i]) }
	case arrow.UINT64, arrow.INT64, arrow.TIMESTAMP:
		v := raw[uint64](a)
		return func(i int) uint64 { return v[i] }
	}
	return nil
}
