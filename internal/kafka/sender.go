package kafka

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// sender delivers record batches that were built by whoever made the records:
// idempotent, acknowledged by all replicas, in order within a partition. It uses
// the client for its connections and requests, and none of what the client does
// for each record.
//
// One goroutine learns where partitions are (learn.go), one for each broker
// sends (sink.go). All else happens in those who hand over and those who bring
// answers, under one lock, once a batch.
type sender struct {
	p        *Producer
	client   *kgo.Client
	squeeze  *compressor
	ctx      context.Context
	stop     context.CancelFunc
	work     sync.WaitGroup
	wakeup   chan struct{} // capacity 1: the learner may look
	timeout  int32         // of a request at the broker, in milliseconds
	patience time.Duration // DeliveryTimeout; 0: none

	mu       sync.Mutex
	topics   map[string]*destination
	sinks    map[int32]*sink // by broker
	id       producerID      // for partitions that have none, or have had another
	wantID   bool
	pending  int           // messages not settled
	quiet    chan struct{} // closed when pending falls to 0; nil: nobody waits
	finished bool          // nothing is sent any more
	round    uint64        // of all gathers
	plain    atomic.Bool   // a broker is too old for the codec
}

// destination is a topic that batches go to.
type destination struct {
	name      string
	id        [16]byte // zero: not known
	parts     []*partition
	n         int      // of parts; those behind are of a topic of this name that is gone
	waiting   []*batch // parts are not known yet
	want      bool     // ask for metadata
	missing   int      // answers in a row that there is no such topic
	choice    rotation // for batches that may go anywhere
	maxBytes  int      // more is cut up, the broker said
	shortKeys uint32
}

// partition is one partition's queue.
type partition struct {
	topic  *destination
	index  int32
	leader int32 // -1: not known

	queue    []*batch // not settled, in order; those in flight come first
	inFlight int
	sentTo   int32 // where those in flight are

	id      producerID
	next    int32 // sequence of the next batch
	renew   bool  // begin anew with another id, once nothing is in flight
	rewind  bool  // something failed: wait until nothing is in flight, then begin with the first
	steady  bool  // this leader has taken a batch of this id: it knows what comes next
	tries   int
	retryAt time.Time
	listed  *sink  // in whose ready it is
	round   uint64 // sender's when it was last gathered
}

// maxInFlight is how many batches of a partition, and requests to a broker, may
// be under way: as many as brokers remember of a producer.
const maxInFlight = 5

