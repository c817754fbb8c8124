package worker

import (
	"time"

	"xcapa/internal/message"
	"xcapa/internal/record"
)

// PacketOutput makes one Kafka record of every packet: JSON documents, or raw
// frames as pycapa wrote them. It gathers them as message.Bundle, so that only
// many of them together cost the sink something: one message holds those of one
// partition up to Gathering.Bytes, or of one linger.
type PacketOutput struct {
	sink    Sink
	topic   string
	queue   int
	encode  PacketEncoder
	gather  Gathering
	settled Settled

	scratch    []byte           // one packet's key, value and header
	headers    []message.Header // one or none
	extra      int              // bytes of the header's name
	open       []*packetMessage // by partition, behind them those without; nil: none
	opened     int              // of them, not nil
	partitions int              // len(open) - 1
	deadline   time.Time        // of the oldest record in open
	size       int              // bytes of the latest message: the next may be as large
	millis     int64            // create time of records
	trust      int              // records for which millis is still good
	free       freeMessages
}

// PacketEncoder appends what a packet's message holds to dst, three parts in a
// row, and returns dst with the ends of key and value; the rest is the value of
// the header named in header ("" for none).
type PacketEncoder interface {
	Encode(dst []byte, r *record.Record, frame []byte) (out []byte, keyEnd, valueEnd int)
	Header() string
}

// Gathering says how records are put together.
type Gathering struct {
	Linger time.Duration // longest wait of a record for others
	Bytes  int           // of one message; 0: DefaultBytes, at most maxBytes. A record that is longer goes alone

	// Partitions is into how many partitions the topic's records go by the
	// flow in their key, or 0 where that is not known yet, or the key has no
	// say. Asked before each first record; nil is 0.
	Partitions func(topic string) int
}

const (
	// DefaultBytes is how long the records of one message are together at most.
	DefaultBytes = 128 << 10
	// clockRecords is how many records get a time that was read once, while
	// nobody asks for Deadline.
	clockRecords = 64
)

// NewPacketOutput makes the record-per-packet output of one worker.
func NewPacketOutput(sink Sink, topic string, queue int, e PacketEncoder) *PacketOutput {
	o := &PacketOutput{sink: sink, topic: topic, queue: queue, encode: e, open: make([]*packetMessage, 1)}
	if name := e.Header(); name != "" {
		o.headers, o.extra = []message.Header{{Key: name}}, len(name)
	}
	o.Gather(Gathering{})
	return o
}

// OnSettled has f told of the output's messages; call it before the first one.
func (o *PacketOutput) OnSettled(f Settled) { o.settled = f }

// Gather has records put together as g says; call it before the first one.
func (o *PacketOutput) Gather(g Gathering) {
	if g.Bytes <= 0 {
		g.Bytes = DefaultBytes
	}
	g.Bytes = min(g.Bytes, maxBytes)
	o.gather = g
	o.ask()
}

// ask finds out how many partitions there are; no message is open.
func (o *PacketOutput) ask() {
	if o.gather.Partitions == nil {
		return
	}
	if n := o.gather.Partitions(o.topic); n != o.partitions {
		o.partitions, o.open = n, make([]*packetMessage, n+1)
	}
}

// Append adds one record to the open message of its partition, and hands that
// on when it is full.
func (o *PacketOutput) Append(r *record.Record, frame []byte) {
	buf, keyEnd, valueEnd := o.encode.Encode(o.scratch[:0], r, frame)
	o.scratch = buf
	key := buf[:keyEnd]
	if keyEnd == 0 {
		key = nil
	}
	headers := o.headers
	if valueEnd < len(buf) {
		headers[0].Value = buf[valueEnd:]
	} else {
		headers = nil
	}
	if o.opened == 0 {
		o.ask()
	}
	at := o.partitions
	if at > 0 {
		if p := message.FlowPartition(key, at); p >= 0 {
			at = p
		}
	}
	m := o.room(at, len(buf)+o.extra)
	if o.trust == 0 {
		o.millis, o.trust = time.Now().UnixMilli(), clockRecords
	}
	o.trust--
	m.records.Append(o.millis, key, buf[keyEnd:valueEnd], headers)
}

// Deadline is when the open messages must go. Who asks has perhaps waited: the
// next record's time is read anew.
func (o *PacketOutput) Deadline() time.Time {
	o.trust = 0
	if o.opened == 0 {
		return time.Time{}
	}
	return o.deadline
}

// Flush hands the open messages to the sink.
func (o *PacketOutput) Flush() {
	for at := 0; o.opened > 0; at++ {
		if o.open[at] != nil {
			o.hand(at)
		}
	}
}

// room returns the open message of a partition, with room for a record of need
// bytes.
func (o *PacketOutput) room(at, need int) *packetMessage {
	m := o.open[at]
	if m != nil && len(m.records.Bytes)+need+recordFrame > o.gather.Bytes {
		o.hand(at)
		m = nil
	}
	if m == nil {
		m = o.begin(at)
	}
	if !m.records.Fits(need) {
		m.resize(max(need, min(2*cap(m.records.Bytes), o.gather.Bytes)-len(m.records.Bytes)-recordFrame))
	}
	return m
}

// begin opens the message of a partition.
func (o *PacketOutput) begin(at int) *packetMessage {
	if o.opened == 0 {
		o.deadline = time.Now().Add(o.gather.Linger)
	}
	o.opened++
	m := o.free.get()
	if m == nil {
		m = o.newMessage()
	}
	m.buffer = takeBuffer(o.size)
	m.records.Reset(m.buffer.b)
	if at < o.partitions {
		m.records.Partition, m.records.Partitions = at, o.partitions
	}
	o.open[at] = m
	return m
}

func (o *PacketOutput) newMessage() *packetMessage {
	m := &packetMessage{}
	m.Topic, m.Queue, m.Bundle = o.topic, o.queue, &m.records
	m.Done = func(sent *message.Message, err error) {
		o.settled.tell(sent, err)
		giveBuffer(m.buffer)
		m.buffer, m.records.Bytes, m.Value = nil, nil, nil
		o.free.put(m)
	}
	return m
}

// hand gives the open message of a partition to the sink.
func (o *PacketOutput) hand(at int) {
	m := o.open[at]
	o.open[at] = nil
	o.opened--
	o.size = min(len(m.records.Bytes), o.gather.Bytes)
	if len(m.records.Bytes)+recordFrame <= cap(m.records.Bytes)/2 {
		m.resize(0) // what waits for the broker takes no more than it needs
	}
	m.Value = m.records.Bytes[message.BundleRoom:]
	m.Packets = m.records.Count
	o.sink.TryProduce(&m.Message)
}
