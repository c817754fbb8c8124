package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// messageOverhead is what the client and we hold for a message beside its own
// bytes: a slot (record, headers, promise) and its place in a batch. A bundle is
// charged with the whole of their buffer, and the same.
const messageOverhead = 384

// Producer sends messages to Kafka: idempotent, acknowledged by all replicas,
// in batches of the client. Its methods may be called from any goroutine.
type Producer struct {
	config Config
	client *kgo.Client
	shared bool // the client is a consumer's too, which closes it
	link   link
	slots  sync.Pool // of *slot
	sender *sender   // of records; nil with transactions, which the client alone can write
	books  books

	room    chan struct{} // capacity 1: a waiting Produce may look again
	waiting atomic.Int64  // Produce calls that wait for room

	closing   atomic.Bool
	closed    chan struct{} // closed with closing: wakes waiting Produce calls
	idle      chan struct{} // capacity 1: pending fell to 0 while closing
	recreated chan string   // topics that are no longer what the client knows
	helper    sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// slot is one message in flight: the client's record, and the promise made once
// for the slot's whole life. Recycled, so that a message costs no allocation
// beyond what the client needs.
type slot struct {
	record  kgo.Record
	headers []kgo.RecordHeader
	m       *message.Message
	size    int64
	whole   *whole // not nil: the record is one of m's
	promise func(*kgo.Record, error)
}

// NewProducer makes a producer for c. It dials nobody: a broker that is away is
// no error, messages wait in the buffer until it comes (Check asks at start).
// The error is about c. ctx bounds the life of the connections; Close all the
// same.
func NewProducer(ctx context.Context, c Config) (*Producer, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configure Kafka producer: %w", err)
	}
	p := prepareProducer(c.withDefaults())
	opts, err := clientOptions(&p.config, &p.link)
	if err != nil {
		return nil, fmt.Errorf("configure Kafka producer: %w", err)
	}
	client, err := kgo.NewClient(append(opts, producerOptions(&p.config)...)...)
	if err != nil {
		return nil, fmt.Errorf("configure Kafka producer: %w", err)
	}
	p.client = client
	if p.sender, err = newSender(p, client); err != nil {
		client.Close()
		return nil, fmt.Errorf("configure Kafka producer: %w", err)
	}
	p.helper.Go(p.renewTopics)
	return p, nil
}

// prepareProducer makes a producer without its client; c has its defaults.
func prepareProducer(c Config) *Producer {
	p := &Producer{
		config: c,
		room:   make(chan struct{}, 1),
		closed: make(chan struct{}),
		idle:   make(chan struct{}, 1),

		recreated: make(chan string, 16),
	}
	p.slots.New = func() any { return p.newSlot() }
	return p
}

// renewTopics makes the client forget topics that were deleted and made again,
// so that it learns the new ones: by itself it would refuse them until we start
// again. It runs until Close.
func (p *Producer) renewTopics() {
	for {
		select {
		case <-p.closed:
			return
		case topic := <-p.recreated:
			p.config.Logger.Warn("kafka: topic was deleted and created again, going on with the new one", "topic", topic)
			p.client.PurgeTopicsFromProducing(topic)
			for len(p.recreated) > 0 {
				<-p.recreated // the same news, from the messages just failed
			}
		}
	}
}

func producerOptions(c *Config) []kgo.Opt {
	wait := brokerWait(c)
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(newPartitioner(c.PartitionBy)),
		kgo.ProducerBatchCompression(codec(c.Compression), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(c.MaxMessageBytes)),
		kgo.ProducerLinger(c.Linger),
		kgo.ProduceRequestTimeout(wait),
		kgo.RequestTimeoutOverhead(c.RequestTimeout - wait),
		kgo.AlwaysRetryEOF(),                  // or one connection cut early fails all that is buffered; Check finds missing SASL
		kgo.MaxBufferedRecords(math.MaxInt32), // admission is ours, see Producer.admit
	}
	if c.DeliveryTimeout > 0 {
		opts = append(opts, kgo.RecordDeliveryTimeout(c.DeliveryTimeout))
	}
	return opts
}

