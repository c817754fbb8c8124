package elastic

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"xcapa/internal/codec"
)

const (
	// maxRefusals is how often a whole bulk is refused as overload before it is
	// taken for one that is too large to ever pass.
	maxRefusals = 3
	// minBulkBytes is the least a 413 makes of the size of bulks.
	minBulkBytes = 64 << 10
	// deadAtOnce bounds the dead letters waited for at the same time.
	deadAtOnce = 64
	// maxDeadDocument is the largest document put into an error record, which
	// must stay below Kafka's 1 MB.
	maxDeadDocument = 256 << 10
)

// sender delivers bulks until the writer is closed.
func (w *Writer) sender() {
	for {
		select {
		case <-w.ctx.Done():
			return
		case b := <-w.work:
			w.refuse(b.refused)
			if !w.deliver(b, b.items) {
				return // closed
			}
			b.reset()
			w.free <- b
		}
	}
}

// deliver sends items, a run of b's, until each of them is settled; false when
// the writer was closed before.
func (w *Writer) deliver(b *bulk, items []item) bool {
	wait := newBackoff(&w.config)
	refusals := 0
	for sent := false; len(items) > 0; sent = true {
		if sent {
			w.retried.Add(uint64(len(items)))
		}
		verdict, text := w.request(b, items)
		switch verdict {
		case answered:
			left := w.settle(b, items)
			if len(left) == 0 {
				w.troubles.clear()
				return true
			}
			if len(left) < len(items) {
				wait.reset()
				refusals = 0
			}
			items = left
		case tooLarge, malformed:
			if len(items) > 1 {
				w.learn(verdict, b, items)
				return w.halves(b, items)
			}
			w.deadLetter(b, items[0], wholeCode[verdict], text)
			return w.ctx.Err() == nil
		case overload:
			if refusals++; refusals >= maxRefusals && len(items) > 1 {
				return w.halves(b, items)
			}
		case denied:
			wait.long()
		}
		if !wait.sleep(w.ctx) {
			return false
		}
	}
	return w.ctx.Err() == nil
}

// wholeCode is the error code of a single document that costs its request.
var wholeCode = map[outcome]string{tooLarge: "document_too_large", malformed: "document_refused"}

func (w *Writer) halves(b *bulk, items []item) bool {
	half := len(items) / 2
	return w.deliver(b, items[:half]) && w.deliver(b, items[half:])
}

// learn makes later bulks small enough for a server that answered 413.
func (w *Writer) learn(verdict outcome, b *bulk, items []item) {
	size := int64(items[len(items)-1].end - items[0].start)
	if limit := max(size/2, minBulkBytes); verdict == tooLarge && limit < w.maxBytes.Load() {
		w.maxBytes.Store(limit)
		w.config.Logger.Warn("the server takes no bulk of this size (http.max_content_length, or a proxy): bulks are made smaller from now on",
			"refused_bytes", size, "limit_bytes", limit)
	}
}

// request sends items once. answered: b.reply holds one status for each.
func (w *Writer) request(b *bulk, items []item) (outcome, string) {
	ctx, cancel := context.WithTimeout(w.ctx, w.config.Timeout)
	data := b.data[items[0].start:items[len(items)-1].end]
	header := http.Header{"Content-Type": {"application/x-ndjson"}}
	if w.config.Compression > 0 {
		data = b.compress(data, w.config.Compression)
		header.Set("Content-Encoding", "gzip")
	}
	body := newBody(data)
	err := w.exchange(ctx, esapi.BulkRequest{Body: body, Header: header, FilterPath: bulkFilter}, b, len(items))
	cancel()
	body.wait()
	if err == nil {
		return answered, ""
	}
	verdict, kind := unknown, "unreachable"
	var refusal *StatusError
	switch {
	case w.ctx.Err() != nil:
		return unknown, "closed"
	case errors.As(err, &refusal):
		verdict = wholeOutcome(refusal)
		kind = fmt.Sprintf("status %d", refusal.Status)
	case errors.Is(err, errReplyTooLong):
		verdict, kind = overload, "reply too long" // half of it may fit
	case errors.Is(err, ErrNotElasticsearch):
		verdict, kind = denied, "not Elasticsearch"
	case errors.Is(err, errBadReply):
		kind = "bad reply"
	}
	if verdict != tooLarge { // that one does not wait: it is halved
		w.troubles.note(kind, err.Error())
	}
	return verdict, err.Error()
}

var (
	errReplyTooLong = errors.New("the bulk reply is longer than it can be")
	errBadReply     = errors.New("the bulk reply cannot be used")
)

