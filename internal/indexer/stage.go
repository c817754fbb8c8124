package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// Defaults of Config: what its zero values mean.
const (
	DefaultCommitInterval = time.Second
	DefaultFlushTimeout   = 20 * time.Second
	DefaultMaxQueuedBytes = 64 << 20
)

// DeadLetter puts a failure into the errors topic and returns when the broker
// has it, or why it has not. f is valid until it returns.
type DeadLetter func(ctx context.Context, f *codec.Failure) error

// Reader turns a message into rows; codec.Reader is one. The rows of a message
// stay valid until the next Read. An error means that the message cannot be
// read, and that fn was not called for it or must not count.
type Reader interface {
	Read(m *message.Message, fn func(row *codec.Row) error) error
}

// Config is what the stage needs beside its two doors.
type Config struct {
	Name       string // of the stage in error records; "" = "index"
	Reader     Reader // for New
	DeadLetter DeadLetter

	// Once ends Run at the end offsets that the partitions had at start. A
	// partition that ends in something other than a message (the marker of a
	// transaction) does not reach its end before the next message. With
	// Transactional what was polled behind the ends is done too.
	Once bool

	// Transactional says that a Commit of the consumer takes everything that was
	// polled, together with what was produced of it, or nothing: the stage then
	// settles all it has before each. OnTransaction is told how each one ended.
	Transactional bool
	OnTransaction func(committed bool)

	CommitInterval time.Duration // 0 = DefaultCommitInterval
	FlushTimeout   time.Duration // limit for a flush at rebalance and exit; 0 = DefaultFlushTimeout
	MaxQueuedBytes int64         // of messages polled and not yet taken; 0 = DefaultMaxQueuedBytes

	// OnBatch is told of each batch whose last message is settled. It is called
	// from any goroutine and must not block. nil is allowed.
	OnBatch func(BatchStats)

	Logger *slog.Logger // nil: silent
}

// Stage reads topics as a member of a group and commits what its Work has
// settled. Make it with New or NewParallel, give its hooks to the consumer, call
// Run once.
type Stage struct {
	config  Config
	offsets offsets
	load    load
	books   books
	newWork func(topic string, partition int32) Work // nil: shared does everything
	shared  *lane                                    // set by Run
	work    Work                                     // of shared
	revoked func(topic string, partition int32)      // nil: nobody wants to know
	room    func() ledger.Room                       // of what the stage writes to

	consumer  Consumer        // set by Run
	life      context.Context // set by Run: of the lanes
	lanesDone sync.WaitGroup
	paused    bool
	moved     bool // partitions have gone in this transaction: it can only be aborted

	mu     sync.Mutex
	lanes  map[partition]*lane // with newWork
	wake   context.CancelFunc  // ends the Poll under way
	failed error               // why the stage gave up
	begun  bool                // partitions have been assigned
	polled map[partition]int64
	ends   map[partition]int64 // with Once
}

// New makes a stage that writes rows to dest, which one goroutine does for all
// partitions. The caller closes dest after Run.
func New(c Config, dest Destination) (*Stage, error) {
	if c.Reader == nil {
		return nil, errors.New("configure the index stage: give a reader")
	}
	s, err := newStage(c, dest.Room)
	if err != nil {
		return nil, err
	}
	s.work = &rowWork{reader: c.Reader, dest: dest, books: &s.books}
	if d, ok := dest.(releaser); ok {
		s.revoked = d.Revoked
	}
	return s, nil
}

// NewParallel makes a stage with one goroutine, and one Work of newWork's, for
// each partition it is given. room is the account of where they write to.
func NewParallel(c Config, newWork func(topic string, partition int32) Work, room func() ledger.Room) (*Stage, error) {
	s, err := newStage(c, room)
	if err != nil {
		return nil, err
	}
	s.newWork = newWork
	return s, nil
}