// brokerWait is how long the broker waits for its replicas; we wait the rest of
// RequestTimeout for it. The client's 10 s + 10 s let one stopped broker hold up
// everything for that long although its partitions have moved.
func brokerWait(c *Config) time.Duration { return max(c.RequestTimeout/2, 500*time.Millisecond) }

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression().WithLevel(1) // fastest: for thin links, not for archives
	case "none":
		return kgo.NoCompression()
	}
	return kgo.SnappyCompression()
}

// TryProduce hands m over without ever waiting. When the buffer is full, m is
// dropped: the newest goes, what waits is older and closer to delivery. m.Done
// tells, from this goroutine if m was not even buffered. For sources that
// cannot wait: capture.
func (p *Producer) TryProduce(m *message.Message) {
	p.books.handed.packets.Add(uint64(m.Packets))
	size := p.size(m)
	if err := p.admit(m, size); err != nil {
		p.refuse(m, err)
		return
	}
	p.hand(m, size)
}

// Produce hands m over and waits for room in the buffer as long as it takes,
// until ctx ends or the producer is closed. The error repeats what m.Done got;
// nil says that m is buffered, not that it is delivered. Once buffered, m is
// delivered whatever becomes of ctx. For sources that can wait: files, topics.
func (p *Producer) Produce(ctx context.Context, m *message.Message) error {
	p.books.handed.packets.Add(uint64(m.Packets))
	size := p.size(m)
	err := p.admit(m, size)
	if err == ErrBufferFull {
		err = p.wait(ctx, m, size)
	}
	if err != nil {
		p.refuse(m, err)
		return err
	}
	p.hand(m, size)
	return nil
}

// size is what m is charged against the buffer.
func (p *Producer) size(m *message.Message) int64 {
	if m.Bundle != nil {
		return int64(cap(m.Bundle.Bytes)) + messageOverhead
	}
	n := int64(len(m.Key)+len(m.Value)) + messageOverhead
	for i := range m.Headers {
		n += int64(len(m.Headers[i].Key) + len(m.Headers[i].Value))
	}
	return n
}

// admit charges size to the buffer, or says why not.
func (p *Producer) admit(m *message.Message, size int64) error {
	switch r := m.Bundle; {
	case r != nil && r.Count == 1 && len(r.Bytes) > p.config.MaxMessageBytes:
		return ErrTooLarge
	case size > p.config.MaxBufferedBytes:
		return ErrTooLarge // it would never fit, and Produce would wait for ever
	case !p.books.admit(size, p.config.MaxBufferedBytes):
		// What was charged for a moment may have kept a waiting Produce out of
		// a buffer that nobody will release anything from.
		if p.waiting.Load() > 0 {
			p.wake()
		}
		return ErrBufferFull
	}
	return nil
}

