package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
)

// ReadOptions say what a Reader reads, from where and up to where.
type ReadOptions struct {
	Topics []string
	From   From   // without a group, unless it is FromStored
	Group  string // of FromStored; "" = Config.GroupID
	ToEnd  bool   // Next returns io.EOF behind what is there when reading starts

	// Order merges the partitions: the message with the lowest value comes
	// first, and within a partition the order stays what it is. nil: as they
	// are fetched.
	Order func(m *message.Message) Key
	// Patience is how long a message waits for partitions that have nothing
	// new, which may bring an earlier one. 0: DefaultPatience. For a partition
	// that is behind the end it had at the start it always waits.
	Patience time.Duration
	// MaxHeld is how many bytes of messages may wait for their turn; partitions
	// that are ahead are not fetched beyond it. 0: DefaultMaxHeld.
	MaxHeld int
}

// Defaults of ReadOptions.
const (
	DefaultPatience = 200 * time.Millisecond
	DefaultMaxHeld  = 64 << 20
)

// lookForEnd is how long a poll lasts at most when the end is waited for.
const lookForEnd = 100 * time.Millisecond

// Reader reads topics as one stream of messages. One goroutine at a time.
type Reader struct {
	options ReadOptions
	source  readerSource
	group   *Consumer // with FromStored
	merge   *merge
	lost    uint64 // messages in batches that could not be read
}

// readerSource is a Consumer, or partitions read without a group.
type readerSource interface {
	Poll(ctx context.Context) ([]Batch, error)
	Pause(parts ...Position)
	Resume(parts ...Position)
	Close(ctx context.Context) error
	Fetched() FetchStats
	Health() error
}

