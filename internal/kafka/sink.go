package kafka

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sink sends to one broker: what the partitions it leads have ready, one batch
// of each in a request.
type sink struct {
	s      *sender
	broker int32
	wakeup chan struct{} // capacity 1

	// under the sender's lock
	ready    []*partition
	inFlight int       // requests
	rest     time.Time // before it little does not go: the latest request is too young
}

const (
	// maxRequestBytes is how long the batches of one request are together;
	// brokers take 100 MiB.
	maxRequestBytes = 4 << 20
	// promptBytes is how much goes while another request is under way; less
	// waits for its answer and becomes more.
	promptBytes = 64 << 10
	// maxRest bounds how far apart requests are that carry less: the linger,
	// since several workers' batches come at any time in it.
	maxRest = DefaultLinger
)

func (k *sink) wake() {
	select {
	case k.wakeup <- struct{}{}:
	default:
	}
}

// run sends until the sender ends.
func (k *sink) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		batches, pause := k.gather(time.Now())
		if len(batches) > 0 {
			k.send(batches)
			continue
		}
		timer.Reset(pause)
		select {
		case <-k.wakeup:
		case <-timer.C:
		case <-k.s.ctx.Done():
			return
		}
	}
}

// gather takes what may be sent now, or says when to look again.
func (k *sink) gather(now time.Time) (batches []inRequest, pause time.Duration) {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round++
	pause = time.Hour
	switch rest := k.rest.Sub(now); {
	case s.finished || k.inFlight >= maxInFlight:
		return nil, pause // an answer wakes us
	case k.inFlight == 0 && rest <= 0 || k.prompt():
	case k.inFlight > 0:
		return nil, pause
	default:
		return nil, rest
	}
	kept := k.ready[:0]
	bytes := 0
	for _, p := range k.ready {
		if p.listed != k || p.round == s.round {
			continue // its leader is another, or was for a while
		}
		p.round = s.round
		b := p.sendable(k.broker)
		switch {
		case b == nil:
			p.listed = nil // what comes, or an answer, lists it again
			continue
		case now.Before(p.retryAt):
			pause = min(pause, p.retryAt.Sub(now))
		case bytes > 0 && bytes+b.size > maxRequestBytes:
		case s.identify(p):
			b = p.join()
			p.number(b)
			b.inFlight = true
			p.rewind = false
			p.steady = p.steady && p.sentTo == k.broker
			p.inFlight++
			p.sentTo = k.broker
			bytes += b.size
			batches = append(batches, inRequest{p, p.topic.id, b})
			if p.sendable(k.broker) == nil {
				p.listed = nil
				continue
			}
		}
		kept = append(kept, p)
	}
	clear(k.ready[len(kept):])
	k.ready = kept
	if len(batches) > 0 {
		k.inFlight++
		k.rest = now.Add(min(s.p.config.Linger, maxRest))
	}
	return batches, pause
}

// prompt is whether there is enough to send beside a request under way.
func (k *sink) prompt() bool {
	bytes := 0
	for _, p := range k.ready {
		if p.listed != k || p.sendable(k.broker) == nil {
			continue
		}
		for _, b := range p.queue[p.inFlight:] {
			if bytes += b.size; bytes >= promptBytes {
				return true
			}
		}
	}
	return false
}

// sendable is the next batch of p that may go to broker now, nil if none may.
func (p *partition) sendable(broker int32) *batch {
	if p.inFlight == len(p.queue) {
		return nil
	}
	if p.inFlight > 0 && (p.rewind || p.renew || !p.steady || p.sentTo != broker || p.inFlight >= maxInFlight) {
		return nil
	}
	return p.queue[p.inFlight]
}

// send compresses batches, writes them and waits until they are being written;
// the answer is taken by a goroutine of its own.
func (k *sink) send(batches []inRequest) {
	s := k.s
	for _, b := range batches {
		b.build()
		if !s.plain.Load() {
			s.squeeze.compress(b.batch)
		}
		b.seal()
	}
	r := newRequest(batches, s.timeout)
	s.work.Go(func() {
		resp, err := s.client.Broker(int(k.broker)).Request(s.ctx, r)
		r.end()
		k.answered(r, resp, err)
	})
	<-r.written
}

var errNoAnswer = errors.New("the broker's answer leaves a partition out")

// answered takes the answer to r.
func (k *sink) answered(r *produceRequest, resp kmsg.Response, err error) {
	s := k.s
	code := func(int) (int16, bool) { return 0, false }
	if err == nil {
		code = r.answer(resp.(*kmsg.ProduceResponse))
		err = errNoAnswer
	}
	var out []fate
	s.mu.Lock()
	k.inFlight--
	if s.finished && err != errNoAnswer { // close gives up what is left
		for _, b := range r.batches {
			b.inFlight = false
			b.to.inFlight--
		}
		s.mu.Unlock()
		return
	}
	now := time.Now()
	for i, b := range r.batches {
		said := err
		if c, ok := code(i); ok {
			said = kerr.ErrorForCode(c)
		}
		out = append(out, s.heard(b.to, b.batch, said, now)...)
		if b.to.sendable(b.to.leader) != nil {
			s.list(b.to)
		}
	}
	k.wake()
	s.mu.Unlock()
	s.finish(out)
}
