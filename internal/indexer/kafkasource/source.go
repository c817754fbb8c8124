// Package kafkasource makes a kafka.Consumer the indexer's Consumer: it turns
// the one's types into the other's, so that neither room knows the other, and
// connects the consumer's hooks to the stage.
package kafkasource

import (
	"context"

	"xcapa/internal/indexer"
	"xcapa/internal/kafka"
)

// Hooks is the side of the stage that hears of partitions; indexer.Stage is one.
type Hooks interface {
	Assigned(ctx context.Context, at []indexer.Position) error
	Revoked(ctx context.Context, parts []indexer.Position)
	Lost(parts []indexer.Position)
}

// Consumer is an indexer.Consumer over Kafka.
type Consumer struct{ *kafka.Consumer }

var _ indexer.Consumer = Consumer{}

// New joins the group g; g's own hooks are replaced by those of stage.
func New(ctx context.Context, c kafka.Config, g kafka.Group, stage Hooks) (Consumer, error) {
	g.OnAssigned = func(ctx context.Context, at []kafka.Position) error { return stage.Assigned(ctx, fromKafka(at)) }
	g.OnRevoked = func(ctx context.Context, parts []kafka.Position) { stage.Revoked(ctx, fromKafka(parts)) }
	g.OnLost = func(parts []kafka.Position) { stage.Lost(fromKafka(parts)) }
	consumer, err := kafka.NewConsumer(ctx, c, g)
	return Consumer{consumer}, err
}

// Poll is kafka.Consumer.Poll.
func (c Consumer) Poll(ctx context.Context) ([]indexer.Batch, error) {
	batches, err := c.Consumer.Poll(ctx)
	out := make([]indexer.Batch, len(batches))
	for i, b := range batches {
		out[i] = indexer.Batch{Topic: b.Topic, Partition: b.Partition, Messages: b.Messages,
			Bytes: b.Bytes, FetchedAt: b.FetchedAt, Poison: (*indexer.Poison)(b.Poison)}
	}
	return out, err
}

// Commit is kafka.Consumer.Commit.
func (c Consumer) Commit(ctx context.Context, next ...indexer.Position) error {
	return c.Consumer.Commit(ctx, toKafka(next)...)
}

// Pause is kafka.Consumer.Pause.
func (c Consumer) Pause(parts ...indexer.Position) { c.Consumer.Pause(toKafka(parts)...) }

// Resume is kafka.Consumer.Resume.
func (c Consumer) Resume(parts ...indexer.Position) { c.Consumer.Resume(toKafka(parts)...) }

// Ends asks the broker for the end offsets.
func (c Consumer) Ends(ctx context.Context) ([]indexer.Position, error) {
	lags, err := c.Lag(ctx)
	out := make([]indexer.Position, len(lags))
	for i, l := range lags {
		out[i] = indexer.Position{Topic: l.Topic, Partition: l.Partition, Offset: l.End}
	}
	return out, err
}

func fromKafka(list []kafka.Position) []indexer.Position {
	out := make([]indexer.Position, len(list))
	for i, p := range list {
		out[i] = indexer.Position(p)
	}
	return out
}

func toKafka(list []indexer.Position) []kafka.Position {
	out := make([]kafka.Position, len(list))
	for i, p := range list {
		out[i] = kafka.Position(p)
	}
	return out
}
