package worker

import (
	"sync/atomic"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/record"
)

// ErrorCounts are packets whose only record is, or would have been, an error
// record.
type ErrorCounts struct{ suppressed, delivered atomic.Uint64 }

// Suppressed is how many were lost to the rate limit, Delivered how many are in
// the errors topic.
func (c *ErrorCounts) Suppressed() uint64 { return c.suppressed.Load() }
func (c *ErrorCounts) Delivered() uint64  { return c.delivered.Load() }

// ErrorOutput sends records of class error to the errors topic, at most
// perSecond of them; what is over that is counted. One per worker: the limits
// of a stage's workers add up to the stage's.
type ErrorOutput struct {
	*ErrorCounts
	sink      Sink
	topic     string
	stage     string
	origin    record.Origin
	perSecond int
	inOutput  bool
	window    int64 // second the budget is for
	left      int
	done      func(*message.Message, error)
	settled   Settled

	// where the frames come from, when that is a topic or a file
	source    string
	partition int32
	file      string
}

// NewErrorOutput makes the error output of one worker. perSecond 0: no limit.
// inOutput: these records go to the packets topic as well, so the error record
// is an extra message and carries no packet of the ledger's.
func NewErrorOutput(sink Sink, topic, stage string, origin record.Origin, perSecond int, inOutput bool) *ErrorOutput {
	o := &ErrorOutput{sink: sink, topic: topic, stage: stage, origin: origin, perSecond: perSecond, inOutput: inOutput, ErrorCounts: &ErrorCounts{}}
	o.done = func(m *message.Message, err error) {
		if err == nil {
			o.delivered.Add(uint64(m.Packets))
		}
		o.settled.tell(m, err)
	}
	return o
}

// OnSettled has f told of the output's messages; call it before the first one.
func (o *ErrorOutput) OnSettled(f Settled) { o.settled = f }

// CountIn makes o count in c, together with others.
func (o *ErrorOutput) CountIn(c *ErrorCounts) { o.ErrorCounts = c }

// From says that the frames come from a topic: their offsets are in the records.
func (o *ErrorOutput) From(topic string, partition int32) { o.source, o.partition = topic, partition }

// FromFile says that the frames come from a file: see AppendAt.
func (o *ErrorOutput) FromFile(name string) { o.file = name }

// InOutput reports whether records of class error go to the packets topic too.
func (o *ErrorOutput) InOutput() bool { return o.inOutput }

// Append sends one error record, or counts it as suppressed. It allocates: the
// rate limit bounds how often.
func (o *ErrorOutput) Append(r *record.Record, frame []byte) { o.AppendAt(r, frame, 0) }

// AppendAt is Append for a frame whose record or block starts at that byte of
// the file.
func (o *ErrorOutput) AppendAt(r *record.Record, frame []byte, at int64) {
	now := time.Now()
	if !o.allow(now.Unix()) {
		if !o.inOutput {
			o.suppressed.Add(1)
		}
		return
	}
	f := codec.Failure{
		TimestampNanos: r.TimestampNanos, Code: r.Status.String(),
		Layer: r.StatusLayer.String(), Offset: int(r.StatusOffset), Row: -1,
		Message: string(record.AppendErrorText(nil, r)), Frame: frame, Record: r, Origin: &o.origin,
		Position: r.SourceOffset, Byte: at,
	}
	if r.Present.Has(record.FieldSourceRow) {
		f.Row = int(r.SourceRow)
	}
	packets := 1
	if o.inOutput {
		packets = 0
	}
	o.Send(&f, packets)
}

// Send sends a failure that stands for so many packets, whatever the rate; its
// stage and source are set here.
func (o *ErrorOutput) Send(f *codec.Failure, packets int) {
	f.Stage, f.Topic, f.Partition, f.File = o.stage, o.source, o.partition, o.file
	o.sink.TryProduce(&message.Message{Topic: o.topic, Value: codec.AppendFailure(nil, f), Packets: packets,
		Queue: o.origin.Queue, Done: o.done})
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
