package worker

import (
	"strconv"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/record"
)

// Sink takes finished messages. The producer of package kafka is one.
type Sink interface {
	// TryProduce takes m or drops and counts it; it never waits. m.Done is
	// called once m is settled.
	TryProduce(m *message.Message)
}

// SinkFunc makes a function a Sink: a source that can wait hands in one that
// blocks.
type SinkFunc func(m *message.Message)

// TryProduce calls f.
func (f SinkFunc) TryProduce(m *message.Message) { f(m) }

// Settled is told of every message that the broker has acknowledged (nil) or
// never will, before its buffers are used again. From any goroutine; it must
// not block and not produce. The maker's own word for the message is its Tag,
// which a Sink may set.
type Settled func(m *message.Message, err error)

func (f Settled) tell(m *message.Message, err error) {
	if f != nil {
		f(m, err)
	}
}

// BlockOutput collects records in Arrow blocks: one message holds up to rows
// records, or those of one linger.
type BlockOutput struct {
	sink     Sink
	topic    string
	origin   record.Origin
	linger   time.Duration
	block    *codec.ArrowBlock
	deadline time.Time
	free     chan *blockMessage
	settled  Settled
}

// blockMessage is a message with the buffers it is made of; it comes home
// through its output's free list when the broker has answered.
type blockMessage struct {
	message.Message
	home  *BlockOutput
	value []byte
	first []byte
	last  []byte
}

// DefaultRows is how many records one Arrow block holds at most.
const DefaultRows = 1024

// maxFreeBlocks bounds the idle buffers one worker keeps (some 150 KB each).
const maxFreeBlocks = 64

// NewBlockOutput makes the Arrow output of one worker. origin is copied.
func NewBlockOutput(sink Sink, topic string, origin record.Origin, rows int, linger time.Duration) *BlockOutput {
	if rows <= 0 {
		rows = DefaultRows
	}
	return &BlockOutput{
		sink: sink, topic: topic, origin: origin, linger: linger,
		block: codec.NewArrowBlock(rows), free: make(chan *blockMessage, maxFreeBlocks),
	}
}

// OnSettled has f told of the output's messages; call it before the first one.
func (o *BlockOutput) OnSettled(f Settled) { o.settled = f }

// Append adds one record to the open block and hands the block on when full.
func (o *BlockOutput) Append(r *record.Record, _ []byte) {
	if o.block.Len() == 0 {
		o.deadline = time.Now().Add(o.linger)
	}
	o.block.Append(r)
	if o.block.Full() {
		o.Flush()
	}
}

// Deadline is when the open block must go.
func (o *BlockOutput) Deadline() time.Time {
	if o.block.Len() == 0 {
		return time.Time{}
	}
	return o.deadline
}

// Flush hands the open block to the sink.
func (o *BlockOutput) Flush() {
	if o.block.Len() == 0 {
		return
	}
	m := o.take()
	m.value = o.block.AppendTo(m.value[:0])
	m.first = strconv.AppendUint(m.first[:0], o.block.FirstSequence(), 10)
	m.last = strconv.AppendUint(m.last[:0], o.block.LastSequence(), 10)
	m.Value = m.value
	m.Packets = o.block.Len()
	m.Headers[len(m.Headers)-2].Value = m.first
	m.Headers[len(m.Headers)-1].Value = m.last
	o.block.Reset()
	o.sink.TryProduce(&m.Message)
}

func (o *BlockOutput) take() *blockMessage {
	select {
	case m := <-o.free:
		return m
	default:
	}
	m := &blockMessage{home: o}
	m.Topic = o.topic
	m.Queue = o.origin.Queue
	m.Headers = codec.ArrowHeaders(&o.origin, 0, 0)
	m.Done = func(sent *message.Message, err error) {
		o.settled.tell(sent, err)
		m.recycle()
	}
	return m
}

func (m *blockMessage) recycle() {
	select {
	case m.home.free <- m:
	default: // the list is full: let the collector have it
	}
}

// PacketOutput makes one message of every packet: JSON documents, or raw frames
// as pycapa wrote them. Messages share chunks of memory, so that nothing is
// allocated per packet.
type PacketOutput struct {
	sink    Sink
	topic   string
	queue   int
	encode  PacketEncoder
	chunk   *chunk
	free    chan *chunk
	settled Settled
}

// PacketEncoder appends what a packet's message holds to dst, three parts in a
// row, and returns dst with the ends of key and value; the rest is the value of
// the header named in header ("" for none).
type PacketEncoder interface {
	Encode(dst []byte, r *record.Record, frame []byte) (out []byte, keyEnd, valueEnd int)
	Header() string
}

const (
	chunkMessages = 256
	chunkBytes    = 256 << 10
	maxFreeChunks = 256
)

// NewPacketOutput makes the message-per-packet output of one worker.
func NewPacketOutput(sink Sink, topic string, queue int, e PacketEncoder) *PacketOutput {
	return &PacketOutput{sink: sink, topic: topic, queue: queue, encode: e, free: make(chan *chunk, maxFreeChunks)}
}

// OnSettled has f told of the output's messages; call it before the first one.
func (o *PacketOutput) OnSettled(f Settled) { o.settled = f }

// Append hands one message to the sink.
func (o *PacketOutput) Append(r *record.Record, frame []byte) {
	c := o.chunk
	if c == nil || !c.roomFor(len(frame)) {
		c = o.next()
	}
	start := len(c.buf)
	buf, keyEnd, valueEnd := o.encode.Encode(c.buf, r, frame)
	c.buf = buf
	m := c.add()
	m.Key = buf[start:keyEnd:keyEnd]
	if keyEnd == start {
		m.Key = nil
	}
	m.Value = buf[keyEnd:valueEnd:valueEnd]
	if valueEnd < len(buf) {
		m.Headers[0].Value = buf[valueEnd:len(buf):len(buf)]
	}
	o.sink.TryProduce(m)
}

// Deadline is always zero: every message goes at once, the client batches.
func (o *PacketOutput) Deadline() time.Time { return time.Time{} }

// Flush closes the open chunk; there is no open message.
func (o *PacketOutput) Flush() {
	if o.chunk != nil {
		o.chunk.unhold()
		o.chunk = nil
	}
}

func (o *PacketOutput) next() *chunk {
	o.Flush()
	select {
	case c := <-o.free:
		o.chunk = c
	default:
		o.chunk = newChunk(o)
	}
	o.chunk.reset()
	return o.chunk
}