// exchange sends one request of n items and reads the reply into b.reply.
func (w *Writer) exchange(ctx context.Context, r esapi.BulkRequest, b *bulk, n int) error {
	res, err := r.Do(ctx, w.client)
	if err != nil {
		return w.client.explain(err)
	}
	defer func() { _ = res.Body.Close() }() // read, or given up
	limit := replyLimit(n)
	b.read.Reset()
	if _, err := b.read.ReadFrom(io.LimitReader(res.Body, limit+1)); err != nil {
		return w.client.explain(err)
	}
	if err := w.client.refusal(res, b.read.Bytes()); err != nil {
		return err
	}
	if int64(b.read.Len()) > limit {
		return fmt.Errorf("%w: over %d bytes for %d items", errReplyTooLong, limit, n)
	}
	if err := b.reply.parse(b.read.Bytes(), n); err != nil {
		return fmt.Errorf("%w: %w", errBadReply, err)
	}
	return nil
}

// compress returns data as gzip; it is valid until the next call.
func (b *bulk) compress(data []byte, level int) []byte {
	b.zip.Reset()
	z, err := gzip.NewWriterLevel(&b.zip, level)
	if err == nil {
		_, err = z.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // the level was checked, and a buffer takes everything
	}
	return b.zip.Bytes()
}

// settle applies b.reply to items and returns those to be sent again, moved
// together.
func (w *Writer) settle(b *bulk, items []item) []item {
	keep := make([]bool, len(items))
	waiting := -1
	var bad []refusal
	var t tally
	for i, it := range items {
		t.of(w, it.group)
		status, e := b.reply.status[i], b.reply.errors[i]
		switch itemOutcome(status, e.Type) {
		case indexed:
			t.indexed++
		case already:
			t.already++
		case refused:
			bad = append(bad, w.itemRefusal(b, it, e.Type, e.Reason))
		default:
			keep[i], waiting = true, i
		}
	}
	t.of(w, nil)
	if waiting >= 0 {
		e := b.reply.errors[waiting]
		w.troubles.note("item "+e.Type, fmt.Sprintf("index %s: an item was answered %d: %s",
			b.index(items[waiting]), b.reply.status[waiting], shorten(e.Reason, 300)))
	}
	w.refuse(bad)
	return b.keep(items, keep)
}

// tally counts the rows of one message that stand one behind the other, so that
// shared counters are touched once for each message and not for each row.
type tally struct {
	group            *group
	indexed, already int
}

// of goes on with the rows of g, after counting those of the group before.
func (t *tally) of(w *Writer, g *group) {
	if g == t.group {
		return
	}
	w.indexed.Add(uint64(t.indexed))
	w.already.Add(uint64(t.already))
	if t.group != nil {
		t.group.done(t.indexed + t.already)
	}
	*t = tally{group: g}
}

func (w *Writer) deadLetter(b *bulk, it item, code, text string) {
	w.refuse([]refusal{w.itemRefusal(b, it, code, text)})
}

func (w *Writer) itemRefusal(b *bulk, it item, code, text string) refusal {
	f := w.failure(it.group, it.row, code, text)
	f.Index = b.index(it)
	f.Document = b.document(it)
	return refusal{it.group, f}
}

// failure is the error record for a row of a message.
func (w *Writer) failure(g *group, row int, code, text string) codec.Failure {
	if code == "" {
		code = "document_refused"
	}
	return codec.Failure{
		TimestampNanos: time.Now().UnixNano(), Stage: "index", Code: code, Offset: -1,
		Message: shorten(text, 4096),
		Topic:   g.topic, Partition: g.partition, Position: g.offset, Row: row,
	}
}

// refuse puts the rows into the errors topic and settles each when it is there.
// It returns when all are, or when the writer is closed.
func (w *Writer) refuse(list []refusal) {
	var tasks sync.WaitGroup
	slots := make(chan struct{}, deadAtOnce)
	for i := range list {
		slots <- struct{}{}
		tasks.Go(func() {
			defer func() { <-slots }()
			w.refuseOne(&list[i])
		})
	}
	tasks.Wait()
}

func (w *Writer) refuseOne(r *refusal) {
	if n := len(r.failure.Document); n > maxDeadDocument {
		r.failure.Document = nil
		r.failure.Message = fmt.Sprintf("%s (the document of %d bytes is left out; it is in the source message)", r.failure.Message, n)
	}
	for wait := newBackoff(&w.config); ; {
		err := w.dead(w.ctx, &r.failure)
		if err == nil {
			w.deadLetters.Add(1)
			r.group.done(1)
			return
		}
		if w.ctx.Err() != nil {
			return
		}
		w.troubles.note("errors topic", fmt.Sprintf("put a refused document into the errors topic: %v", err))
		if !wait.sleep(w.ctx) {
			return
		}
	}
}
