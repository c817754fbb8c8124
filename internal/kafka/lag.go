package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// PartitionLag is how far a group is behind in one partition.
type PartitionLag struct {
	Topic     string
	Partition int32
	Start     int64 // first offset the broker still has
	End       int64 // next offset to be written
	Committed int64 // next offset to be read; -1: nothing committed
	Lag       int64 // messages between: End - Committed, from Start (or none, by the start policy) where nothing usable is committed
}

// Lag asks the broker for all partitions of the group's topics, also those of
// other members, sorted.
func (r *Consumer) Lag(ctx context.Context) ([]PartitionLag, error) {
	verb := "find the lag of group " + r.group.ID
	starts, err := r.admin.ListStartOffsets(ctx, r.group.Topics...)
	if err != nil {
		return nil, explain(verb, &r.config, err)
	}
	ends, err := r.ends(ctx, r.group.Topics...)
	if err != nil {
		return nil, explain(verb, &r.config, err)
	}
	committed, err := r.admin.FetchOffsets(ctx, r.group.ID)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has committed: a group nobody was in yet
		return nil, explain(verb, &r.config, err)
	}
	var lags []PartitionLag
	for _, e := range ends.Offsets().Sorted() {
		l := PartitionLag{Topic: e.Topic, Partition: e.Partition, End: e.At, Committed: -1}
		if s, ok := starts.Lookup(e.Topic, e.Partition); ok && s.Err == nil {
			l.Start = s.Offset
		}
		if c, ok := committed.Lookup(e.Topic, e.Partition); ok && c.Err == nil {
			l.Committed = c.At
		}
		l.Lag = r.behind(l)
		lags = append(lags, l)
	}
	return lags, nil
}

func (r *Consumer) behind(l PartitionLag) int64 {
	switch {
	case l.Committed >= l.Start:
		return max(l.End-l.Committed, 0)
	case r.config.Start == StartEnd:
		return 0
	}
	return l.End - l.Start
}

// Committed is what the group has committed of its topics, sorted; partitions
// without are left out.
func (r *Consumer) Committed(ctx context.Context) ([]Position, error) {
	offsets, err := r.admin.FetchOffsetsForTopics(ctx, r.group.ID, r.group.Topics...)
	if err == nil {
		err = offsets.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("fetch committed offsets of group "+r.group.ID, &r.config, err)
	}
	var at []Position
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.At >= 0 {
			at = append(at, Position{Topic: o.Topic, Partition: o.Partition, Offset: o.At})
		}
	})
	sortPositions(at)
	return at, nil
}

// Ends is the end offset (next to be written) of every partition of the
// group's topics, as of now.
func (r *Consumer) Ends(ctx context.Context) ([]Position, error) {
	lags, err := r.Lag(ctx)
	ends := make([]Position, len(lags))
	for i, l := range lags {
		ends[i] = Position{Topic: l.Topic, Partition: l.Partition, Offset: l.End}
	}
	return ends, err
}
