package indexer

import (
	"context"
	"time"

	"xcapa/internal/message"
)

// Consumer is what the stage needs of a Kafka group member. All calls come from
// the goroutine of Run; the stage's Assigned, Revoked and Lost must be called
// only while it is inside Poll or Close.
type Consumer interface {
	// Poll waits for messages; it returns ctx's error when that ends first.
	// Batches may come beside another error, which is final.
	Poll(ctx context.Context) ([]Batch, error)
	// Commit stores where reading goes on. Offset is the next one to read.
	Commit(ctx context.Context, next ...Position) error
	// Pause and Resume stop and continue the fetching of partitions.
	Pause(parts ...Position)
	Resume(parts ...Position)
	// Ends is the end offset (next to be written) of every partition of the
	// group's topics, as of now.
	Ends(ctx context.Context) ([]Position, error)
	// Close gives the partitions back (Revoked is called) and leaves the group.
	Close(ctx context.Context) error
}

// Position is a place in a partition.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Batch is what one Poll brought of one partition, in offset order.
type Batch struct {
	Topic     string
	Partition int32
	Messages  []message.Message // valid as long as someone holds them
	Bytes     int
	FetchedAt time.Time
	Poison    *Poison // not nil: Messages is empty
}

// Poison is a stretch of a partition that the client could not read.
type Poison struct {
	First, Last int64 // offsets, both included
	Err         error
}

type partition struct {
	topic  string
	number int32
}

func (p Position) partition() partition { return partition{p.Topic, p.Partition} }