// OpenReader asks the brokers for the partitions of the topics and starts
// reading them. Its errors are those of Check and EnsureTopics; a topic that is
// not there is one, named beside those that are. ctx bounds the life of the
// connections; Close all the same.
func OpenReader(ctx context.Context, c Config, o ReadOptions) (*Reader, error) {
	if len(o.Topics) == 0 {
		return nil, errors.New("configure Kafka reader: give at least one topic")
	}
	setDefault(&o.Patience, DefaultPatience)
	setDefault(&o.MaxHeld, DefaultMaxHeld)
	r := &Reader{options: o, merge: newMerge(&o)}
	var spans map[kgoPartition]span
	err := withAdmin(ctx, c, "read Kafka topics", func(ctx context.Context, admin *kadm.Client) error {
		err := topicsExist(ctx, &c, admin, o.Topics)
		if err == nil && o.From != FromStored {
			spans, err = spansOf(ctx, c, admin, &o)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if o.From == FromStored {
		return r.join(ctx, c)
	}
	d, err := openDirect(c, spans)
	if err != nil {
		return nil, err
	}
	for p, s := range spans {
		r.merge.add(p, s)
	}
	r.source = d
	return r, nil
}

// topicsExist is an error that names the topics there are when one is not.
func topicsExist(ctx context.Context, c *Config, admin *kadm.Client, topics []string) error {
	missing, err := missingTopics(ctx, c, admin, topics)
	if err != nil || len(missing) == 0 {
		return err
	}
	there := "there are none"
	if all, err := admin.ListTopics(ctx); err == nil && len(all) > 0 {
		there = "there are " + strings.Join(slices.Sorted(maps.Keys(all)), ", ")
	}
	return fmt.Errorf("%w: %s: %s", ErrTopicMissing, strings.Join(missing, ", "), there)
}

func spansOf(ctx context.Context, c Config, admin *kadm.Client, o *ReadOptions) (map[kgoPartition]span, error) {
	f := fetcher{config: c, admin: admin}
	ends, err := f.ends(ctx, o.Topics...)
	if err != nil {
		return nil, err
	}
	return o.From.locate(ctx, admin, o.Topics, ends)
}

// join reads as a member of the group.
func (r *Reader) join(ctx context.Context, c Config) (*Reader, error) {
	g := Group{
		ID: r.options.Group, Topics: r.options.Topics,
		OnAssigned: r.assigned,
		OnRevoked:  func(_ context.Context, at []Position) { r.merge.remove(at) },
		OnLost:     func(at []Position) { r.merge.remove(at) },
	}
	var err error
	if r.group, err = NewConsumer(ctx, c, g); err != nil {
		return nil, err
	}
	r.source = r.group
	return r, nil
}

// assigned is the group's hook; it runs only while Next waits in Poll.
func (r *Reader) assigned(ctx context.Context, at []Position) error {
	ends, err := r.group.ends(ctx, r.options.Topics...)
	if err != nil {
		return err
	}
	r.merge.begun = true
	for _, p := range at {
		end := p.Offset
		if l, ok := ends.Lookup(p.Topic, p.Partition); ok {
			end = l.Offset
		}
		r.merge.add(kgoPartition{p.Topic, p.Partition}, span{start: p.Offset, end: end})
	}
	return nil
}

// Next waits for messages and returns those whose turn it is, valid until the
// next call. io.EOF: with ToEnd, everything was returned. When ctx ends first,
// its error is returned and nothing is lost. Other errors are Consumer.Poll's.
func (r *Reader) Next(ctx context.Context) ([]*message.Message, error) {
	for {
		var due time.Time
		var turn []*message.Message
		if turn, due = r.merge.pop(time.Now()); len(turn) > 0 {
			return turn, nil
		}
		if r.options.ToEnd && r.merge.done() {
			return nil, io.EOF
		}
		if err := r.poll(ctx, due); err != nil {
			return nil, err
		}
	}
}

// poll fetches once, at most until due, when a message that waits is to go.
func (r *Reader) poll(ctx context.Context, due time.Time) error {
	pause, resume := r.merge.throttle()
	r.source.Pause(pause...)
	r.source.Resume(resume...)
	if r.options.ToEnd && due.IsZero() {
		// Where a group has everything already, no message comes: the end is
		// seen by looking, once partitions are assigned.
		due = time.Now().Add(lookForEnd)
	}
	until := ctx
	if !due.IsZero() {
		var cancel context.CancelFunc
		until, cancel = context.WithDeadline(ctx, due)
		defer cancel()
	}
	batches, err := r.source.Poll(until)
	for i := range batches {
		if p := batches[i].Poison; p != nil {
			r.lost += uint64(p.Last - p.First + 1)
		}
		r.merge.push(&batches[i])
	}
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Unreadable is how many offsets were stepped over because their batch was
// damaged: at least as many as the messages lost with it.
func (r *Reader) Unreadable() uint64 { return r.lost }

// Commit stores the next offsets to read, with FromStored; else it does
// nothing. ErrRebalanced is no failure: another member reads on from the
// commit before.
func (r *Reader) Commit(ctx context.Context, next ...Position) error {
	if r.group == nil {
		return nil
	}
	return r.group.Commit(ctx, next...)
}

// Health is nil while the brokers can be reached; else why not, in words.
func (r *Reader) Health() error { return r.source.Health() }

// Close ends the reading. It may be called twice.
func (r *Reader) Close(ctx context.Context) error { return r.source.Close(ctx) }

// direct reads partitions without a group.
type direct struct {
	fetcher
	closed bool
}

// openDirect reads each partition from the start of its span on.
func openDirect(c Config, spans map[kgoPartition]span) (*direct, error) {
	d := &direct{}
	d.config = c.withDefaults()
	at := map[string]map[int32]kgo.Offset{}
	for p, s := range spans {
		if at[p.topic] == nil {
			at[p.topic] = map[int32]kgo.Offset{}
		}
		at[p.topic][p.partition] = kgo.NewOffset().At(s.start)
	}
	// An offset that retention has passed meanwhile: the oldest there is.
	if err := d.connect(kgo.NewClient, kgo.ConsumePartitions(at), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())); err != nil {
		return nil, fmt.Errorf("configure Kafka reader: %w", err)
	}
	return d, nil
}

// Poll is Consumer.Poll.
func (d *direct) Poll(ctx context.Context) ([]Batch, error) {
	for {
		batches, err := d.take(d.client.PollRecords(ctx, 0))
		if len(batches) > 0 || err != nil {
			return batches, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// Close ends the connections. It may be called twice.
func (d *direct) Close(context.Context) error {
	if !d.closed {
		d.closed = true
		d.disconnect()
	}
	return nil
}