func newStage(c Config, room func() ledger.Room) (*Stage, error) {
	if c.DeadLetter == nil {
		return nil, errors.New("configure the stage: give an errors topic")
	}
	setDefault(&c.Name, "index")
	setDefault(&c.CommitInterval, DefaultCommitInterval)
	setDefault(&c.FlushTimeout, DefaultFlushTimeout)
	setDefault(&c.MaxQueuedBytes, DefaultMaxQueuedBytes)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Stage{config: c, room: room, polled: map[partition]int64{}, lanes: map[partition]*lane{}}
	s.load.low, s.load.drained = c.MaxQueuedBytes/2, s.interrupt
	return s, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

var errStopped = errors.New("the stage has stopped")

// Run reads from consumer until ctx ends (nil), with Once until everything is
// settled (nil), or until consumer or destination fail. In every case what was
// begun is flushed within FlushTimeout, what is settled is committed, and the
// consumer is closed.
func (s *Stage) Run(ctx context.Context, consumer Consumer) error {
	s.consumer = consumer
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	s.life = life
	if s.newWork == nil {
		s.shared = s.startLane(s.work)
	}
	err := s.loop(ctx)
	err = errors.Join(err, s.finish(end))
	for _, l := range s.allLanes() {
		l.end()
	}
	s.lanesDone.Wait()
	s.books.end()
	if failed := s.failure(); !interrupted(ctx, failed) {
		err = errors.Join(err, failed)
	}
	return err
}

// interrupted: err is what ctx's end did to something under way, such as the
// taking over of a partition. Nothing is lost by it: nothing was committed.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// loop polls until there is a reason to stop.
func (s *Stage) loop(ctx context.Context) error {
	if s.config.Once {
		if err := s.readEnds(ctx); err != nil {
			return err
		}
	}
	var last *flushing // with Once: the flush behind everything
	lastCommit := time.Now()
	for ctx.Err() == nil && s.failure() == nil {
		batches, err := s.poll(ctx, last)
		for i := range batches {
			s.enqueue(&batches[i])
		}
		if interrupted(ctx, err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from Kafka: %w", err)
		}
		s.throttle()
		if time.Since(lastCommit) >= s.config.CommitInterval || s.moved || s.config.Transactional && s.paused {
			s.commit(ctx)
			lastCommit = time.Now()
		}
		switch {
		case last == nil && s.config.Once && s.atEnds():
			last = s.flushBehind()
		case last != nil && isClosed(last.done):
			rewound := s.config.Transactional && errors.Is(last.err, errStopped)
			if !rewound && (last.err != nil || s.atEnds()) {
				return last.err
			}
			last = nil // partitions came in between, or all is read again
		}
	}
	return nil
}

// poll waits for messages, but no longer than until the next commit, and not
// when the queue has room again or the last flush is done.
func (s *Stage) poll(ctx context.Context, last *flushing) ([]Batch, error) {
	pctx, cancel := context.WithTimeout(ctx, s.config.CommitInterval)
	defer cancel()
	s.mu.Lock()
	s.wake = cancel
	failed := s.failed != nil
	s.mu.Unlock()
	if failed || s.paused && s.load.bytes.Load() < s.load.low || last != nil && isClosed(last.done) {
		cancel() // what should have woken us came before
	}
	batches, err := s.consumer.Poll(pctx)
	if end := pctx.Err(); end != nil && errors.Is(err, end) {
		err = nil // a final error of that kind is there again at the next Poll
	}
	return batches, err
}

// interrupt ends the Poll under way.
func (s *Stage) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake != nil {
		s.wake()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// laneOf is the lane of a partition, nil when it is not ours.
func (s *Stage) laneOf(p partition) *lane {
	if s.shared != nil {
		return s.shared
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lanes[p]
}

// allLanes lists the lanes there are.
func (s *Stage) allLanes() []*lane {
	if s.shared != nil {
		return []*lane{s.shared}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.lanes))
}

// enqueue hands a batch to its lane, up to the end that Once has set.
func (s *Stage) enqueue(b *Batch) {
	p := partition{b.Topic, b.Partition}
	w, l := s.offsets.get(p), s.laneOf(p)
	if w == nil || l == nil {
		s.config.Logger.Warn("messages of a partition that is not ours are left alone", "topic", b.Topic, "partition", b.Partition)
		return
	}
	s.mu.Lock()
	// A transaction takes the offsets of all that was polled: none may be left out.
	if end, ok := s.ends[p]; ok && !s.config.Transactional {
		n := b.Len()
		for n > 0 && b.Records.Offset(n-1) >= end {
			n--
		}
		if n < b.Len() {
			b.Records = b.Records.Head(n)
		}
	}
	s.polled[p] = max(s.polled[p], b.Next)
	s.mu.Unlock()
	if b.Len() > 0 || b.Poison != nil {
		l.queue.push(job{batch: b, window: w})
	}
}

// throttle pauses everything while too much is queued.
func (s *Stage) throttle() {
	size := s.load.bytes.Load()
	switch {
	case size >= s.config.MaxQueuedBytes: // again each time: partitions may be new
		s.consumer.Pause(s.offsets.parts()...)
		s.paused = true
	case s.paused && size < s.load.low:
		s.consumer.Resume(s.offsets.parts()...)
		s.paused = false
	}
}

// readEnds notes where Once stops.
func (s *Stage) readEnds(ctx context.Context) error {
	ends, err := s.consumer.Ends(ctx)
	if err != nil {
		return fmt.Errorf("read the end offsets: %w", err)
	}
	s.ends = map[partition]int64{}
	for _, e := range ends {
		s.ends[partitionOf(e)] = e.Offset
	}
	return nil
}

// atEnds reports whether every partition of ours has been read to its end.
func (s *Stage) atEnds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		return false
	}
	for p, next := range s.polled {
		if next < s.ends[p] {
			return false
		}
	}
	return true
}