func newSender(p *Producer, client *kgo.Client) (*sender, error) {
	squeeze, err := newCompressor(p.config.Compression)
	if err != nil {
		return nil, err
	}
	s := &sender{
		p: p, client: client, squeeze: squeeze, wakeup: make(chan struct{}, 1),
		timeout: int32(brokerWait(&p.config).Milliseconds()), patience: p.config.DeliveryTimeout,
		topics: map[string]*destination{}, sinks: map[int32]*sink{},
		wantID: true, // with the first metadata: asked for by the first batch it would come a learnEvery later
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.work.Go(s.learn)
	if s.patience > 0 {
		s.work.Go(s.expire)
	}
	return s, nil
}

// wake lets the learner look.
func (s *sender) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// topicOf finds a topic, or begins to learn of it.
func (s *sender) topicOf(name string) *destination {
	t := s.topics[name]
	if t == nil {
		t = &destination{name: name, want: true, maxBytes: s.p.config.MaxMessageBytes}
		s.topics[name] = t
	}
	if t.n == 0 {
		t.want = true
		s.wake()
	}
	return t
}

// partitions is how many a topic has, 0 while that is not known.
func (s *sender) partitions(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topicOf(name).n
}

// take accepts an admitted message's records.
func (s *sender) take(m *message.Message, size int64) {
	w := &whole{m: m, size: size}
	w.left.Store(1)
	var since time.Time
	if s.patience > 0 {
		since = time.Now()
	}
	b := newBatch(w, m.Bundle, since)
	s.mu.Lock()
	s.pending++
	s.place(s.topicOf(m.Topic), b)
	s.mu.Unlock()
}

// place puts b into the queue of its partition, cut up where its records belong
// into several.
func (s *sender) place(t *destination, b *batch) {
	n := t.n
	if n == 0 {
		t.waiting = append(t.waiting, b)
		return
	}
	switch r := b.records; {
	case s.p.config.PartitionBy == ByQueue:
		s.enqueue(t.parts[uint32(b.whole.m.Queue)%uint32(n)], b)
	case s.p.config.PartitionBy == ByFlow && r.Partitions == n:
		s.enqueue(t.parts[r.Partition], b)
	case s.p.config.PartitionBy == ByFlow:
		parts, groups := b.divide(func(_ int, r *message.Record) int {
			if p := message.FlowPartition(r.Key, n); p >= 0 {
				return p
			}
			t.shortKeys++
			return int(t.shortKeys % uint32(n))
		})
		for i, part := range parts {
			s.enqueue(t.parts[groups[i]], part)
		}
	default:
		s.enqueue(t.parts[t.choice.pick(n, s.p.config.PartitionBy == ByRandom, batchBacklog, func(i int) int64 { return int64(len(t.parts[i].queue)) })], b)
	}
}

// enqueue puts b at the end of p's queue.
func (s *sender) enqueue(p *partition, b *batch) {
	if b.size > p.topic.maxBytes && b.count > 1 {
		for _, half := range b.halve() {
			s.enqueue(p, half)
		}
		return
	}
	p.queue = append(p.queue, b)
	s.list(p)
}

// list tells the sink of p's leader that p has something to send.
func (s *sender) list(p *partition) {
	if p.leader < 0 {
		p.topic.want = true
		s.wake()
		return
	}
	k := s.sinks[p.leader]
	if k == nil {
		k = &sink{s: s, broker: p.leader, wakeup: make(chan struct{}, 1)}
		s.sinks[p.leader] = k
		if s.finished {
			return
		}
		s.work.Go(k.run)
	}
	if p.listed != k {
		p.listed = k
		k.ready = append(k.ready, p)
	}
	k.wake()
}

// move takes what is not in flight from a partition that is gone to others.
func (s *sender) move(p *partition) {
	rest := p.queue
	p.queue = nil
	for _, b := range rest {
		if b.inFlight {
			p.queue = append(p.queue, b)
			continue
		}
		for _, part := range b.parts() {
			part.numbered = false
			s.place(p.topic, part)
		}
		b.drop(s.squeeze)
	}
}

// joinBytes is how long joined batches are at most.
const joinBytes = 128 << 10

// join makes one batch of the small ones that stand next in p's queue: a request
// can take only one of each partition.
func (p *partition) join() *batch {
	at := p.inFlight
	size, most := 0, min(joinBytes, p.topic.maxBytes)
	n := 0
	for _, b := range p.queue[at:] {
		if size += b.size; size > most || b.numbered || b.of != nil {
			break
		}
		n++
	}
	if n > 1 {
		p.queue = slices.Replace(p.queue, at, at+n, join(slices.Clone(p.queue[at:at+n])))
	}
	return p.queue[at]
}

// identify gives p a producer id, and says whether it has one now.
func (s *sender) identify(p *partition) bool {
	if p.renew {
		p.renew = false
		if s.id == p.id {
			s.id = producerID{}
		}
		p.id, p.steady = producerID{}, false
		for _, b := range p.queue {
			b.numbered = false
		}
	}
	if p.id.valid {
		return true
	}
	if !s.id.valid {
		s.wantID = true
		s.wake()
		return false
	}
	p.id, p.next = s.id, 0
	return true
}

// number gives b its place in the partition's sequence.
func (p *partition) number(b *batch) {
	if b.numbered {
		return
	}
	b.numbered, b.id, b.sequence = true, p.id, p.next
	p.next = after(p.next, b.count)
}

// after is the sequence n records behind seq; they go round at 2^31.
func after(seq int32, n int) int32 { return int32((int64(seq) + int64(n)) & math.MaxInt32) }

// halve cuts b in two, or into what it joins.
func (b *batch) halve() []*batch {
	if b.of != nil {
		return b.of
	}
	half := b.count / 2
	parts, _ := b.divide(func(i int, _ *message.Record) int { return min(i/half, 1) })
	return parts
}

// fate is a batch and what became of it.
type fate struct {
	*batch
	err error
}

// failQueue takes everything that is not in flight out of the topic's queues.
func (t *destination) failQueue(err error) (out []fate) {
	for _, b := range t.waiting {
		out = append(out, fate{b, err})
	}
	t.waiting = nil
	for _, p := range t.parts {
		out = append(out, p.fail(err, func(*batch) bool { return true })...)
	}
	return out
}

// fail takes batches out of the queue that are not in flight. What was sent may
// have been stored all the same: the numbers behind it are of no use then.
func (p *partition) fail(err error, which func(*batch) bool) (out []fate) {
	kept := p.queue[:0]
	for _, b := range p.queue {
		if b.inFlight || !which(b) {
			kept = append(kept, b)
			continue
		}
		p.renew = p.renew || b.numbered
		out = append(out, fate{b, err})
	}
	clear(p.queue[len(kept):])
	p.queue = kept
	return out
}

// finish counts and tells what became of batches. Not under the lock.
func (s *sender) finish(all []fate) {
	for _, b := range all {
		b.drop(s.squeeze)
		for _, part := range b.parts() {
			if s.p.part(part.whole, part.count, b.err) {
				s.ended()
			}
		}
	}
}

// ended counts a message that is settled.
func (s *sender) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	if s.pending == 0 && s.quiet != nil {
		close(s.quiet)
		s.quiet = nil
	}
}

