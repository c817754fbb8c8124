package worker

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"xcapa/internal/message"
	"xcapa/internal/record"
)

// frameEncoder makes records of frames that are 8 bytes of key and a value.
type frameEncoder struct{ header string }

func (e frameEncoder) Encode(dst []byte, _ *record.Record, frame []byte) ([]byte, int, int) {
	dst = append(dst, frame...)
	if e.header != "" {
		return append(dst, "beside"...), 8, len(frame)
	}
	return dst, 8, len(dst)
}

func (e frameEncoder) Header() string { return e.header }

func flowFrame(flow uint64, value []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, flow), value...)
}

// TestGatherByFlow: a message holds records of one partition, and says of which;
// as long as nobody knows how many there are, of all.
func TestGatherByFlow(t *testing.T) {
	partitions := 0
	sink := &fakeSink{}
	o := NewPacketOutput(sink, "t", 0, frameEncoder{})
	o.Gather(Gathering{Linger: time.Hour, Partitions: func(topic string) int {
		if topic != "t" {
			t.Errorf("asked for topic %q", topic)
		}
		return partitions
	}})
	for i := range 40 {
		if o.Append(nil, flowFrame(uint64(i), []byte("value"))); i == 19 {
			partitions = 4 // learned with a message open: it goes as it is
		}
		if i == 29 {
			o.Flush()
		}
	}
	o.Flush()
	if len(sink.msgs) != 40 || len(sink.handed) != 5 {
		t.Fatalf("%d records in %d messages, want 40 in 5", len(sink.msgs), len(sink.handed))
	}
	if r := sink.handed[0]; r.Count != 30 || r.Partitions != 0 {
		t.Errorf("the first message is %+v, want 30 records of no partition", r)
	}
	at := 30
	for i, r := range sink.handed[1:] {
		if r.Partition != i || r.Partitions != 4 {
			t.Errorf("message %d is %+v, want partition %d of 4", i+1, r, i)
		}
		for _, m := range sink.msgs[at : at+r.Count] {
			if message.FlowPartition(m.Key, 4) != i {
				t.Errorf("key %x is in the message of partition %d", m.Key, i)
			}
		}
		at += r.Count
	}
}

// TestGatherBytes: no message is longer than it may be, unless one record alone
// is; what waits holds no more than about twice its length.
func TestGatherBytes(t *testing.T) {
	for _, header := range []string{"", "name"} {
		var sizes []int
		var want, got [][]byte
		o := NewPacketOutput(SinkFunc(func(m *message.Message) {
			sizes = append(sizes, len(m.Bundle.Bytes))
			if c, n := cap(m.Bundle.Bytes), len(m.Bundle.Bytes); m.Bundle.Count > 1 && n > 10_000 || c > 2*n+1024 {
				t.Errorf("a message of %d records is %d bytes in a buffer of %d", m.Bundle.Count, n, c)
			}
			if len(m.Value) != len(m.Bundle.Bytes)-message.BundleRoom {
				t.Errorf("Value has %d bytes of %d", len(m.Value), len(m.Bundle.Bytes))
			}
			if err := m.Bundle.Each(func(r *message.Record) {
				got = append(got, bytes.Clone(r.Value))
				if h := r.AppendHeaders(nil); header != "" && (len(h) != 1 || h[0].Key != header || string(h[0].Value) != "beside") {
					t.Errorf("headers %v", h)
				}
			}); err != nil {
				t.Error(err)
			}
			m.Done(m, nil)
		}), "t", 0, frameEncoder{header})
		o.Gather(Gathering{Linger: time.Hour, Bytes: 10_000})
		for _, size := range slices.Concat(slices.Repeat([]int{60}, 1000), []int{9_000, 20_000, 300_000, 1, 9_950, 1_000_000}, slices.Repeat([]int{1}, 2)) {
			value := bytes.Repeat([]byte{byte(size)}, size)
			want = append(want, value)
			o.Append(nil, flowFrame(1, value))
		}
		o.Flush()
		o.Append(nil, flowFrame(1, []byte("x")))
		want = append(want, []byte("x"))
		o.Flush()
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d records came, want the %d that were appended, in order", len(got), len(want))
		}
		if sizes[0] < 9_000 {
			t.Errorf("the first message is %d bytes, want a full one", sizes[0])
		}
	}
}

// TestGatherDeadline: the oldest record in any partition says when all go.
func TestGatherDeadline(t *testing.T) {
	sink := &fakeSink{}
	o := NewPacketOutput(sink, "t", 0, frameEncoder{})
	o.Gather(Gathering{Linger: time.Hour, Partitions: func(string) int { return 2 }})
	if d := o.Deadline(); !d.IsZero() {
		t.Errorf("deadline %v with nothing open", d)
	}
	o.Append(nil, flowFrame(0, nil))
	first := o.Deadline()
	if wait := time.Until(first); wait > time.Hour || wait < time.Hour-time.Minute {
		t.Errorf("the deadline is in %v, want an hour", wait)
	}
	time.Sleep(2 * time.Millisecond)
	o.Append(nil, flowFrame(1, nil))
	if d := o.Deadline(); !d.Equal(first) {
		t.Errorf("a second record moved the deadline by %v", d.Sub(first))
	}
	o.Flush()
	if d := o.Deadline(); !d.IsZero() || len(sink.handed) != 2 {
		t.Errorf("%d messages, deadline %v after Flush, want 2 and none", len(sink.handed), d)
	}
}

// TestRecordTimes: a record has the time at which it was made, to the
// millisecond once somebody has asked for the deadline.
func TestRecordTimes(t *testing.T) {
	sink := &fakeSink{}
	o := NewPacketOutput(sink, "t", 0, frameEncoder{})
	var want []time.Time
	for range 5 {
		o.Deadline()
		want = append(want, time.Now())
		o.Append(nil, flowFrame(0, nil))
		time.Sleep(3 * time.Millisecond)
	}
	o.Flush()
	for i, m := range sink.msgs {
		if d := m.Time.Sub(want[i].Truncate(time.Millisecond)); d < 0 || d > 2*time.Millisecond {
			t.Errorf("record %d is %v from when it was made", i, d)
		}
	}
}