// commit stores what is settled. An error is not final: the next one, or the
// next owner, makes up for it.
func (s *Stage) commit(ctx context.Context) {
	if s.config.Transactional {
		s.commitTransaction(ctx)
		return
	}
	due := s.offsets.due()
	if len(due) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.FlushTimeout)
	defer cancel()
	if err := s.consumer.Commit(ctx, due...); err != nil {
		s.config.Logger.Warn("offsets could not be committed: tried again", "error", err)
		return
	}
	s.offsets.committed(due)
}

// finish flushes what was begun, commits and leaves the group, each within
// limits; stop ends the worker's waiting.
func (s *Stage) finish(stop func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*s.config.FlushTimeout)
	defer cancel()
	if !s.config.Transactional { // else what was polled is committed whole, or not at all
		lanes := s.allLanes()
		for _, l := range lanes {
			l.queue.discard()
		}
		s.offsets.stop(s.offsets.parts())
		if !s.flush(ctx, lanes) {
			stop() // a Write that still waits has to end before Close asks again
		}
	}
	s.commit(ctx)
	if n := s.offsets.unsettled(); n > 0 {
		s.config.Logger.Warn("messages are not settled: their offsets stay uncommitted, they will be read again", "messages", n)
	}
	if err := s.consumer.Close(ctx); err != nil {
		return fmt.Errorf("leave the consumer group: %w", err)
	}
	return nil
}

// flushBehind has every lane flush when it has done what it has got so far.
func (s *Stage) flushBehind() *flushing {
	lanes := s.allLanes()
	f := newFlushing(len(lanes))
	for _, l := range lanes {
		l.queue.push(job{flush: f})
	}
	return f
}

// flush makes lanes flush at once and waits, at most FlushTimeout; false: not
// everything is settled.
func (s *Stage) flush(ctx context.Context, lanes []*lane) bool {
	if s.offsets.unsettled() == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.FlushTimeout)
	defer cancel()
	f := newFlushing(len(lanes))
	for _, l := range lanes {
		l.queue.urgent(job{flush: f})
	}
	select {
	case <-f.done:
		if f.err != nil {
			s.config.Logger.Warn("what was written could not be flushed", "error", f.err)
		}
		return f.err == nil
	case <-ctx.Done():
		return false
	}
}

// Assigned is the consumer's hook: these partitions are ours now, read from
// Offset on.
func (s *Stage) Assigned(_ context.Context, at []Position) error {
	s.mu.Lock()
	s.begun = true
	for _, p := range at {
		s.polled[partitionOf(p)] = p.Offset
	}
	s.mu.Unlock()
	for _, p := range at {
		s.offsets.assign(partitionOf(p), p.Offset)
	}
	if s.shared != nil {
		s.shared.queue.push(job{assigned: at})
		return nil
	}
	for i, p := range at {
		l := s.startLane(s.newWork(p.Topic, p.Partition))
		l.queue.push(job{assigned: at[i : i+1]})
		s.mu.Lock()
		s.lanes[partitionOf(p)] = l
		s.mu.Unlock()
	}
	return nil
}

// Revoked is the consumer's hook: these partitions go to someone else when it
// returns.
func (s *Stage) Revoked(ctx context.Context, parts []Position) {
	if s.config.Transactional { // what is open will be aborted
		s.Lost(parts)
		return
	}
	s.offsets.stop(parts)
	s.flush(ctx, s.lanesOf(parts))
	s.commit(ctx)
	s.Lost(parts)
}

// releaser is a destination that has to know when a partition is no longer
// ours: the new owner of a Parquet store's partition removes what is past the
// committed offset, so the old one must not write there any more.
type releaser interface {
	Revoked(topic string, partition int32)
}

// Lost is the consumer's hook: these partitions belong to someone else.
func (s *Stage) Lost(parts []Position) {
	s.moved = s.moved || s.config.Transactional && len(parts) > 0
	s.offsets.drop(parts)
	for _, p := range parts {
		if s.revoked != nil {
			s.revoked(p.Topic, p.Partition)
		}
		if l := s.laneOf(partitionOf(p)); l != nil && l != s.shared {
			l.end()
			if s.config.Transactional {
				<-l.done // nothing of it may get into the next transaction
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		delete(s.polled, partitionOf(p))
		delete(s.lanes, partitionOf(p))
	}
}

// lanesOf lists the lanes of some partitions.
func (s *Stage) lanesOf(parts []Position) []*lane {
	if s.shared != nil {
		return s.allLanes()
	}
	var out []*lane
	for _, p := range parts {
		if l := s.laneOf(partitionOf(p)); l != nil {
			out = append(out, l)
		}
	}
	return out
}

// fail ends the stage.
func (s *Stage) fail(err error) {
	s.mu.Lock()
	if s.failed == nil {
		s.failed = err
	}
	s.mu.Unlock()
	s.interrupt()
}

func (s *Stage) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}
