package kafka

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pools keep the memory that record batches are unpacked into, from a batch that
// is released to one that comes: a packet's share of it is more than the packet.
// They are the client's kgo.PoolRecords and kgo.PoolDecompressBytes. What nobody
// gives back is garbage, as it would be without them.
type pools struct {
	records slabs[kgo.Record]
	bytes   slabs[byte]
}

const (
	minPooledRecords = 1 << 5
	maxPooledRecords = 1 << 16
	minPooledBytes   = 1 << 12
	maxPooledBytes   = 8 << 20 // a batch is 1 MB where nobody has said otherwise, and that compressed
)

// GetRecords implements kgo.PoolRecords.
func (p *pools) GetRecords(n int) []kgo.Record {
	return p.records.get(n, minPooledRecords, maxPooledRecords)
}

// PutRecords implements kgo.PoolRecords.
func (p *pools) PutRecords(s []kgo.Record) { p.records.put(s, minPooledRecords, maxPooledRecords) }

// GetDecompressBytes implements kgo.PoolDecompressBytes. The client does not ask:
// the decompressor is ours.
func (p *pools) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte { return nil }

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (p *pools) PutDecompressBytes(b []byte) { p.bytes.put(b, minPooledBytes, maxPooledBytes) }

// room is at least n bytes to unpack into.
func (p *pools) room(n int) []byte { return p.bytes.get(n, minPooledBytes, maxPooledBytes) }

// slabs are slices by the number of bits of their capacity.
type slabs[T any] struct {
	free [32]sync.Pool // of *[]T
}

// get is a slice with room for n. One from the pool may be too short, within a
// factor of two: then it gives way to a longer one.
func (s *slabs[T]) get(n, least, most int) []T {
	if n < least || n > most {
		return make([]T, n)
	}
	class := bits.Len(uint(n))
	if p, _ := s.free[class].Get().(*[]T); p != nil && cap(*p) >= n {
		return *p
	}
	return make([]T, min(n+n/8, 1<<class-1))
}

func (s *slabs[T]) put(v []T, least, most int) {
	if n := cap(v); n >= least && n <= 2*most {
		s.free[bits.Len(uint(n))].Put(&v)
	}
}
