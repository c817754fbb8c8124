package indexer

import (
	"context"

	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// Destination stores the records of messages: Elasticsearch or the Parquet
// store. Offsets are committed only for messages it has settled.
type Destination interface {
	// Assigned tells that this process now owns a partition and where it will
	// start to read. The Parquet store removes files at or past that offset:
	// they were written by a process that died before its commit.
	Assigned(topic string, partition int32, offset int64) error
	// Write stores the rows of one message, which was read from m. It may wait
	// (back-pressure). m and rows are valid only until it returns. settled is called
	// once, from any goroutine, when every row is stored, or is in the errors
	// topic, for good.
	Write(ctx context.Context, m *message.Message, rows []codec.Row, settled func()) error
	// Flush stores everything written so far and returns when all of it is
	// settled: before a commit at rebalance or exit.
	Flush(ctx context.Context) error
	// Room is the destination's account: elastic or parquet.
	Room() ledger.Room
	// Close flushes nothing: what is not settled is dropped, its offsets stay
	// uncommitted.
	Close() error
}
