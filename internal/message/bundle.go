package message

import (
	"encoding/binary"
	"errors"
)

// BundleRoom is what stands free in front of the records: the header of Kafka's
// record batch goes there, which whoever sends it fills in.
const BundleRoom = 61

// Bundle is many records of one topic as Kafka stores them (message format 2):
// what would be a message each is one, and costs the way to the broker once.
// Whoever makes it fills it with Append and hands it on in a Message that says
// how many packets it carries.
type Bundle struct {
	Bytes []byte // BundleRoom bytes, then the records
	Count int    // records
	First int64  // create time of the first record, milliseconds since the epoch
	Last  int64  // of the latest

	// The records' keys have FlowPartition Partition of Partitions. Partitions
	// is 0 where nobody has looked at the keys.
	Partition, Partitions int
}

// Reset empties b and gives it buf, whose content it overwrites.
func (b *Bundle) Reset(buf []byte) {
	var room [BundleRoom]byte
	*b = Bundle{Bytes: append(buf[:0], room[:]...)}
}

// recordFrame is an upper bound of what one record takes beside its key, value,
// and header: lengths, deltas, attributes.
const recordFrame = 40

// Fits is whether another record with so many bytes of key, value and header
// fits into the buffer without making it grow.
func (b *Bundle) Fits(n int) bool { return cap(b.Bytes)-len(b.Bytes) >= n+recordFrame }

// Append adds one record that was made at millis. A nil key is none. headers
// are copied.
func (b *Bundle) Append(millis int64, key, value []byte, headers []Header) {
	n := varlen(int64(len(key))) + len(key) + varlen(int64(len(value))) + len(value) + varlen(int64(len(headers)))
	if key == nil {
		n = 1 + varlen(int64(len(value))) + len(value) + varlen(int64(len(headers)))
	}
	for i := range headers {
		h := &headers[i]
		n += varlen(int64(len(h.Key))) + len(h.Key) + varlen(int64(len(h.Value))) + len(h.Value)
	}
	dst := b.begin(millis, n)
	if key == nil {
		dst = appendVarint(dst, -1)
	} else {
		dst = append(appendVarint(dst, int64(len(key))), key...)
	}
	dst = append(appendVarint(dst, int64(len(value))), value...)
	dst = appendVarint(dst, int64(len(headers)))
	for i := range headers {
		h := &headers[i]
		dst = append(appendVarint(dst, int64(len(h.Key))), h.Key...)
		dst = append(appendVarint(dst, int64(len(h.Value))), h.Value...)
	}
	b.Bytes = dst
}

// AppendRecord adds a record of another bundle.
func (b *Bundle) AppendRecord(r *Record) {
	b.Bytes = append(b.begin(r.Millis, len(r.rest)), r.rest...)
}

// begin writes what stands in front of a record's key; rest bytes follow.
func (b *Bundle) begin(millis int64, rest int) []byte {
	if b.Count == 0 {
		b.First, b.Last = millis, millis
	}
	b.Last = max(b.Last, millis)
	time, offset := millis-b.First, int64(b.Count)
	b.Count++
	dst := appendVarint(b.Bytes, int64(1+varlen(time)+varlen(offset)+rest))
	dst = append(dst, 0) // attributes
	return appendVarint(appendVarint(dst, time), offset)
}

// Record is one of a bundle's records; its bytes are the bundle's.
type Record struct {
	Millis int64
	Key    []byte // nil: none
	Value  []byte
	rest   []byte // from the key's length on
}

var errBundle = errors.New("records are not whole")

// Each calls f with every record, in order; f keeps the record no longer than
// its call, its bytes as long as b. An error means that Append did not
// make these records.
func (b *Bundle) Each(f func(r *Record)) error {
	var r Record
	for all := b.Bytes[BundleRoom:]; len(all) > 0; {
		n, body := varint(all)
		if n < 1 || n > int64(len(body)) {
			return errBundle
		}
		all = body[n:]
		delta, rest := varint(body[1:n])
		_, r.rest = varint(rest)
		r.Millis = b.First + delta
		if r.Key, rest = cut(r.rest); rest == nil {
			return errBundle
		}
		if r.Value, rest = cut(rest); rest == nil {
			return errBundle
		}
		f(&r)
	}
	return nil
}

// AppendHeaders appends the record's headers to dst.
func (r *Record) AppendHeaders(dst []Header) []Header {
	_, rest := cut(r.rest)
	_, rest = cut(rest)
	n, rest := varint(rest)
	for range n {
		if rest == nil {
			break
		}
		var key, value []byte
		key, rest = cut(rest)
		value, rest = cut(rest)
		dst = append(dst, Header{Key: string(key), Value: value})
	}
	return dst
}

// cut takes what has its length in front off b, nil for length -1. rest is nil
// if there is less.
func cut(b []byte) (field, rest []byte) {
	n, rest := varint(b)
	switch {
	case n < 0 && rest != nil:
		return nil, rest
	case rest == nil || n > int64(len(rest)):
		return nil, nil
	}
	return rest[:n:n], rest[n:]
}

// varint reads one number; rest is nil if there is none.
func varint(b []byte) (n int64, rest []byte) {
	n, size := binary.Varint(b)
	if size <= 0 {
		return 0, nil
	}
	return n, b[size:]
}

// varlen is the length of appendVarint.
func varlen(n int64) int {
	size := 1
	for z := uint64(n)<<1 ^ uint64(n>>63); z >= 0x80; z >>= 7 {
		size++
	}
	return size
}

func appendVarint(dst []byte, n int64) []byte {
	z := uint64(n)<<1 ^ uint64(n>>63)
	if z < 0x80 {
		return append(dst, byte(z))
	}
	return binary.AppendUvarint(dst, z)
}

// FlowPartition is the partition of a flow among n: the first 8 bytes of the
// key, big-endian, modulo n. Shorter keys have none: -1.
func FlowPartition(key []byte, n int) int {
	if len(key) < 8 {
		return -1
	}
	return int(binary.BigEndian.Uint64(key) % uint64(n))
}
