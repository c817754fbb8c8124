package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// assigned is called by the client with the committed offsets of partitions
// that are now ours, before it reads them, at any time: it waits for the gate.
// Where nothing is committed the client has put our start policy, which is made
// an offset here, so that OnAssigned and the client go by the same number.
func (r *Consumer) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	if !r.enter(ctx) {
		return nil, ctx.Err() // the next rebalance is here already
	}
	defer r.leave()
	if err := r.resolve(ctx, offsets); err != nil {
		return nil, fmt.Errorf("find where to start reading: %w", err)
	}
	var at []Position
	for topic, partitions := range offsets {
		for partition, o := range partitions {
			at = append(at, Position{Topic: topic, Partition: partition, Offset: o.EpochOffset().Offset})
		}
	}
	if len(at) == 0 {
		return offsets, nil
	}
	sortPositions(at)
	if r.group.OnAssigned != nil {
		if err := r.group.OnAssigned(ctx, at); err != nil {
			if ctx.Err() == nil {
				r.fail(fmt.Errorf("take over partitions of group %s: %w", r.group.ID, err))
			}
			return nil, err
		}
	}
	for _, p := range at {
		r.next[kgoPartition{p.Topic, p.Partition}] = p.Offset
	}
	return offsets, nil
}

// enter waits until the owner is inside Poll or Close and no other hook runs.
func (r *Consumer) enter(ctx context.Context) bool {
	select {
	case r.gate <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Consumer) leave() { <-r.gate }

// resolve replaces "begin" and "end" by the offsets they stand for now.
func (r *Consumer) resolve(ctx context.Context, offsets map[string]map[int32]kgo.Offset) error {
	var topics []string
	for topic, partitions := range offsets {
		for _, o := range partitions {
			if o.EpochOffset().Offset < 0 {
				topics = append(topics, topic)
				break
			}
		}
	}
	if len(topics) == 0 {
		return nil
	}
	list := r.admin.ListStartOffsets
	if r.config.Start == StartEnd {
		list = r.admin.ListEndOffsets
	}
	listed, err := list(ctx, topics...)
	if err != nil {
		return err
	}
	for topic, partitions := range offsets {
		for partition, o := range partitions {
			if o.EpochOffset().Offset >= 0 {
				continue
			}
			l, ok := listed.Lookup(topic, partition)
			if !ok {
				return fmt.Errorf("the broker lists no offsets of %s partition %d", topic, partition)
			}
			if l.Err != nil {
				return fmt.Errorf("%s partition %d: %w", topic, partition, l.Err)
			}
			partitions[partition] = kgo.NewOffset().At(l.Offset)
		}
	}
	return nil
}

// revoked is called by the client before partitions go to someone else.
func (r *Consumer) revoked(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	if !r.enter(ctx) {
		return
	}
	defer r.leave()
	at := r.positions(parts)
	if len(at) == 0 {
		return // the end of a session that moves nothing
	}
	if c := r.closing.Load(); c != nil {
		ctx = *c
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rebalanceTimeout-5*time.Second)
		defer cancel()
	}
	if r.group.OnRevoked != nil {
		r.group.OnRevoked(ctx, at)
	}
	r.forget(at)
}

// lost is revoked without a chance to commit.
func (r *Consumer) lost(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	if !r.enter(ctx) {
		return
	}
	defer r.leave()
	at := r.positions(parts)
	if len(at) == 0 {
		return
	}
	r.config.Logger.Warn("kafka: lost partitions: this process was silent for too long, or the group was reset", "group", r.group.ID, "partitions", len(at))
	if r.group.OnLost != nil {
		r.group.OnLost(at)
	}
	r.forget(at)
}

// positions are the partitions of parts that OnAssigned was told of: a session
// may end between the client's assignment and ours.
func (r *Consumer) positions(parts map[string][]int32) []Position {
	var at []Position
	for topic, partitions := range parts {
		for _, partition := range partitions {
			if offset, ok := r.next[kgoPartition{topic, partition}]; ok {
				at = append(at, Position{Topic: topic, Partition: partition, Offset: offset})
			}
		}
	}
	sortPositions(at)
	return at
}

func (r *Consumer) forget(at []Position) {
	for _, p := range at {
		delete(r.next, kgoPartition{p.Topic, p.Partition})
	}
	r.Resume(at...)
}

func (r *Consumer) fail(err error) { r.fatal.CompareAndSwap(nil, &err) }

func (r *Consumer) fatalError() error {
	if p := r.fatal.Load(); p != nil {
		return *p
	}
	return nil
}

func sortPositions(at []Position) {
	slices.SortFunc(at, func(a, b Position) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}
