package worker

import (
	"sync/atomic"

	"xcapa/internal/message"
)

// chunk is the memory of up to chunkMessages messages. It goes home when the
// last of them is settled and the output has let go of it.
type chunk struct {
	home *PacketOutput
	buf  []byte
	msgs [chunkMessages]message.Message
	hdrs [chunkMessages][1]message.Header
	used int
	held atomic.Int32 // messages not settled, plus one while the output fills it
}

func newChunk(o *PacketOutput) *chunk {
	c := &chunk{home: o, buf: make([]byte, 0, chunkBytes)}
	done := func(m *message.Message, err error) {
		o.settled.tell(m, err)
		c.unhold()
	}
	header := o.encode.Header()
	for i := range c.msgs {
		m := &c.msgs[i]
		m.Topic, m.Queue, m.Packets, m.Done = o.topic, o.queue, 1, done
		if header != "" {
			c.hdrs[i][0].Key = header
			m.Headers = c.hdrs[i][:]
		}
	}
	return c
}

func (c *chunk) reset() {
	c.buf, c.used = c.buf[:0], 0
	c.held.Store(1)
}

// perMessage is an upper bound of what encoders append beside the frame itself:
// a document's names and numbers, with every option field in base64.
const perMessage = 4096

// roomFor reports whether one more message fits without moving the bytes of
// those before it.
func (c *chunk) roomFor(frame int) bool {
	return c.used < chunkMessages && cap(c.buf)-len(c.buf) >= frame+perMessage || c.used == 0
}

func (c *chunk) add() *message.Message {
	m := &c.msgs[c.used]
	c.used++
	c.held.Add(1)
	return m
}

// unhold is called once per settled message, and once when the chunk is full.
func (c *chunk) unhold() {
	if c.held.Add(-1) != 0 {
		return
	}
	select {
	case c.home.free <- c:
	default:
	}
}
