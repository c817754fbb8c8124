package query

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"xcapa/internal/record"
)

// row is a packet as a person would write it down: a nil field is absent.
type row struct {
	nanos   int64
	length  uint32
	queue   *int16
	port    *uint16
	flags   *uint16
	ip      *netip.Addr
	mac     *string
	status  *string
	id      string
	options []byte
}

// memoryTable is a Table and its own Bounds.
type memoryTable struct {
	rows    int
	columns map[string]arrow.Array
	asked   map[string]int
}

func (t *memoryTable) Rows() int { return t.rows }

func (t *memoryTable) Column(name string) (arrow.Array, error) {
	t.asked[name]++
	if a := t.columns[name]; a != nil {
		return a, nil
	}
	return array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Uint8, t.rows), nil
}

func newTable(rows []row) *memoryTable {
	m := memory.DefaultAllocator
	text := func() *array.BinaryDictionaryBuilder {
		return array.NewDictionaryBuilder(m, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}).(*array.BinaryDictionaryBuilder)
	}
	nanos := array.NewTimestampBuilder(m, arrow.FixedWidthTypes.Timestamp_ns.(*arrow.TimestampType))
	length, queue, port, flags := array.NewUint32Builder(m), array.NewInt16Builder(m), array.NewUint16Builder(m), array.NewUint16Builder(m)
	ip, mac, status := text(), text(), text()
	id, options := array.NewStringBuilder(m), array.NewBinaryBuilder(m, arrow.BinaryTypes.Binary)
	for _, r := range rows {
		nanos.Append(arrow.Timestamp(r.nanos))
		length.Append(r.length)
		orNull(queue, queue.Append, r.queue)
		orNull(port, port.Append, r.port)
		orNull(flags, flags.Append, r.flags)
		var address *string
		if r.ip != nil {
			s := r.ip.String()
			address = &s
		}
		for b, v := range map[*array.BinaryDictionaryBuilder]*string{ip: address, mac: r.mac, status: r.status} {
			orNull(b, func(s string) { _ = b.AppendString(s) }, v)
		}
		id.Append(r.id)
		if r.options == nil {
			options.AppendNull()
		} else {
			options.Append(r.options)
		}
	}
	t := &memoryTable{rows: len(rows), columns: map[string]arrow.Array{}, asked: map[string]int{}}
	for name, b := range map[string]array.Builder{record.NameNanos: nanos, "frame_length": length, "capture_queue": queue, "dest_port": port,
		"tcp_flags": flags, "src_ip": ip, "src_mac": mac, "decode_status": status, "record_id": id, "tcp_options": options} {
		t.columns[name] = b.NewArray()
		if d, ok := t.columns[name].(*array.Dictionary); ok {
			for i, c := range codes(d) {
				if d.IsNull(i) {
					c = uint32(d.Dictionary().Len())
				}
				codes(d)[i] = c
			}
		}
	}
	return t
}

func orNull[T any](b array.Builder, add func(T), v *T) {
	if v == nil {
		b.AppendNull()
		return
	}
	add(*v)
}

func (t *memoryTable) Integers(name string) (lowest, highest int64, ok bool) {
	a := t.columns[name]
	if a == nil || width(a) == 0 {
		return 0, 0, false
	}
	value := numberOf(a)
	for i := range t.rows {
		if a.IsNull(i) {
			continue
		}
		v := int64(value(i))
		if !ok {
			lowest, highest, ok = v, v, true
		}
		lowest, highest = min(lowest, v), max(highest, v)
	}
	return lowest, highest, ok
}

func (t *memoryTable) Texts(name string) (lowest, highest string, ok bool) {
	a := t.columns[name]
	if a == nil || textOf(a) == nil {
		return "", "", false
	}
	for i := range t.rows {
		if a.IsNull(i) {
			continue
		}
		s := textOf(a)(i)
		if !ok {
			lowest, highest, ok = s, s, true
		}
		lowest, highest = min(lowest, s), max(highest, s)
	}
	return lowest, highest, ok
}

func (t *memoryTable) Nulls(name string) (nulls, rows int64, ok bool) {
	if a := t.columns[name]; a != nil {
		return int64(a.NullN()), int64(t.rows), true
	}
	return int64(t.rows), int64(t.rows), true
}

// field gives a row's value the way the naive evaluator compares it: a number,
// an address or a text; nil where it is absent.
func (r *row) field(name string) any {
	switch name {
	case "packet_timestamp_in_nanos", "@timestamp":
		return r.nanos
	case "record_time":
		return floorMillis(r.nanos)
	case "frame_length":
		return int64(r.length)
	case "capture_queue":
		if r.queue != nil {
			return int64(*r.queue)
		}
	case "dest_port":
		if r.port != nil {
			return int64(*r.port)
		}
	case "tcp_flags":
		if r.flags != nil {
			return int64(*r.flags)
		}
	case "src_ip":
		if r.ip != nil {
			return *r.ip
		}
	case "src_mac":
		if r.mac != nil {
			return *r.mac
		}
	case "decode_status":
		if r.status != nil {
			return *r.status
		}
	case "record_id":
		return r.id
	case "tcp_options":
		if r.options != nil {
			return string(bytes.Clone(r.options))
		}
	}
	return nil
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
