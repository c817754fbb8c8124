package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// produceRequest is a produce request that says when it is being written. The
// client writes the requests to one broker in the order in which it got them,
// but takes them from goroutines: the next one may only be given to it when the
// one before has come this far.
type produceRequest struct {
	*kmsg.ProduceRequest
	batches []inRequest
	noIDs   bool // a topic's id is not known: names only

	mu      sync.Mutex
	over    bool          // the batches may be somebody else's by now
	written chan struct{} // closed when the client has come to it, or never will
	begun   bool
}

// inRequest is a batch and where it goes.
type inRequest struct {
	to    *partition
	topic [16]byte // id of the topic, zero: not known
	*batch
}

// MaxVersion implements kmsg.Request: from version 13 on topics have ids only.
func (r *produceRequest) MaxVersion() int16 {
	if r.noIDs {
		return 12
	}
	return r.ProduceRequest.MaxVersion()
}

// AppendTo implements kmsg.Request.
func (r *produceRequest) AppendTo(dst []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin()
	if r.over {
		return dst // nobody waits for it: its connection is at an end
	}
	return r.ProduceRequest.AppendTo(dst)
}

func (r *produceRequest) begin() {
	if !r.begun {
		r.begun = true
		close(r.written)
	}
}

// end says that the answer is there, or that none will be waited for.
func (r *produceRequest) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin()
	r.over = true
}

// newRequest makes the request for batches that are sealed.
func newRequest(batches []inRequest, timeoutMillis int32) *produceRequest {
	r := &produceRequest{ProduceRequest: kmsg.NewPtrProduceRequest(), batches: batches, written: make(chan struct{})}
	r.Acks, r.TimeoutMillis = -1, timeoutMillis
	at := map[*destination]int{}
	for _, b := range batches {
		i, ok := at[b.to.topic]
		if !ok {
			i = len(r.Topics)
			at[b.to.topic] = i
			t := kmsg.NewProduceRequestTopic()
			t.Topic, t.TopicID = b.to.topic.name, b.topic
			r.noIDs = r.noIDs || t.TopicID == [16]byte{}
			r.Topics = append(r.Topics, t)
		}
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = b.to.index, b.wire()
		r.Topics[i].Partitions = append(r.Topics[i].Partitions, p)
	}
	return r
}

// answer is what the broker said of the request's batches, by their index: an
// error code, or ok false if it said nothing.
func (r *produceRequest) answer(resp *kmsg.ProduceResponse) func(i int) (code int16, ok bool) {
	type place struct {
		topic     string
		id        [16]byte
		partition int32
	}
	codes := map[place]int16{}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		at := place{topic: t.Topic}
		if resp.Version >= 13 {
			at = place{id: t.TopicID}
		}
		for j := range t.Partitions {
			at.partition = t.Partitions[j].Partition
			codes[at] = t.Partitions[j].ErrorCode
		}
	}
	return func(i int) (int16, bool) {
		b := &r.batches[i]
		at := place{topic: b.to.topic.name, partition: b.to.index}
		if resp.Version >= 13 {
			at = place{id: b.topic, partition: b.to.index}
		}
		code, ok := codes[at]
		return code, ok
	}
}
