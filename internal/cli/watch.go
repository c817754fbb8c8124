package cli

import (
	"context"
	"fmt"
	"time"

	"xcapa/internal/elastic"
	"xcapa/internal/indexer"
	"xcapa/internal/kafka"
	"xcapa/internal/status"
)

// batchStatus is a batch of a consuming stage as the page shows it.
func batchStatus(b indexer.BatchStats) status.Batch {
	return status.Batch{Fetched: b.FetchedAt, Topic: b.Topic, Partition: b.Partition, Messages: b.Messages, Packets: b.Packets,
		Scheduling: status.Duration(b.SchedulingDelay), Processing: status.Duration(b.ProcessingTime)}
}

// lagEvery is how often the brokers are asked for the group's lag.
const lagEvery = 5 * time.Second

// lagger can say how far a consumer group is behind; kafka.Consumer can.
type lagger interface {
	Lag(ctx context.Context) ([]kafka.PartitionLag, error)
}

// watchLag tells rec of the lag until ctx ends.
func watchLag(ctx context.Context, of lagger, rec *status.Recorder) {
	tick := time.NewTicker(lagEvery)
	defer tick.Stop()
	for {
		ask, cancel := context.WithTimeout(ctx, lagEvery)
		lag, err := of.Lag(ask)
		cancel()
		if ctx.Err() != nil {
			return
		}
		rec.SetLag(lagStatus(lag), err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func lagStatus(lag []kafka.PartitionLag) []status.Lag {
	out := make([]status.Lag, len(lag))
	for i, l := range lag {
		out[i] = status.Lag{Topic: l.Topic, Partition: l.Partition, End: l.End, Committed: l.Committed, Lag: l.Lag}
	}
	return out
}

// elasticTrouble is why documents wait, as an error; nil while they do not.
func elasticTrouble(t elastic.Trouble, waits bool) error {
	if !waits {
		return nil
	}
	return fmt.Errorf("documents wait for Elasticsearch since %s: %s: %s", t.Since.UTC().Format(time.TimeOnly), t.Kind, t.Text)
}
