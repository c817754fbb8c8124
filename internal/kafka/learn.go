package kafka

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// learnEvery is how soon the brokers are asked again where partitions are.
	learnEvery = 250 * time.Millisecond
	// maxMissing is how often in a row the answer may be that there is no such
	// topic, before what waits for it is given up: one just created is not
	// known to all brokers at once.
	maxMissing = 4
)

// learn keeps what the sender knows of the cluster as new as it needs it, until
// the sender ends.
func (s *sender) learn() {
	for tries := 0; ; {
		select {
		case <-s.wakeup:
		case <-s.ctx.Done():
			return
		}
		if s.look() {
			tries++
		} else {
			tries = 0
		}
		select {
		case <-time.After(min(max(learnEvery, backoff(tries)), time.Second)):
		case <-s.ctx.Done():
			return
		}
	}
}

// look asks for what is wanted, and says whether something still is.
func (s *sender) look() (more bool) {
	s.mu.Lock()
	wantID := s.wantID
	var names []string
	for _, t := range s.topics {
		if t.want {
			names = append(names, t.name)
		}
	}
	s.mu.Unlock()
	if len(names) > 0 {
		req := kmsg.NewPtrMetadataRequest()
		for _, name := range names {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, t)
		}
		if resp, err := req.RequestWith(s.ctx, s.client); err == nil {
			s.locate(resp)
		} else if isFinal(&s.p.config, err) {
			s.giveUp(names, err)
		}
	}
	if wantID {
		s.obtainID()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	more = s.wantID
	for _, t := range s.topics {
		more = more || t.want
	}
	if more {
		s.wake()
	}
	return more
}

// giveUp fails everything that waits for the topics.
func (s *sender) giveUp(names []string, err error) {
	var out []fate
	s.mu.Lock()
	for _, name := range names {
		t := s.topics[name]
		t.want = false
		out = append(out, t.failQueue(err)...)
	}
	s.mu.Unlock()
	s.finish(out)
}

// locate takes in where the partitions of topics are.
func (s *sender) locate(resp *kmsg.MetadataResponse) {
	var out []fate
	s.mu.Lock()
	for i := range resp.Topics {
		said := &resp.Topics[i]
		if said.Topic == nil || s.topics[*said.Topic] == nil {
			continue
		}
		t := s.topics[*said.Topic]
		err := kerr.ErrorForCode(said.ErrorCode)
		switch {
		case err == nil && len(said.Partitions) > 0:
			t.want, t.missing = false, 0
			s.arrange(t, said)
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			if t.missing++; t.missing > maxMissing {
				t.want = false
				out = append(out, t.failQueue(err)...)
			}
		case err != nil && !kerr.IsRetriable(err):
			t.want = false
			out = append(out, t.failQueue(err)...)
		}
	}
	s.mu.Unlock()
	s.finish(out)
}

// arrange takes in the partitions of one topic.
func (s *sender) arrange(t *destination, said *kmsg.MetadataResponseTopic) {
	if t.id != said.TopicID {
		if t.id != [16]byte{} {
			s.p.config.Logger.Warn("kafka: topic was deleted and created again, going on with the new one", "topic", t.name)
			for _, p := range t.parts {
				p.renew, p.rewind, p.retryAt = true, true, time.Time{}
			}
		}
		t.id = said.TopicID
	}
	slices.SortFunc(said.Partitions, func(a, b kmsg.MetadataResponseTopicPartition) int {
		return cmp.Compare(a.Partition, b.Partition)
	})
	for i := range said.Partitions {
		m := &said.Partitions[i]
		if i == len(t.parts) {
			t.parts = append(t.parts, &partition{topic: t, index: m.Partition, leader: -1})
		}
		p := t.parts[i]
		if m.Leader < 0 {
			t.want = true // there is none at the moment
		}
		if p.leader != m.Leader {
			p.leader, p.retryAt, p.steady, p.listed = m.Leader, time.Time{}, false, nil
		}
		if len(p.queue) > 0 && p.leader >= 0 {
			s.list(p)
		}
	}
	t.n = len(said.Partitions)
	for _, p := range t.parts[t.n:] {
		s.move(p)
	}
	waiting := t.waiting
	t.waiting = nil
	for _, b := range waiting {
		s.place(t, b)
	}
}

// obtainID asks for a producer id.
func (s *sender) obtainID() {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := req.RequestWith(s.ctx, s.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	var said *kerr.Error
	switch {
	case err == nil:
		s.mu.Lock()
		s.id, s.wantID = producerID{resp.ProducerID, resp.ProducerEpoch, true}, false
		for _, k := range s.sinks {
			k.wake()
		}
		s.mu.Unlock()
	case errors.As(err, &said) && !said.Retriable, isFinal(&s.p.config, err):
		s.mu.Lock()
		s.wantID = false
		var names []string
		for name := range s.topics {
			names = append(names, name)
		}
		s.mu.Unlock()
		s.giveUp(names, err)
	}
}

// expire gives up what has waited longer than the delivery timeout, until the
// sender ends.
func (s *sender) expire() {
	tick := time.NewTicker(s.patience / 10)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		now := time.Now()
		late := func(b *batch) bool { return now.Sub(b.since) > s.patience }
		var out []fate
		s.mu.Lock()
		for _, t := range s.topics {
			for len(t.waiting) > 0 && late(t.waiting[0]) {
				out = append(out, fate{t.waiting[0], kgo.ErrRecordTimeout})
				t.waiting = t.waiting[1:]
			}
			for _, p := range t.parts {
				out = append(out, p.fail(kgo.ErrRecordTimeout, late)...)
			}
		}
		s.mu.Unlock()
		s.finish(out)
	}
}
