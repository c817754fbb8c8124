package kafka

import (
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
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
	if at := message.FlowPartition(r.Key, n); at >= 0 {
		return at
	}
	p.next++
	return int(p.next % uint32(n))
}

// roundRobin goes through all partitions in turn, passing over those whose
// backlog stands far above the others': their leader is away or slow, and they
// would collect the whole buffer. A topic's state is used by one goroutine at a
// time.
type roundRobin struct{ rotation }

func (*roundRobin) RequiresConsistency(*kgo.Record) bool { return false }
func (p *roundRobin) Partition(*kgo.Record, int) int     { panic("the client asks PartitionByBackup") }

// PartitionByBackup implements kgo.TopicBackupPartitioner.
func (p *roundRobin) PartitionByBackup(_ *kgo.Record, n int, it kgo.TopicBackupIter) int {
	if p.stale(n) {
		for range n {
			at, backlog := it.Next()
			p.rows[at] = backlog
		}
		p.judge(messageBacklog)
	}
	return p.next(n)
}

// rotation is a place in the round of all partitions, and which of them to pass
// over.
type rotation struct {
	at   int
	left int     // choices until the next look at the backlogs
	over []bool  // by partition: passed over
	rows []int64 // backlogs, reused
}

// A partition is passed over when more than a base + backlogTimes × the lower
// quartile of all backlogs waits for it. Half the partitions may be away before
// the quartile is theirs.
const (
	messageBacklog = 16 // the base in messages
	batchBacklog   = 4  // in batches, which are larger
	backlogTimes   = 4
)

// pick chooses one of n partitions: the next, or any. backlog is what waits for
// one.
func (r *rotation) pick(n int, anywhere bool, base int64, backlog func(i int) int64) int {
	if r.stale(n) {
		for i := range r.rows {
			r.rows[i] = backlog(i)
		}
		r.judge(base)
	}
	if anywhere {
		r.at = rand.IntN(n)
	}
	return r.next(n)
}

// next is the next of n partitions that is not to be passed over.
func (r *rotation) next(n int) int {
	for range n {
		if at := r.step(n); !r.over[at] {
			return at
		}
	}
	return r.step(n)
}

func (r *rotation) step(n int) int {
	at := r.at % n
	r.at = at + 1
	return at
}

// stale is whether rows is to be filled again and judged.
func (r *rotation) stale(n int) bool {
	if r.left > 0 && len(r.over) == n {
		r.left--
		return false
	}
	r.left = max(n, 16) - 1
	r.over = slices.Grow(r.over[:0], n)[:n]
	r.rows = slices.Grow(r.rows[:0], n)[:n]
	return true
}

// judge marks the partitions to pass over by rows.
func (r *rotation) judge(base int64) {
	for i, b := range r.rows {
		r.over[i] = b > base // most often none, and the sort is saved
	}
	if !slices.Contains(r.over, true) {
		return
	}
	sorted := slices.Sorted(slices.Values(r.rows))
	limit := base + backlogTimes*sorted[len(sorted)/4]
	for i, b := range r.rows {
		r.over[i] = b > limit
	}
}
