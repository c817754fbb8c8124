package broker

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// gate decides which produce requests are taken: those that fit the budget.
// Between two looks at the log it adds up what it let in.
type gate struct {
	budget  int64
	held    atomic.Int64  // bytes in the log at the last look
	letIn   atomic.Int64  // bytes let in since the start
	before  atomic.Int64  // letIn at the last look
	refused atomic.Uint64 // requests
	half    chan struct{} // capacity 1: half the budget is held, look now

	// Touched on the cluster's goroutine only.
	last    kmsg.Request
	verdict bool
}

func newGate(budget int64) *gate { return &gate{budget: budget, half: make(chan struct{}, 1)} }

// refuses reports whether a produce request is to be answered with an error.
// kfake asks once per topic and once per partition of a request, always on its
// one goroutine; the answer must be the same for all of them.
func (g *gate) refuses(r kmsg.Request) bool {
	if r == g.last {
		return g.verdict
	}
	g.last = r
	n := produceBytes(r)
	after := g.estimate() + n
	if after > g.budget/2 {
		select {
		case g.half <- struct{}{}:
		default:
		}
	}
	if g.verdict = after > g.budget; g.verdict {
		g.refused.Add(1)
	} else {
		g.letIn.Add(n)
	}
	return g.verdict
}

func produceBytes(r kmsg.Request) int64 {
	p, ok := r.(*kmsg.ProduceRequest)
	if !ok {
		return 0
	}
	var n int64
	for i := range p.Topics {
		for j := range p.Topics[i].Partitions {
			n += int64(len(p.Topics[i].Partitions[j].Records))
		}
	}
	return n
}

// estimate is at least what the log holds now.
func (g *gate) estimate() int64 { return g.held.Load() + g.letIn.Load() - g.before.Load() }

// look begins a look at the log; the result, bytes held, goes to the function
// it returns. What is let in meanwhile may be counted twice until the next look,
// never not at all.
func (g *gate) look() func(held int64) {
	letIn := g.letIn.Load()
	return func(held int64) {
		g.held.Store(held)
		g.before.Store(letIn)
	}
}
