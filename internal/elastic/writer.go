package elastic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// DeadLetter puts a failure into the errors topic and returns when the broker
// has it, or why it has not. It is called from many goroutines; f is valid until
// it returns.
type DeadLetter func(ctx context.Context, f *codec.Failure) error

// Writer is the bulk writer, an indexer.Destination. Write and Flush belong to
// one goroutine, Room, Trouble and Close to any.
type Writer struct {
	client   *Client
	config   Config
	dead     DeadLetter
	names    *namer
	scratch  []byte // a document whose index is looked for in it
	troubles troubles
	maxBytes atomic.Int64 // of a bulk; lowered by a 413

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	free   chan *bulk // the buffers nobody uses
	work   chan *bulk // the buffers to be sent

	mu     sync.Mutex
	open   *bulk     // the buffer being filled; nil: none
	opened time.Time // when its first row came

	in, indexed, already, deadLetters, retried, outside atomic.Uint64
	closed                                              atomic.Bool
}

// NewWriter starts the senders. dead takes what Elasticsearch refuses for good.
func NewWriter(client *Client, dead DeadLetter) *Writer {
	c := client.config
	w := &Writer{
		client: client, config: c, dead: dead,
		names:    newNamer(c.Index, c.TimeBased, c.MaxOldIndices),
		troubles: troubles{log: c.Logger},
		free:     make(chan *bulk, c.Concurrency+1),
		work:     make(chan *bulk, c.Concurrency+1),
	}
	w.maxBytes.Store(int64(c.BulkBytes))
	w.ctx, w.cancel = context.WithCancel(context.Background())
	for range cap(w.free) {
		w.free <- &bulk{}
	}
	for range c.Concurrency {
		w.tasks.Go(w.sender)
	}
	w.tasks.Go(w.flusher)
	return w
}

// errClosed is what Write and Flush say after Close.
var errClosed = errors.New("write to Elasticsearch: the writer is closed")

// Assigned has nothing to do: what is there already answers 409.
func (w *Writer) Assigned(string, int32, int64) error { return nil }

// Write appends the rows of m to the open bulk and sends it when it is full. It
// waits while all buffers are in flight, and keeps nothing of rows or m.
func (w *Writer) Write(ctx context.Context, m *message.Message, rows []codec.Row, settled func()) error {
	w.in.Add(uint64(len(rows)))
	if len(rows) == 0 {
		settled()
		return nil
	}
	g := newGroup(m, len(rows), settled)
	seen := m.Time
	if seen.IsZero() {
		seen = time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range rows {
		if err := w.take(ctx); err != nil {
			return err
		}
		w.append(g, i, &rows[i], seen)
		if w.open.len() >= w.config.BatchDocs || int64(len(w.open.data)) >= w.maxBytes.Load() {
			w.hand()
		}
	}
	return nil
}

// take makes sure that a bulk is open; w.mu is held.
func (w *Writer) take(ctx context.Context) error {
	if w.open != nil {
		return nil
	}
	if w.closed.Load() {
		return errClosed
	}
	select {
	case w.open = <-w.free:
		w.opened = time.Now()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for Elasticsearch to take documents: %w", ctx.Err())
	case <-w.ctx.Done():
		return errClosed
	}
}

// hand gives the open bulk to the senders; w.mu is held. It never waits: there
// are not more buffers than work has room for.
func (w *Writer) hand() {
	if w.open != nil {
		w.work <- w.open
		w.open = nil
	}
}

// append adds one row to the open bulk, as an action or, where no server would
// take it, as a refusal; w.mu is held.
func (w *Writer) append(g *group, n int, row *codec.Row, seen time.Time) {
	var code, text string
	switch {
	case row.TimestampNanos < 0:
		code, text = "time_before_1970", "the packet's time is before 1970, which date_nanos does not hold"
	case len(row.ID) > maxIDLen:
		code, text = "id_too_long", fmt.Sprintf("the record_id has %d bytes, Elasticsearch takes %d", len(row.ID), maxIDLen)
	default:
		row = w.typed(row)
		w.open.appendRow(g, n, row, w.index(row, seen), &w.config.JSON)
		return
	}
	f := w.failure(g, n, code, text)
	f.Document = w.refusedDocument(row)
	w.open.refused = append(w.open.refused, refusal{g, f})
}

// refusedDocument is a copy of the document of a row that is not sent.
func (w *Writer) refusedDocument(row *codec.Row) []byte {
	if row.JSON != nil {
		return append([]byte(nil), row.JSON...)
	}
	return codec.AppendJSON(nil, &row.Record, row.Origin, &w.config.JSON)
}

// flusher hands on what has been open for FlushInterval.
func (w *Writer) flusher() {
	t := time.NewTicker(max(w.config.FlushInterval/4, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-t.C:
		}
		// A Write or Flush that holds the lock does what is to be done.
		if w.mu.TryLock() {
			if w.open != nil && w.open.len() > 0 && time.Since(w.opened) >= w.config.FlushInterval {
				w.hand()
			}
			w.mu.Unlock()
		}
	}
}

// Flush sends what is open and returns when everything written is settled: when
// all buffers are back.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hand()
	back := make([]*bulk, 0, cap(w.free))
	defer func() {
		for _, b := range back {
			w.free <- b
		}
	}()
	for range cap(w.free) {
		select {
		case b := <-w.free:
			back = append(back, b)
		case <-ctx.Done():
			return fmt.Errorf("flush to Elasticsearch, %d documents not settled: %w", w.inFlight(), ctx.Err())
		case <-w.ctx.Done():
			return errClosed
		}
	}
	return nil
}

// Close stops at once: requests are cut, what is not settled never will be. It
// may be called twice.
func (w *Writer) Close() error {
	w.closed.Store(true)
	w.cancel()
	w.tasks.Wait()
	return nil
}

// Trouble is why documents wait at this moment; false: they do not.
func (w *Writer) Trouble() (Trouble, bool) { return w.troubles.get() }

func (w *Writer) out() uint64 { return w.indexed.Load() + w.already.Load() + w.deadLetters.Load() }

func (w *Writer) inFlight() uint64 {
	out := w.out() // before in: a row comes in first
	return w.in.Load() - out
}

// Room is the account "elastic": every row written is indexed, was there
// already, went to the errors topic, or is in flight. Passed are, after Close,
// rows handed back unsettled: Kafka delivers them again.
func (w *Writer) Room() ledger.Room {
	closed := w.closed.Load()
	out := w.out()
	r := ledger.Room{Room: "elastic", Out: out, In: w.in.Load(), Dropped: map[ledger.Reason]uint64{}, Counts: map[string]uint64{}}
	if closed {
		r.Passed = r.In - r.Out
	}
	for name, n := range map[string]uint64{
		"already_indexed": w.already.Load(), ledger.ErrorsTopic: w.deadLetters.Load(),
		"retried": w.retried.Load(), "outside_window": w.outside.Load(), "given_back": r.Passed,
	} {
		if n > 0 {
			r.Counts[name] = n
		}
	}
	return r
}
