package parse

import (
	"context"
	"errors"
	"sync/atomic"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

// Output is where records go: worker.BlockOutput, or worker.PacketOutput.
type Output interface {
	worker.Output
	OnSettled(worker.Settled)
}

// Config says what is made of the messages, and where it goes.
type Config struct {
	// NewOutput makes the output of one partition, which gives its messages to
	// sink. origin names the partition as the source of its records.
	NewOutput func(sink worker.Sink, origin record.Origin) Output
	// Produce hands a message to Kafka and waits for room until ctx ends. The
	// answer comes to m.Done, also when an error is returned.
	Produce func(ctx context.Context, m *message.Message) error
	// Producer is the account of what Produce was given.
	Producer func() ledger.Room

	ErrorsTopic     string
	ErrorsPerSecond int  // of one partition; more of them are suppressed and counted; 0: no limit
	ErrorsInOutput  bool // records of class error go to the output as well

	Images          bool // each message is the image of a capture file, not a frame
	VerifyChecksums bool // reads every payload byte
	Rate            int  // messages a second of one partition; 0: no limit

}

// Parser makes the Work of a parse stage and adds up its books.
type Parser struct {
	config  Config
	errors  worker.ErrorCounts
	damaged atomic.Uint64 // places in images that could not be read

	last, aborted sum // at the end of the latest transaction; of those that were aborted
}

// sum is what transactions have done.
type sum struct{ out, errors, suppressed atomic.Uint64 }

// New makes a parser for c.
func New(c Config) (*Parser, error) {
	if c.NewOutput == nil || c.Produce == nil || c.Producer == nil || c.ErrorsTopic == "" {
		return nil, errors.New("configure the parse stage: give an output, a producer and an errors topic")
	}
	return &Parser{config: c}, nil
}

// Room is the account of what the stage produces, as the producer has it.
func (p *Parser) Room() ledger.Room { return p.config.Producer() }

// TransactionEnded tells how a transaction ended: what an aborted one delivered
// is not there, and is read again. One goroutine calls it.
func (p *Parser) TransactionEnded(committed bool) {
	for _, c := range []struct {
		now           uint64
		last, aborted *atomic.Uint64
	}{
		{p.config.Producer().Out, &p.last.out, &p.aborted.out},
		{p.errors.Delivered(), &p.last.errors, &p.aborted.errors},
		{p.errors.Suppressed(), &p.last.suppressed, &p.aborted.suppressed},
	} {
		if !committed {
			c.aborted.Add(c.now - c.last.Load())
		}
		c.last.Store(c.now)
	}
}

// Books completes the rooms of the stage (fetch, decode, kafka) in place. ended
// says that no answer is waited for any more. What the producer gave up is not
// lost: its offsets stay uncommitted, and Kafka delivers it again.
func (p *Parser) Books(rooms []ledger.Room, ended bool) []ledger.Room {
	decode, r := &rooms[len(rooms)-2], &rooms[len(rooms)-1]
	r.In = decode.Out - decode.Counts[ledger.ErrorsTopic]
	r.Dropped = nil
	r.Drop(ledger.ErrorSuppressed, p.errors.Suppressed()-p.aborted.suppressed.Load())
	r.Out -= p.aborted.out.Load()
	r.Passed = p.aborted.out.Load() + p.aborted.suppressed.Load()
	switch settled := r.Out + r.DroppedTotal() + r.Passed; {
	case ended && r.In > settled:
		r.Passed += r.In - settled
	case !ended && r.In < settled:
		r.In = settled // of a run that is not counted yet
	}
	r.Counts = map[string]uint64{}
	for name, n := range map[string]uint64{
		ledger.ErrorsTopic: p.errors.Delivered() - p.aborted.errors.Load(), "given_back": r.Passed, "damaged": p.damaged.Load(),
	} {
		if n > 0 {
			r.Counts[name] = n
		}
	}
	return rooms
}
