package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// ErrClosed is what Write and Flush return after Close.
var ErrClosed = errors.New("the Parquet store is closed")

// Store writes records to a directory of Parquet files. It is a destination of
// the index stage; its methods may be called from any goroutine.
type Store struct {
	dir    string
	opt    Options
	lock   *os.File
	ctx    context.Context // ends with Close, or with the first error that no waiting repairs
	cancel context.CancelCauseFunc

	encoders chan *encoder // Writers of them: whoever takes one may write a file
	windows  sync.Pool     // of *window

	mu         sync.Mutex
	partitions map[partitionKey]*partition
	unsettled  map[*window]struct{} // closed, not yet settled or given up
	memory     int64                // bytes of all windows
	freed      chan struct{}        // closed and replaced when memory shrinks

	in, out, givenBack, repeated, messages, files, bytes, retries atomic.Uint64
}

type partitionKey struct {
	topic     string
	partition int32
}

// partition is one assigned partition. A new one takes its place when it is
// assigned again, so what is still under way knows that it is too late.
type partition struct {
	key     partitionKey
	topicID string
	stored  int64 // offsets up to this one are in a file that straddles the committed offset; -1: none
	ctx     context.Context
	cancel  context.CancelFunc
	saving  sync.WaitGroup // windows closed and not settled

	mu   sync.Mutex
	open *window // nil: none
}

// New opens dir for writing, making it when it is not there. It fails if it
// cannot be written to, or if another process writes to it.
func New(dir string, opt Options) (*Store, error) {
	opt = opt.withDefaults()
	if err := os.MkdirAll(filepath.Join(dir, incomingDir), 0o755); err != nil {
		return nil, fmt.Errorf("open store directory %s: %w: name a directory that this user may write", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open store directory %s: %w", dir, err)
	}
	if err := tryWrite(dir); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open store directory %s: %w: name a directory that this user may write", dir, err)
	}
	s := &Store{
		dir: dir, opt: opt, lock: lock,
		encoders:   make(chan *encoder, opt.Writers),
		partitions: map[partitionKey]*partition{},
		unsettled:  map[*window]struct{}{},
		freed:      make(chan struct{}),
	}
	s.windows.New = func() any { return newWindow() }
	for range opt.Writers {
		s.encoders <- newEncoder(opt.Level)
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// tryWrite finds out now what the first file would find out in a minute.
func tryWrite(dir string) error {
	f, err := os.CreateTemp(filepath.Join(dir, incomingDir), "try-*"+tempSuffix)
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// Write adds the rows of one message to its partition's window, copying what
// it keeps; it waits while the memory of all windows is used up. settled is
// called, in the order described at the package, when the rows are on disk.
// Messages of a partition come in order of offset.
func (s *Store) Write(ctx context.Context, m *message.Message, rows []codec.Row, settled func()) error {
	p := s.partition(partitionKey{m.Topic, m.Partition})
	if p == nil {
		return fmt.Errorf("store message %d of %s-%d: the partition is not assigned", m.Offset, m.Topic, m.Partition)
	}
	if err := s.waitForMemory(ctx); err != nil {
		return err
	}
	s.in.Add(uint64(len(rows)))
	if m.Offset <= p.stored { // in a file already, see Assigned
		s.out.Add(uint64(len(rows)))
		s.repeated.Add(uint64(len(rows)))
		s.messages.Add(1)
		settled()
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil { // taken away while waiting
		s.givenBack.Add(uint64(len(rows)))
		return s.err()
	}
	if p.open == nil {
		s.openWindow(p)
	}
	s.grow(p.open.append(m, rows, settled))
	if p.open.bytes >= s.opt.WindowBytes {
		s.closeWindow(p)
	}
	return nil
}

// Flush writes what every partition holds and returns when it is settled.
func (s *Store) Flush(ctx context.Context) error {
	for _, p := range s.assigned() {
		p.mu.Lock()
		s.closeWindow(p)
		p.mu.Unlock()
	}
	s.mu.Lock()
	waits := make([]chan struct{}, 0, len(s.unsettled))
	for w := range s.unsettled {
		waits = append(waits, w.done)
	}
	s.mu.Unlock()
	for _, done := range waits {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("flush the store: %w", ctx.Err())
		}
	}
	return s.err()
}

// Revoked tells that this process no longer owns a partition: what is not
// settled is dropped, its offsets stay uncommitted. Flush first to keep it.
func (s *Store) Revoked(topic string, partition int32) {
	key := partitionKey{topic, partition}
	s.mu.Lock()
	p := s.partitions[key]
	delete(s.partitions, key)
	s.mu.Unlock()
	if p != nil {
		s.giveUp(p)
	}
}

// Room is the store's account. Passed are rows handed back unsettled when
// their partition was taken away: Kafka delivers them again.
func (s *Store) Room() ledger.Room {
	// Out is read before In, so that no reader sees more out than in.
	out, passed := s.out.Load(), s.givenBack.Load()
	r := ledger.Room{Room: "parquet", Out: out, Passed: passed, Messages: s.messages.Load(),
		Dropped: map[ledger.Reason]uint64{}, Counts: map[string]uint64{}}
	for name, n := range map[string]uint64{
		"files": s.files.Load(), "bytes": s.bytes.Load(), "retries": s.retries.Load(),
		"already_stored": s.repeated.Load(), "given_back": passed,
	} {
		if n > 0 {
			r.Counts[name] = n
		}
	}
	r.In = s.in.Load()
	return r
}

// Close drops what is not settled and lets go of the directory. It may be
// called twice.
func (s *Store) Close() error {
	s.cancel(ErrClosed)
	s.mu.Lock()
	lock := s.lock
	s.lock = nil
	s.mu.Unlock()
	if lock == nil {
		return nil
	}
	for _, p := range s.assigned() {
		s.Revoked(p.key.topic, p.key.partition)
	}
	return lock.Close() // the lock goes last: nothing of ours is written after it
}

// err is why the store stopped, nil while it works.
func (s *Store) err() error { return context.Cause(s.ctx) }

// fail stops the store for good: Write and Flush return err from now on.
func (s *Store) fail(err error) {
	s.opt.Logger.Error("the Parquet store stops", "error", err)
	s.cancel(err)
}

func (s *Store) partition(key partitionKey) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partitions[key]
}

func (s *Store) assigned() []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*partition, 0, len(s.partitions))
	for _, p := range s.partitions {
		out = append(out, p)
	}
	return out
}
