package indexer

import (
	"context"
	"fmt"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/packet"
)

const (
	// maxRows bounds the memory that one message can make us take: a row weighs
	// some 500 bytes, whatever little the message says of it. Our own blocks have
	// 1,024, and what fits into Kafka's 1 MB is far below.
	maxRows = 1 << 17
	// keepRows is how much room for rows is kept from one message to the next.
	keepRows = 1 << 13
)

var errTooManyRows = fmt.Errorf("the message holds more than %d rows: send smaller blocks", maxRows)

// rowWork is the Work of the index: it reads each message into rows and writes
// them to a destination. It holds nothing open.
type rowWork struct {
	reader  Reader
	dest    Destination
	books   *books
	message message.Message // the one that is read
	rows    []codec.Row     // room for those of one message
}

// Assigned implements Work.
func (r *rowWork) Assigned(topic string, p int32, offset int64) error {
	return r.dest.Assigned(topic, p, offset)
}

// Do implements Work.
func (r *rowWork) Do(ctx context.Context, b *Batch, part *Part) error {
	m := &r.message
	for i := range b.Len() {
		b.Records.Read(i, m)
		span, ok := part.Begin(m.Offset + 1)
		if !ok || part.stage.failure() != nil {
			return nil
		}
		if err := r.read(m); err != nil {
			if !part.DeadLetter(ctx, Unreadable(part.stage.config.Name, m, err), 1) {
				return nil
			}
			span.Settle()
			continue
		}
		r.count(part)
		if err := r.dest.Write(ctx, m, r.rows, span.Settle); err != nil {
			r.books.notTaken(r.dest.Room().In)
			return fmt.Errorf("write the rows of %s partition %d offset %d: %w", m.Topic, m.Partition, m.Offset, err)
		}
	}
	return nil
}

// read fills rows with those of a message.
func (r *rowWork) read(m *message.Message) error {
	if cap(r.rows) > keepRows {
		r.rows = nil
	}
	r.rows = r.rows[:0]
	return r.reader.Read(m, func(row *codec.Row) error {
		if len(r.rows) == maxRows {
			return errTooManyRows
		}
		r.rows = append(r.rows, *row)
		return nil
	})
}

func (r *rowWork) count(part *Part) {
	t := Tally{Messages: 1, Packets: uint64(len(r.rows))}
	for i := range r.rows {
		if s := r.rows[i].Status; r.rows[i].Present.Has(packet.FieldStatus) && s < packet.NumStatus {
			t.ByStatus[s]++
		}
	}
	part.Count(&t)
}

// Deadline implements Work.
func (r *rowWork) Deadline() time.Time { return time.Time{} }

// HandOn implements Work.
func (r *rowWork) HandOn() {}

// Flush implements Work.
func (r *rowWork) Flush(ctx context.Context) error { return r.dest.Flush(ctx) }