func (p *Producer) wake() {
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// wait admits size as soon as there is room.
func (p *Producer) wait(ctx context.Context, m *message.Message, size int64) error {
	p.waiting.Add(1)
	defer func() {
		// The token may have been for more room than we took: pass it on.
		if p.waiting.Add(-1) > 0 {
			p.wake()
		}
	}()
	for {
		// Announced before this look: a release after it leaves a token. And
		// looked at before it is charged, since what is charged and taken back
		// keeps others out for the moment.
		if p.books.fits(size, p.config.MaxBufferedBytes) && p.admit(m, size) == nil {
			return nil
		}
		select {
		case <-p.room:
		case <-p.closed:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("wait for room in the producer's buffer: %w: %w", ErrClosed, ctx.Err())
		}
	}
}

// hand gives an admitted message to the client, which never waits.
func (p *Producer) hand(m *message.Message, size int64) {
	p.books.handed.messages.Add(1)
	p.books.handed.entering.Add(1)
	defer p.books.handed.entering.Add(-1)
	switch {
	case m.Bundle != nil && p.sender == nil:
		p.unpack(m, size)
		return
	case m.Bundle != nil && !p.closing.Load():
		p.sender.take(m, size)
		return
	}
	s := p.slots.Get().(*slot)
	s.m, s.size = m, size
	if p.closing.Load() {
		s.promise(&s.record, ErrClosed)
		return
	}
	for i := range m.Headers {
		s.headers = append(s.headers, kgo.RecordHeader(m.Headers[i]))
	}
	s.record = kgo.Record{
		Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: s.headers,
		Timestamp: m.Time, Partition: int32(m.Queue), Context: background,
	}
	p.client.TryProduce(background, &s.record, s.promise)
}

// unpack gives the records of m to the client one by one: it alone knows how to
// write in its transaction.
func (p *Producer) unpack(m *message.Message, size int64) {
	w := &whole{m: m, size: size}
	w.left.Store(int64(m.Bundle.Count))
	var headers []message.Header
	_ = m.Bundle.Each(func(r *message.Record) { // they are Append's
		s := p.slots.Get().(*slot)
		s.whole = w
		if p.closing.Load() {
			s.promise(&s.record, ErrClosed)
			return
		}
		headers = r.AppendHeaders(headers[:0])
		for i := range headers {
			s.headers = append(s.headers, kgo.RecordHeader(headers[i]))
		}
		s.record = kgo.Record{
			Topic: m.Topic, Key: r.Key, Value: r.Value, Headers: s.headers,
			Timestamp: time.UnixMilli(r.Millis), Partition: int32(m.Queue), Context: background,
		}
		p.client.TryProduce(background, &s.record, s.promise)
	})
}

// background is the context of every record: nobody takes a message back.
var background = context.Background()

func (p *Producer) newSlot() *slot {
	s := &slot{}
	s.promise = func(_ *kgo.Record, err error) { p.settle(s, err) }
	return s
}

// settle ends a message's time with the client: count, tell, recycle. It runs
// on the client's promise goroutine.
func (p *Producer) settle(s *slot, err error) {
	m, size, w := s.m, s.size, s.whole
	s.m, s.whole, s.record, s.headers = nil, nil, kgo.Record{}, s.headers[:0]
	p.slots.Put(s)
	if w != nil {
		p.part(w, 1, err)
		return
	}
	err = p.count(m.Topic, uint64(m.Packets), 1, err)
	p.finish(m, size, err)
}

// part ends a part of w: so many of its records, a packet each. It says whether
// w is settled with it.
func (p *Producer) part(w *whole, records int, err error) bool {
	if err = p.count(w.m.Topic, uint64(records), uint64(records), err); err != nil {
		w.err.Store(&err)
	}
	if w.left.Add(-1) > 0 {
		return false
	}
	var why error
	if first := w.err.Load(); first != nil {
		why = *first
	}
	p.finish(w.m, w.size, why)
	return true
}

// finish tells a message's maker, and gives the message's room back.
func (p *Producer) finish(m *message.Message, size int64, err error) {
	if m.Done != nil {
		m.Done(m, err)
	}
	p.books.told.bytes.Add(size)
	p.books.told.messages.Add(1)
	p.released()
}

// count enters what became of packets that were admitted, and of the Kafka
// records they were in, and returns what Done is to hear.
func (p *Producer) count(topic string, packets, records uint64, err error) error {
	if err == nil {
		p.books.told.packets.Add(packets)
		p.books.told.acked.Add(records)
		return nil
	}
	if Reason(err) == ledger.Shutdown {
		err = ErrClosed
	}
	if errors.Is(err, kerr.UnknownTopicID) {
		select {
		case p.recreated <- topic:
		default:
		}
	}
	p.books.drop(&p.books.told.failed, packets, err)
	return err
}

// released tells who waits that there is room, or that all is settled. A
// waiting Produce is woken once an eighth of the buffer is free: woken for every
// message it would put in one at a time, with a switch of goroutines between.
func (p *Producer) released() {
	if p.waiting.Load() > 0 && p.books.buffered() <= p.config.MaxBufferedBytes/8*7 {
		p.wake()
	}
	if p.closing.Load() && p.books.pending() == 0 {
		select {
		case p.idle <- struct{}{}:
		default:
		}
	}
}

// refuse counts a message that was not admitted and tells its maker.
func (p *Producer) refuse(m *message.Message, err error) {
	p.books.drop(&p.books.handed.refused, uint64(m.Packets), err)
	if m.Done != nil {
		m.Done(m, err)
	}
}

// Flush waits until everything handed over before has been acknowledged or has
// failed, or ctx ends.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return explain(fmt.Sprintf("flush %d messages to Kafka", p.books.pending()), &p.config, err)
	}
	return nil
}

