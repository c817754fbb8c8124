package message

import "time"

// Batch is what one poll brought of one partition. Its messages are made one at
// a time, as they are read: they may be packets, millions of them.
//
//	var m Message
//	for i := range b.Len() {
//		b.Records.Read(i, &m)
//	}
//	b.Release()
type Batch struct {
	Topic     string
	Partition int32
	Records   Records   // nil: none, where only a transaction ended
	Next      int64     // the offset behind all of this, also behind what is no message
	Bytes     int       // keys, values and headers of the messages, decompressed
	FetchedAt time.Time // when the poll had it
	Poison    *Poison   // not nil: there are no messages
}

// Records are messages in offset order, in the shape in which they came. One
// goroutine at a time.
type Records interface {
	Len() int
	// Offset is message i's.
	Offset(i int) int64
	// Read makes *m message i, in the room of m.Headers. Its bytes are valid until
	// Release.
	Read(i int, m *Message)
	// Head is the first n messages.
	Head(n int) Records
	// Release gives the memory back, for messages to come. Nothing that was read
	// may be looked at after it. Who holds on to messages does not call it.
	Release()
}

// Len is the number of messages.
func (b *Batch) Len() int {
	if b.Records == nil {
		return 0
	}
	return b.Records.Len()
}

// Release gives the memory of the messages back, see Records.
func (b *Batch) Release() {
	if b.Records != nil {
		b.Records.Release()
		b.Records = nil
	}
}

// All makes all messages, each in memory of its own, for who holds on to them and
// does not call Release.
func (b *Batch) All() []Message {
	all := make([]Message, b.Len())
	for i := range all {
		b.Records.Read(i, &all[i])
	}
	return all
}

// List is Records that are messages already. Nobody reuses them.
type List []Message

func (l List) Len() int               { return len(l) }
func (l List) Offset(i int) int64     { return l[i].Offset }
func (l List) Read(i int, m *Message) { *m = l[i] }
func (l List) Head(n int) Records     { return l[:n] }
func (l List) Release()               {}

// Poison is a stretch of a partition that cannot be read: a batch that is
// damaged or would decompress beyond the limit. The consumer has stepped over
// it; what remains is to put it on record and to commit behind it.
type Poison struct {
	First, Last int64 // offsets, both included
	Err         error // why
}
