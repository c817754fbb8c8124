package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
)

// What one fetch may bring, per broker and per partition: with the client's
// one fetch ahead, the memory a slow destination can make us hold. Both are
// compressed bytes.
const (
	fetchMaxBytes          = 16 << 20
	fetchMaxPartitionBytes = 1 << 20
)

// What a consumer brings is in the shape that all rooms share.
type (
	Position = message.Position
	Batch    = message.Batch
	Poison   = message.Poison
)

// FetchStats counts what a consumer fetched.
type FetchStats struct {
	Messages, Bytes uint64 // Bytes as in Batch
	Poison          uint64 // unreadable batches stepped over
	DataLoss        uint64 // times the broker had lost records we had not read
}

type kgoPartition struct {
	topic     string
	partition int32
}

// fetcher is what a Consumer and a Reader share: a client that fetches, and
// what becomes of its fetches.
type fetcher struct {
	config Config // with its defaults
	client *kgo.Client
	admin  *kadm.Client
	link   link
	unzip  *decompressor
	next   map[kgoPartition]int64 // what a poll returns next; a Consumer's is touched with its gate full

	messages, bytes, poison, dataLoss atomic.Uint64
}

// connect makes the client by create; config is set before. It dials nobody.
func (f *fetcher) connect(create func(...kgo.Opt) (*kgo.Client, error), more ...kgo.Opt) error {
	opts, err := clientOptions(&f.config, &f.link)
	if err != nil {
		return err
	}
	pools := new(pools)
	if f.unzip, err = newDecompressor(f.config.MaxDecompressed, pools); err != nil {
		return err
	}
	isolation := kgo.ReadCommitted()
	if f.config.ReadUncommitted {
		isolation = kgo.ReadUncommitted()
	}
	opts = append(opts,
		kgo.WithDecompressor(f.unzip),
		kgo.WithPools(pools),
		kgo.FetchIsolationLevel(isolation),
		// A transaction's end marker takes an offset. Without seeing it, what
		// stands before the end of a partition could not be told from the end.
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchMaxPartitionBytes(fetchMaxPartitionBytes),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.AlwaysRetryEOF(), // a connection cut early is no reason to end; Check finds missing SASL
	)
	if f.client, err = create(append(opts, more...)...); err != nil {
		f.unzip.close()
		return err
	}
	f.admin = kadm.NewClient(f.client)
	f.next = map[kgoPartition]int64{}
	return nil
}

func (f *fetcher) disconnect() {
	f.client.Close()
	f.unzip.close()
}

// take turns what the client brought into batches and the first final error.
func (f *fetcher) take(fetches kgo.Fetches) (batches []Batch, final error) {
	now := time.Now()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			batches = append(batches, f.batch(p, now))
		}
		if p.Err == nil {
			return
		}
		if poison, ok := f.stepOver(p, now); ok {
			batches = append(batches, poison)
		} else if err := f.fetchError(p); err != nil && final == nil {
			final = err
		}
	})
	return batches, final
}

// batch hands on the client's records, which become messages when they are read.
func (f *fetcher) batch(p kgo.FetchTopicPartition, now time.Time) Batch {
	b := Batch{Topic: p.Topic, Partition: p.Partition, FetchedAt: now, Next: p.Records[len(p.Records)-1].Offset + 1}
	list, bytes := withoutControl(p.Records)
	b.Records, b.Bytes = list, bytes
	f.next[kgoPartition{p.Topic, p.Partition}] = b.Next
	f.messages.Add(uint64(len(list)))
	f.bytes.Add(uint64(bytes))
	return b
}

// stepOver moves the partition behind a batch that cannot be decompressed.
func (f *fetcher) stepOver(p kgo.FetchTopicPartition, now time.Time) (Batch, bool) {
	var bad *kgo.ErrDecompressTooLarge
	if !errors.As(p.Err, &bad) {
		return Batch{}, false
	}
	f.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{
		p.Topic: {p.Partition: {Epoch: bad.Epoch, Offset: bad.NextOffset}},
	})
	f.next[kgoPartition{p.Topic, p.Partition}] = bad.NextOffset
	f.poison.Add(1)
	err := fmt.Errorf("read %s partition %d offsets %d to %d: the batch is damaged or decompresses to more than %d bytes",
		p.Topic, p.Partition, bad.Offset, bad.NextOffset-1, f.config.MaxDecompressed)
	f.config.Logger.Warn(err.Error())
	return Batch{Topic: p.Topic, Partition: p.Partition, FetchedAt: now, Next: bad.NextOffset,
		Poison: &Poison{First: bad.Offset, Last: bad.NextOffset - 1, Err: err}}, true
}

// fetchError sorts what the client reports beside records. nil: it deals with
// it itself, or the caller's context ended.
func (f *fetcher) fetchError(p kgo.FetchTopicPartition) error {
	var lost *kgo.ErrDataLoss
	var session *kgo.ErrGroupSession
	switch err := p.Err; {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil // Poll looks at its own context
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("poll Kafka: %w", ErrClosed)
	case errors.As(err, &lost):
		f.dataLoss.Add(1)
		f.config.Logger.Warn("kafka: " + lost.Error())
		return nil
	case errors.As(err, &session):
		if kgo.IsRetryableBrokerErr(session.Err) || kerr.IsRetriable(session.Err) || isNetwork(session.Err) || isMoved(session.Err) {
			return nil // the client joins again by itself
		}
		return explain("join the consumer group", &f.config, session.Err)
	default:
		where := "read topic " + p.Topic
		if p.Partition >= 0 {
			where = fmt.Sprintf("%s partition %d", where, p.Partition)
		}
		return explain(where, &f.config, err)
	}
}

// Pause stops fetching partitions, and drops what was fetched ahead of Poll;
// Resume goes on where Poll left off. A pause ends when its partition goes.
func (f *fetcher) Pause(parts ...Position) { f.client.PauseFetchPartitions(byTopic(parts)) }

// Resume undoes Pause.
func (f *fetcher) Resume(parts ...Position) { f.client.ResumeFetchPartitions(byTopic(parts)) }

func byTopic(parts []Position) map[string][]int32 {
	m := map[string][]int32{}
	for _, p := range parts {
		m[p.Topic] = append(m[p.Topic], p.Partition)
	}
	return m
}

// ends lists the offsets behind what may be read now: with transactions, up to
// the first one that is open.
func (f *fetcher) ends(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
	list := f.admin.ListCommittedOffsets
	if f.config.ReadUncommitted {
		list = f.admin.ListEndOffsets
	}
	listed, err := list(ctx, topics...)
	if err == nil {
		err = listed.Error()
	}
	return listed, err
}

// Fetched is what was read so far.
func (f *fetcher) Fetched() FetchStats {
	return FetchStats{Messages: f.messages.Load(), Bytes: f.bytes.Load(), Poison: f.poison.Load(), DataLoss: f.dataLoss.Load()}
}

// Health is nil while the brokers can be reached, as far as the last attempt
// told; else why not, in words.
func (f *fetcher) Health() error { return explain("reach Kafka", &f.config, f.link.last()) }
