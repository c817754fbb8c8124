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
