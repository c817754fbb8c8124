package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/message"
)

// records are the client's, as a Batch has them.
type records []*kgo.Record

// Len implements message.Records.
func (r records) Len() int { return len(r) }

// Offset implements message.Records.
func (r records) Offset(i int) int64 { return r[i].Offset }

// Read implements message.Records.
func (r records) Read(i int, m *message.Message) {
	rec := r[i]
	headers := m.Headers[:0]
	for _, h := range rec.Headers {
		headers = append(headers, message.Header(h))
	}
	*m = message.Message{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Time: rec.Timestamp,
		Key: rec.Key, Value: rec.Value, Headers: headers,
	}
}

// Head implements message.Records.
func (r records) Head(n int) message.Records { return r[:n] }

// Release implements message.Records.
func (r records) Release() {
	for _, rec := range r {
		rec.Recycle()
	}
}

// withoutControl takes the markers of transactions out, and adds up the bytes of
// the rest: keys, values and headers.
func withoutControl(list records) (kept records, bytes int) {
	markers := 0
	for _, rec := range list {
		if rec.Attrs.IsControl() {
			markers++
			continue
		}
		bytes += len(rec.Key) + len(rec.Value)
		for i := range rec.Headers {
			bytes += len(rec.Headers[i].Key) + len(rec.Headers[i].Value)
		}
	}
	if markers > 0 {
		list = slices.DeleteFunc(list, func(rec *kgo.Record) bool { return rec.Attrs.IsControl() })
	}
	return list, bytes
}
