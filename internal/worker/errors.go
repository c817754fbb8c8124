package worker

import (
	"sync/atomic"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/record"
)

// ErrorOutput sends records of class error to the errors topic, at most
// perSecond of them; what is over that is counted. One per worker: the limits
// of a stage's workers add up to the stage's.
type ErrorOutput struct {
	sink       Sink
	topic      string
	stage      string
	origin     record.Origin
	perSecond  int
	inOutput   bool
	window     int64 // second the budget is for
	left       int
	done       func(*message.Message, error)
	suppressed atomic.Uint64
	delivered  atomic.Uint64
}

// NewErrorOutput makes the error output of one worker. perSecond 0: no limit.
// inOutput: these records go to the packets topic as well, so the error record
// is an extra message and carries no packet of the ledger's.
func NewErrorOutput(sink Sink, topic, stage string, origin record.Origin, perSecond int, inOutput bool) *ErrorOutput {
	o := &ErrorOutput{sink: sink, topic: topic, stage: stage, origin: origin, perSecond: perSecond, inOutput: inOutput}
	o.done = func(m *message.Message, err error) {
		if err == nil {
			o.delivered.Add(uint64(m.Packets))
		}
	}
	return o
}

// Append sends one error record, or counts it as suppressed. It allocates: the
// rate limit bounds how often.
func (o *ErrorOutput) Append(r *record.Record, frame []byte) {
	now := time.Now()
	if !o.allow(now.Unix()) {
		o.suppressed.Add(1)
		return
	}
	f := codec.Failure{
		TimestampNanos: r.TimestampNanos, Stage: o.stage, Code: r.Status.String(),
		Layer: r.StatusLayer.String(), Offset: int(r.StatusOffset),
		Message: string(record.AppendErrorText(nil, r)), Frame: frame, Record: r, Origin: &o.origin,
	}
	m := &message.Message{Topic: o.topic, Value: codec.AppendFailure(nil, &f), Packets: 1, Queue: o.origin.Queue, Done: o.done}
	if o.inOutput {
		m.Packets = 0
	}
	o.sink.TryProduce(m)
}

func (o *ErrorOutput) allow(second int64) bool {
	if o.perSecond <= 0 {
		return true
	}
	if second != o.window {
		o.window, o.left = second, o.perSecond
	}
	if o.left == 0 {
		return false
	}
	o.left--
	return true
}

// Suppressed is how many packets are lost to the rate limit: those whose only
// record would have been the error record.
func (o *ErrorOutput) Suppressed() uint64 {
	if o.inOutput {
		return 0
	}
	return o.suppressed.Load()
}

// Delivered is how many packets are in the errors topic and nowhere else.
func (o *ErrorOutput) Delivered() uint64 { return o.delivered.Load() }
