// Package message is the one shape in which rooms hand Kafka messages to each
// other: worker and parse stage make them, kafka sends and receives them, the
// index stage reads them. It knows neither Kafka's client nor any encoding.
package message

import "time"

// The names of the headers xcapa writes, see xcapa's interface description.
const (
	HeaderSchema    = "xcapa.schema" // "1": the value is an Arrow IPC stream of ours
	HeaderHost      = "xcapa.host"
	HeaderRun       = "xcapa.run"
	HeaderInterface = "xcapa.interface"
	HeaderQueue     = "xcapa.queue"
	HeaderFirst     = "xcapa.first"
	HeaderLast      = "xcapa.last"
	HeaderSource    = "xcapa.source" // topic-partition, or a file's digest
	HeaderRaw       = "xcapa"        // 24 bytes beside a raw frame
)

// Header is one Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// Message is one Kafka message, on its way out or on its way in.
//
// Outgoing: the maker fills Topic, Key, Value, Headers, Packets, Queue and
// Done, and must not touch Key, Value, Headers or Bundle again before Done.
// Incoming: Partition, Offset and Time are set too, Done is nil, and the bytes
// are valid until the Batch they came in is released.
type Message struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      time.Time
	Key       []byte // nil: no key
	Value     []byte
	Headers   []Header

	// Bundle is not nil for an outgoing message that stands for as many as are
	// in it: Value is then their bytes, Key and Headers are theirs. Done
	// hears an error if any of them was not delivered.
	Bundle *Bundle

	Tag     any // its maker's own, for Done
	Packets int // packets the message carries; the ledger's unit
	Queue   int // RX queue it comes from, for --partition-by queue

	// Done is called exactly once for an outgoing message, with nil after the
	// broker acknowledged it, or with why it never will. It may be called from
	// any goroutine, must not block and must not produce: it counts and
	// recycles the buffers. nil is allowed.
	Done func(m *Message, err error)
}

// Header returns the value of the first header called key, or nil.
func (m *Message) Header(key string) []byte {
	for i := range m.Headers {
		if m.Headers[i].Key == key {
			return m.Headers[i].Value
		}
	}
	return nil
}