// flush waits until nothing is pending, or ctx ends.
func (s *sender) flush(ctx context.Context) error {
	s.mu.Lock()
	if s.pending == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.quiet == nil {
		s.quiet = make(chan struct{})
	}
	quiet := s.quiet
	s.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends everything, and gives up what is left. Nobody hands over any more.
func (s *sender) close() {
	s.mu.Lock()
	s.finished = true
	s.mu.Unlock()
	s.stop()
	s.work.Wait()
	var left []fate
	s.mu.Lock()
	for _, t := range s.topics {
		left = append(left, t.failQueue(ErrClosed)...)
	}
	s.mu.Unlock()
	s.finish(left)
}

// verdict is what a broker's answer means for a batch.
type verdict int

const (
	delivered verdict = iota
	again             // later, as it is
	anew              // with another producer id
	smaller           // in parts
	uncompressed
	never
)

// judge reads the answer for a batch. err is the request's, or the broker's.
func (s *sender) judge(b *batch, err error) verdict {
	switch {
	case err == nil, err == kerr.DuplicateSequenceNumber: // it has it
		return delivered
	case err == kerr.OutOfOrderSequenceNumber, err == kerr.UnknownProducerID,
		err == kerr.InvalidProducerIDMapping, err == kerr.InvalidProducerEpoch:
		return anew
	case err == kerr.MessageTooLarge, err == kerr.RecordListTooLarge:
		if b.count > 1 {
			return smaller
		}
		return never
	case err == kerr.UnsupportedCompressionType && b.squeezed != nil:
		return uncompressed
	case err == kerr.CorruptMessage:
		return never
	}
	var said *kerr.Error
	if errors.As(err, &said) && !said.Retriable {
		return never
	}
	if isFinal(&s.p.config, err) {
		return never
	}
	return again
}

// isFinal recognises that another try is of no use: the brokers do not want our
// credentials, or know no record batches (Kafka 0.10). A connection that ends on
// its first answer says only that it ended.
func isFinal(c *Config, err error) bool {
	var eof *kgo.ErrFirstReadEOF
	_, class := classify(c, err)
	return class == ErrCredentials && !errors.As(err, &eof) || strings.Contains(err.Error(), "broker is too old")
}

// heard takes in what became of a batch of p, and returns what is settled.
func (s *sender) heard(p *partition, b *batch, err error, now time.Time) (out []fate) {
	b.inFlight = false
	p.inFlight--
	at := 0
	for p.queue[at] != b {
		at++
	}
	v := s.judge(b, err)
	if v == anew && at > 0 {
		v = again // it came behind one that failed
	}
	remove := func(with ...*batch) {
		if at == 0 && len(with) == 0 {
			p.queue[0] = nil
			p.queue = p.queue[1:]
			return
		}
		p.queue = append(p.queue[:at:at], append(with, p.queue[at+1:]...)...)
	}
	switch v {
	case delivered:
		remove()
		p.tries, p.steady = 0, !p.rewind
		p.topic.missing = 0
		return []fate{{b, nil}}
	case never:
		remove()
		p.renew, p.rewind = true, true
		out = []fate{{b, err}}
		if Reason(err) != ledger.TooLarge { // it is not about this batch alone
			out = append(out, p.fail(err, func(*batch) bool { return true })...)
		}
		return out
	case smaller:
		// It was not stored: its parts have its numbers.
		halves := b.halve()
		seq := b.sequence
		for _, h := range halves {
			h.numbered, h.id, h.sequence = true, b.id, seq
			seq = after(seq, h.count)
		}
		p.topic.maxBytes = min(p.topic.maxBytes, b.size/2+message.BundleRoom)
		b.drop(s.squeeze)
		remove(halves...)
		p.rewind = true
		return nil
	case uncompressed:
		s.plain.Store(true)
		s.squeeze.plain(b)
		p.rewind = true
		return nil
	case anew:
		p.renew = true
	}
	if !p.rewind { // those that were under way beside it are the same failure
		p.tries++
		p.retryAt = now.Add(backoff(p.tries))
	}
	p.rewind, p.steady = true, false
	p.topic.want = true
	s.wake()
	switch {
	case p.topic.missing > maxMissing:
		return p.topic.failQueue(kerr.UnknownTopicOrPartition)
	case int(p.index) >= p.topic.n:
		s.move(p)
	}
	return nil
}

var _ kmsg.TimeoutRequest = (*produceRequest)(nil) // the client waits as long as it says
