package kafka

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
)

// batch is one record batch on its way: the records of a message, a part of
// them, or those of several. Its fields are the sender's, under its lock, except
// those of the wire, which belong to the sink that has it in hand.
type batch struct {
	whole *whole
	of    []*batch  // not nil: the batches that this one joins; it has no whole
	count int       // records
	size  int       // bytes, before compression
	since time.Time // handed over

	// what the broker tells a batch sent again from a new one by
	numbered bool
	id       producerID
	sequence int32

	inFlight bool

	// the wire
	records  *message.Bundle
	squeezed *bytes.Buffer // the records compressed, behind room for the header; nil: sent as they are
	codec    kgo.CompressionCodecType
	tried    bool // to compress
	sealed   producerID
	sealedAt int32
}

// producerID is what a broker knows us by; the zero value is none.
type producerID struct {
	id    int64
	epoch int16
	valid bool
}

// whole is a message that went in parts: batches, or records of the client. It
// is settled when the last part is.
type whole struct {
	m    *message.Message
	size int64 // charged to the buffer
	left atomic.Int64
	err  atomic.Pointer[error] // why a part was not delivered
}

func newBatch(w *whole, r *message.Bundle, since time.Time) *batch {
	return &batch{whole: w, count: r.Count, size: len(r.Bytes), since: since, records: r}
}

// join makes one batch of several small ones, which are in order. Its records
// are put together later, see build.
func join(of []*batch) *batch {
	b := &batch{of: of, since: of[0].since}
	for _, o := range of {
		b.count += o.count
		b.size += o.size
	}
	return b
}

// parts are the batches that b joins, or b.
func (b *batch) parts() []*batch {
	if b.of == nil {
		return []*batch{b}
	}
	return b.of
}

// joined keeps the buffers of joined batches.
var joined = sync.Pool{New: func() any { return &message.Bundle{} }}

// build puts the records of a joined batch together.
func (b *batch) build() {
	if b.records != nil {
		return
	}
	r := joined.Get().(*message.Bundle)
	r.Reset(r.Bytes)
	for _, o := range b.of {
		_ = o.records.Each(r.AppendRecord) // they are Append's
	}
	b.records = r
}

// wire is what the broker gets.
func (b *batch) wire() []byte {
	if b.squeezed != nil {
		return b.squeezed.Bytes()
	}
	return b.records.Bytes
}

// compressor compresses batches as the client would, nil: not at all.
type compressor struct {
	kgo.Compressor
	scratch sync.Pool // of *bytes.Buffer
}

func newCompressor(name string) (*compressor, error) {
	c, err := kgo.DefaultCompressor(codec(name))
	if c == nil || err != nil {
		return nil, err
	}
	return &compressor{Compressor: c}, nil
}

func (c *compressor) buffer() *bytes.Buffer {
	if b, ok := c.scratch.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return new(bytes.Buffer)
}

// compress makes b.squeezed unless the records get no shorter by it.
func (c *compressor) compress(b *batch) {
	if c == nil || b.tried {
		return
	}
	b.tried = true
	records := b.records.Bytes[message.BundleRoom:]
	scratch := c.buffer()
	defer c.scratch.Put(scratch)
	short, codec := c.Compress(scratch, records)
	if len(short) == 0 || len(short) >= len(records) {
		return
	}
	b.squeezed, b.codec = c.buffer(), codec
	b.squeezed.Write(b.records.Bytes[:message.BundleRoom])
	b.squeezed.Write(short)
}

// plain takes the compressed form away.
func (c *compressor) plain(b *batch) {
	if b.squeezed != nil {
		c.scratch.Put(b.squeezed)
		b.squeezed, b.codec = nil, 0
	}
	b.sealed, b.tried = producerID{}, false
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal writes the header in front of the records, where b.id and b.sequence are
// not what they were. The layout is that of Kafka's message format 2.
func (b *batch) seal() {
	if b.sealed.valid && b.sealed == b.id && b.sealedAt == b.sequence {
		return
	}
	b.sealed, b.sealedAt = b.id, b.sequence
	w, be := b.wire(), binary.BigEndian
	be.PutUint64(w[0:], 0)                  // base offset: the broker's to say
	be.PutUint32(w[8:], uint32(len(w)-12))  // length of what follows
	be.PutUint32(w[12:], ^uint32(0))        // partition leader epoch: not known
	w[16] = 2                               // magic
	be.PutUint16(w[21:], uint16(b.codec))   // attributes: create time, no transaction
	be.PutUint32(w[23:], uint32(b.count-1)) // last offset delta
	be.PutUint64(w[27:], uint64(b.records.First))
	be.PutUint64(w[35:], uint64(b.records.Last))
	be.PutUint64(w[43:], uint64(b.id.id))
	be.PutUint16(w[51:], uint16(b.id.epoch))
	be.PutUint32(w[53:], uint32(b.sequence))
	be.PutUint32(w[57:], uint32(b.count))
	be.PutUint32(w[17:], crc32.Checksum(w[21:], castagnoli))
}

// drop gives back what b has beside its maker's records.
func (b *batch) drop(c *compressor) {
	if c != nil {
		c.plain(b)
	}
	if b.of != nil && b.records != nil {
		joined.Put(b.records)
		b.records = nil
	}
}

// divide cuts b, which joins none, into batches by what group says of each
// record; every one of them keeps the order. b itself is done with.
func (b *batch) divide(group func(i int, r *message.Record) int) (parts []*batch, groups []int) {
	i := 0
	at := map[int]*message.Bundle{}
	var all []*message.Bundle
	_ = b.records.Each(func(r *message.Record) { // they are Append's
		g := group(i, r)
		i++
		p := at[g]
		if p == nil {
			p = &message.Bundle{}
			p.Reset(nil)
			at[g] = p
			all, groups = append(all, p), append(groups, g)
		}
		p.AppendRecord(r)
	})
	for _, r := range all {
		parts = append(parts, newBatch(b.whole, r, b.since))
	}
	b.whole.left.Add(int64(len(parts) - 1))
	return parts, groups
}
