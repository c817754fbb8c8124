package indexer

import (
	"context"

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

// What a consumer brings is in the shape that all rooms share.
type (
	Position = message.Position
	Batch    = message.Batch
	Poison   = message.Poison
)

type partition struct {
	topic  string
	number int32
}

func partitionOf(p Position) partition { return partition{p.Topic, p.Partition} }
