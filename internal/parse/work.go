package parse

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/indexer"
	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

// stageName is the stage in error records.
const stageName = "parse"

// Work parses the messages of one partition. It implements indexer.Work.
type Work struct {
	parser *Parser
	out    Output
	errors *worker.ErrorOutput
	pace   pace
	in     message.Message // the one that is read
	rec    record.Record
	tally  indexer.Tally

	ctx   context.Context // of the lane
	cover *cover          // the open run of messages; nil: none
	open  atomic.Int64    // runs not settled
	quiet chan struct{}   // capacity 1: open fell to 0
}

// NewWork makes the Work of one partition, for indexer.NewParallel.
func (p *Parser) NewWork(topic string, partition int32) indexer.Work {
	w := &Work{parser: p, pace: pace{rate: p.config.Rate}, ctx: context.Background(), quiet: make(chan struct{}, 1)}
	origin := record.Origin{Source: topic + "-" + strconv.Itoa(int(partition)), Queue: int(partition)}
	sink := worker.SinkFunc(w.produce)
	w.out = p.config.NewOutput(sink, origin)
	w.out.OnSettled(settled)
	w.errors = worker.NewErrorOutput(sink, p.config.ErrorsTopic, stageName, origin, p.config.ErrorsPerSecond, p.config.ErrorsInOutput)
	w.errors.From(topic, partition)
	w.errors.CountIn(&p.errors)
	w.errors.OnSettled(settled)
	return w
}

// Assigned implements indexer.Work.
func (w *Work) Assigned(string, int32, int64) error { return nil }

// Deadline implements indexer.Work.
func (w *Work) Deadline() time.Time { return w.out.Deadline() }

// Do implements indexer.Work.
func (w *Work) Do(ctx context.Context, b *indexer.Batch, part *indexer.Part) error {
	w.ctx = ctx
	for at := 0; at < b.Len(); {
		n := b.Len() - at
		if w.cover != nil {
			n = min(n, coverMessages-w.cover.messages)
		}
		n = min(n, coverMessages, w.pace.step())
		if !w.pace.wait(ctx, n) || !w.begin(part, n, b.Records.Offset(at+n-1)+1) {
			return nil
		}
		w.tally = indexer.Tally{Messages: uint64(n)}
		for i := range n {
			b.Records.Read(at+i, &w.in)
			w.message(&w.in)
		}
		part.Count(&w.tally)
		// Nothing is held back: what is open would only keep offsets waiting.
		if w.cover.messages >= coverMessages || w.out.Deadline().IsZero() {
			w.HandOn()
		}
		at += n
	}
	return nil
}

// message parses one message.
func (w *Work) message(m *message.Message) {
	switch {
	case codec.IsKryo(m.Value):
		w.tally.Packets++
		w.errors.Send(indexer.Unreadable(stageName, m, codec.CheckKryo(m)), 1)
	case w.parser.config.Images:
		w.image(m)
	default:
		codec.ParseRaw(m, &w.rec)
		w.record(m.Value)
	}
}

// record hands on the record that frame was decoded into.
func (w *Work) record(frame []byte) {
	r := &w.rec
	if w.parser.config.VerifyChecksums {
		packet.Verify(&r.Packet, frame)
	}
	w.tally.Packets++
	w.tally.ByStatus[r.Status]++
	if r.Status.IsError() {
		w.errors.Append(r, frame)
		if !w.errors.InOutput() {
			return
		}
	}
	w.out.Append(r, frame)
}
