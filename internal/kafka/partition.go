package kafka

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// newPartitioner is the client's partitioner for by. For ByQueue it reads the
// queue from the record's Partition, where the producer put it.
func newPartitioner(by PartitionBy) kgo.Partitioner {
	switch by {
	case ByQueue:
		return partitioner(func() kgo.TopicPartitioner { return byQueue{} })
	case ByFlow:
		return partitioner(func() kgo.TopicPartitioner { return &byFlow{} })
	case ByRandom:
		return partitioner(func() kgo.TopicPartitioner { return byRandom{} })
	}
	return partitioner(func() kgo.TopicPartitioner { return &roundRobin{} })
}

// partitioner makes a fresh state for each topic.
type partitioner func() kgo.TopicPartitioner

func (p partitioner) ForTopic(string) kgo.TopicPartitioner { return p() }

type byQueue struct{}

func (byQueue) RequiresConsistency(*kgo.Record) bool { return true }
func (byQueue) Partition(r *kgo.Record, n int) int   { return int(uint32(r.Partition) % uint32(n)) }

type byRandom struct{}

func (byRandom) RequiresConsistency(*kgo.Record) bool { return false }
func (byRandom) Partition(_ *kgo.Record, n int) int   { return rand.IntN(n) }

// byFlow takes the first 8 bytes of the key as the flow's hash. Messages
// without such a key go round.
type byFlow struct{ next uint32 }

const flowHashLen = 8

func (*byFlow) RequiresConsistency(r *kgo.Record) bool { return len(r.Key) >= flowHashLen }

func (p *byFlow) Partition(r *kgo.Record, n int) int {
	if len(r.Key) >= flowHashLen {
		return int(binary.BigEndian.Uint64(r.Key) % uint64(n))
	}
	p.next++
	return int(p.next % uint32(n))
}

// roundRobin goes through all partitions in turn, passing over those whose
// backlog stands far above the others': their leader is away or slow, and they
// would collect the whole buffer. A topic's state is used by one goroutine at a
// time.
type roundRobin struct {
	next int
	left int     // records until the next look at the backlogs
	over []bool  // by partition: passed over
	rows []int64 // backlogs, reused
}

// A partition is passed over when more than backlogBase + backlogTimes × the
// lower quartile of all backlogs waits for it, in messages. Half the partitions
// may be away before the quartile is theirs.
const (
	backlogBase  = 16
	backlogTimes = 4
)

func (*roundRobin) RequiresConsistency(*kgo.Record) bool { return false }
func (p *roundRobin) Partition(*kgo.Record, int) int     { panic("the client asks PartitionByBackup") }

// PartitionByBackup implements kgo.TopicBackupPartitioner.
func (p *roundRobin) PartitionByBackup(_ *kgo.Record, n int, it kgo.TopicBackupIter) int {
	if p.left == 0 || len(p.over) != n {
		p.look(n, it)
		p.left = max(n, 16)
	}
	p.left--
	for range n {
		if at := p.step(n); !p.over[at] {
			return at
		}
	}
	return p.step(n)
}

func (p *roundRobin) step(n int) int {
	at := p.next % n
	p.next = at + 1
	return at
}

// look reads the backlogs and marks the partitions to pass over.
func (p *roundRobin) look(n int, it kgo.TopicBackupIter) {
	p.over = slices.Grow(p.over[:0], n)[:n]
	p.rows = slices.Grow(p.rows[:0], n)[:n]
	for range n {
		at, backlog := it.Next()
		p.rows[at] = backlog
	}
	for i, b := range p.rows {
		p.over[i] = b > backlogBase // most often none, and the sort is saved
	}
	if !slices.Contains(p.over, true) {
		return
	}
	sorted := slices.Sorted(slices.Values(p.rows))
	limit := backlogBase + backlogTimes*sorted[n/4]
	for i, b := range p.rows {
		p.over[i] = b > limit
	}
}