func (p *Producer) flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil || p.sender == nil {
		return err
	}
	return p.sender.flush(ctx)
}

// Close stops taking messages, delivers what is buffered until ctx ends, and
// gives up the rest, which is counted as shutdown. After it the room balances:
// every message handed over was acknowledged or dropped with a reason, and its
// Done has returned. The error says how many messages were given up. It may be
// called twice.
func (p *Producer) Close(ctx context.Context) error {
	p.closeOnce.Do(func() {
		p.closing.Store(true)
		close(p.closed)
		// Nobody may enter the client after it is closed: a message for a topic
		// it has not loaded yet would stay in it for ever. Those who are in it
		// do not wait, so this is short.
		for p.books.handed.entering.Load() > 0 {
			time.Sleep(50 * time.Microsecond)
		}
		flushErr := p.flush(ctx)
		left := p.books.pending()
		if p.sender != nil {
			p.sender.close()
		}
		if !p.shared {
			p.client.Close()
		}
		p.helper.Wait()
		for p.books.pending() > 0 {
			<-p.idle
		}
		if flushErr != nil && left > 0 {
			p.closeErr = fmt.Errorf("close Kafka producer: %d messages not acknowledged in time", left)
			if err := p.Health(); err != nil {
				p.closeErr = fmt.Errorf("%w: %w", p.closeErr, err)
			}
		}
	})
	return p.closeErr
}

// Linger is how long who makes a bundle may let a record wait for others.
func (p *Producer) Linger() time.Duration { return p.config.Linger }

// MaxMessageBytes is how long a bundle may be at most; a single record that is
// longer is too_large.
func (p *Producer) MaxMessageBytes() int { return p.config.MaxMessageBytes }

// FlowPartitions is into how many partitions the records of a topic go by the
// flow in their key; 0: not by flow, or nobody knows yet. A bundle that was put
// together with the partition in mind (message.FlowPartition) is sent as it
// is, others are taken apart.
func (p *Producer) FlowPartitions(topic string) int {
	if p.sender == nil || p.config.PartitionBy != ByFlow {
		return 0
	}
	return p.sender.partitions(topic)
}

// Buffered is how many messages, and how many bytes with their overhead, wait
// for an acknowledgement.
func (p *Producer) Buffered() (messages, bytes int64) {
	return p.books.pending(), p.books.buffered()
}

// Health is nil while the brokers can be reached, as far as the last attempt
// told; else why not, in words.
func (p *Producer) Health() error {
	return explain("reach Kafka", &p.config, p.link.last())
}

// LastError is why the latest message that was not delivered was not; nil if
// all were.
func (p *Producer) LastError() error {
	return explain("deliver to Kafka", &p.config, p.books.lastLoss())
}

// Room is the account "kafka": packets handed over, acknowledged, and dropped
// by reason. Exact after Close.
func (p *Producer) Room() ledger.Room { return p.books.room() }
