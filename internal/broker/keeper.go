package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// idleGroup is how long a group without members keeps records it has not
// committed when the broker is under pressure: someone tried a consumer and
// went away.
const idleGroup = 10 * time.Minute

// keeper deletes what has been read and tells the gate what is held.
type keeper struct {
	config  Config
	cluster *kfake.Cluster
	gate    *gate
	client  *kgo.Client
	admin   *kadm.Client
	full    bool   // said so
	refused uint64 // the gate's count when last said
}

func newKeeper(c Config, cluster *kfake.Cluster, gate *gate, addr string) (*keeper, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ClientID("xcapa-keeper"), kgo.DisableClientMetrics())
	if err != nil {
		return nil, err
	}
	return &keeper{config: c, cluster: cluster, gate: gate, client: client, admin: kadm.NewClient(client)}, nil
}

func (k *keeper) close() { k.client.Close() }

// trimGap is the least time between two trims.
const trimGap = 50 * time.Millisecond

// run trims until ctx ends: every TrimEvery, and when half the budget is held.
func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(k.config.TrimEvery)
	defer tick.Stop()
	said := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-k.gate.half:
		}
		if err := k.trim(ctx); err != nil && ctx.Err() == nil {
			k.config.Logger.Warn("embedded broker: " + err.Error())
		}
		if time.Since(said) >= time.Second {
			k.tell()
			said = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(trimGap):
		}
	}
}

// trim deletes what every group has committed, then what the rings hold too
// much of, and measures the rest.
func (k *keeper) trim(ctx context.Context) error {
	groups, err := k.groups(ctx)
	if err != nil {
		return err
	}
	topics, err := k.admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	pressed := k.gate.estimate() > k.gate.budget*3/4
	for _, topic := range topics.Names() {
		for _, p := range k.cluster.PartitionInfos(topic) {
			to, ok := floor(groups, topic, p, pressed, time.Now())
			if !ok || to <= p.LogStartOffset {
				continue
			}
			if err := k.cluster.DeleteRecords(topic, p.Partition, to); err != nil {
				return fmt.Errorf("delete what is committed of %s partition %d: %w", topic, p.Partition, err)
			}
		}
	}
	k.cluster.ApplyRetention()

	done := k.gate.look()
	var held int64
	for _, topic := range topics.Names() {
		for _, p := range k.cluster.PartitionInfos(topic) {
			held += p.NumBytes
		}
	}
	done(held)
	return nil
}

func (k *keeper) groups(ctx context.Context) ([]*kfake.GroupInfo, error) {
	listed, err := k.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list consumer groups: %w", err)
	}
	var groups []*kfake.GroupInfo
	for _, name := range listed.Groups() {
		if g := k.cluster.GroupInfo(name); g != nil {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// floor is the lowest offset any group that reads p still needs; false when no
// group reads it. Under pressure a group that has had no member for long, as
// its commits tell, needs nothing.
func floor(groups []*kfake.GroupInfo, topic string, p *kfake.PartitionInfo, pressed bool, now time.Time) (int64, bool) {
	lowest, reads := p.HighWatermark, false
	for _, g := range groups {
		commit, committed := g.Commits[topic][p.Partition]
		switch {
		case pressed && len(g.Members) == 0 && now.Sub(lastCommit(g)) > idleGroup:
		case committed:
			lowest, reads = min(lowest, commit.Offset), true
		case subscribed(g, topic):
			return p.LogStartOffset, true
		}
	}
	return lowest, reads
}

func lastCommit(g *kfake.GroupInfo) (last time.Time) {
	for _, partitions := range g.Commits {
		for _, c := range partitions {
			if c.At.After(last) {
				last = c.At
			}
		}
	}
	return last
}

func subscribed(g *kfake.GroupInfo, topic string) bool {
	for _, m := range g.Members {
		if len(m.Assignment[topic]) > 0 {
			return true
		}
		for _, t := range m.SubscribedTopics {
			if t == topic {
				return true
			}
		}
	}
	return false
}

// tell says when producers begin to be refused, and when no more.
func (k *keeper) tell() {
	refused := k.gate.refused.Load()
	switch now := refused > k.refused; {
	case now && !k.full:
		k.config.Logger.Warn(fmt.Sprintf("embedded broker is full: %d MiB are not read yet, producers are refused; the consumers are too slow or there are none (limit %d MiB)",
			k.gate.estimate()>>20, k.config.Limit>>20))
		k.full = true
	case !now && k.full:
		k.config.Logger.Info("embedded broker has room again", "refused_requests", refused)
		k.full = false
	}
	k.refused = refused
}
