package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/kafka"
	"xcapa/internal/message"
)

// topicFlags say what consume and tail read of Kafka, from where and up to
// where.
type topicFlags struct {
	kafka  kafkaFlags
	topics []string
	start  string
	group  string
	toEnd  bool
	count  int64
}

func (f *topicFlags) register(cmd *cobra.Command, topic, start, group string) {
	f.kafka.register(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.topics, "topic", []string{topic}, "`TOPICS` to read")
	flags.StringVar(&f.start, "start", start, "where to start: `PLACE` is begin, end, stored, an offset (-10: ten before the end) or a time (2026-11-23T05:38:00Z, @1795412282, 10m: ten minutes ago)")
	flags.StringVar(&f.group, "group", group, "consumer group `ID` of --start stored; it is told what was written")
	flags.BoolVarP(&f.toEnd, "exit", "e", false, "stop at the end the topic has now")
	flags.Int64VarP(&f.count, "count", "c", 0, "stop after `COUNT` packets")
}

// open starts reading; order is the place of a message among those of other
// partitions.
func (f *topicFlags) open(ctx context.Context, s *streams, quiet bool, order func(*message.Message) kafka.Key) (*kafka.Reader, error) {
	switch {
	case !f.kafka.hasBrokers():
		return nil, usageErrorf("no brokers: name them with --brokers, as in --brokers kafka:9092")
	case f.count < 0:
		return nil, usageErrorf("-c %d: want the number of packets to stop after", f.count)
	}
	from, err := kafka.ParseFrom(f.start)
	if err != nil {
		return nil, usageErrorf("--start %w", err)
	}
	cfg, err := f.kafka.config(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	cfg.Logger = peopleLogger(s, quiet)
	group := f.group
	if cfg.GroupID != "" { // -X group.id, as pycapa's users have it
		group = cfg.GroupID
	}
	r, err := kafka.OpenReader(ctx, cfg, kafka.ReadOptions{Topics: f.topics, From: from, Group: group, ToEnd: f.toEnd, Order: order})
	return r, kafkaError(err)
}

// peopleLogger writes what is noteworthy for people, unless quiet: then only
// what is wrong.
func peopleLogger(s *streams, quiet bool) *slog.Logger {
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// topicSink takes messages one after another. errEnough and errOutputClosed end
// the reading without being failures; with the first, the message was taken.
type topicSink interface {
	take(m *message.Message) error
	// flush writes out what was taken: it may then be committed.
	flush() error
}

// How long what was taken may stay unwritten, and written uncommitted.
const (
	sinkFlushEvery  = 200 * time.Millisecond
	sinkCommitEvery = time.Second
)

// follower moves messages from a reader to a sink.
type follower struct {
	reader    *kafka.Reader
	sink      topicSink
	atOnce    bool                       // flush whenever nothing more is there to take
	taken     map[message.Position]int64 // by partition, the next offset; not committed yet
	flushed   time.Time                  // the last time
	committed time.Time                  // the last time
	dirty     bool                       // taken since flushed
}

// follow takes messages until ctx ends, the sink has enough or, with ToEnd,
// the end; then it flushes, commits and closes the reader.
func follow(ctx context.Context, r *kafka.Reader, sink topicSink, atOnce bool) error {
	f := &follower{reader: r, sink: sink, atOnce: atOnce, taken: map[message.Position]int64{}}
	f.flushed, f.committed = time.Now(), time.Now()
	err := f.run(ctx)
	if e := f.write(); e != nil && err == nil {
		err = e
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err == nil {
		err = f.commit(end)
	}
	return errors.Join(err, r.Close(end))
}

func (f *follower) run(ctx context.Context) error {
	for {
		wait, cancel := f.patience(ctx)
		list, err := f.reader.Next(wait)
		cancel()
		for _, m := range list {
			switch err := f.sink.take(m); {
			case errors.Is(err, errEnough):
				f.note(m)
				return nil
			case errors.Is(err, errOutputClosed):
				return nil
			case err != nil:
				return err
			}
			f.note(m)
		}
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return kafkaError(err)
		}
		if err := f.tidy(ctx); errors.Is(err, errOutputClosed) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// patience is ctx, with the time until something must be written or committed.
func (f *follower) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	switch {
	case f.dirty:
		return context.WithDeadline(ctx, f.flushed.Add(sinkFlushEvery))
	case len(f.taken) > 0:
		return context.WithDeadline(ctx, f.committed.Add(sinkCommitEvery))
	}
	return ctx, func() {}
}

func (f *follower) note(m *message.Message) {
	f.dirty = true
	f.taken[message.Position{Topic: m.Topic, Partition: m.Partition}] = m.Offset + 1
}

// tidy writes and commits what is due.
func (f *follower) tidy(ctx context.Context) error {
	now := time.Now()
	if f.dirty && (f.atOnce || now.Sub(f.flushed) >= sinkFlushEvery) {
		if err := f.write(); err != nil {
			return err
		}
	}
	if !f.dirty && len(f.taken) > 0 && now.Sub(f.committed) >= sinkCommitEvery {
		return f.commit(ctx)
	}
	return nil
}

func (f *follower) write() error {
	f.dirty, f.flushed = false, time.Now()
	err := f.sink.flush()
	if errors.Is(err, errOutputClosed) {
		clear(f.taken) // nobody knows how much of it was read
		return nil
	}
	return err
}

// commit tells the group, if there is one, what was written.
func (f *follower) commit(ctx context.Context) error {
	f.committed = time.Now()
	var next []message.Position
	for p, offset := range f.taken {
		p.Offset = offset
		next = append(next, p)
	}
	clear(f.taken)
	err := f.reader.Commit(ctx, next...)
	if errors.Is(err, kafka.ErrRebalanced) {
		return nil // who has the partition now reads on from the commit before
	}
	return err
}
