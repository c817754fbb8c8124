package message

import "time"

// Position is a place in a partition. Where a call is about the partition only,
// Offset is ignored.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Batch is what one poll brought of one partition, in offset order.
type Batch struct {
	Topic     string
	Partition int32
	Messages  []Message // never reused: valid as long as someone holds them; none where only a transaction ended
	Next      int64     // the offset behind all of this, also behind what is no message
	Bytes     int       // keys, values and headers of Messages, decompressed
	FetchedAt time.Time // when the poll had it
	Poison    *Poison   // not nil: Messages is empty
}

// Poison is a stretch of a partition that cannot be read: a batch that is
// damaged or would decompress beyond the limit. The consumer has stepped over
// it; what remains is to put it on record and to commit behind it.
type Poison struct {
	First, Last int64 // offsets, both included
	Err         error // why
}
