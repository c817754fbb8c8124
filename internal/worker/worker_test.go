package worker

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/record"
	"xcapa/internal/testpkt"
)

// fakeSource gives frames in batches of at most batch, then nothing until it is
// closed.
type fakeSource struct {
	frames   [][]byte
	next     int
	batch    int
	released int
	held     int
	atEnd    error // what Receive returns behind the last frame; nil: waits
}

func (s *fakeSource) Receive(out []capture.Frame, wait time.Duration) (int, error) {
	if s.next == len(s.frames) {
		if s.atEnd == nil {
			time.Sleep(min(wait, time.Millisecond))
		}
		return 0, s.atEnd
	}
	n := min(len(out), s.batch, len(s.frames)-s.next)
	for i := range n {
		f := s.frames[s.next]
		out[i] = capture.Frame{Data: f, TimestampNanos: 1_700_000_000_000_000_000 + int64(s.next), Sequence: uint64(s.next), OrigLen: uint32(len(f))}
		s.next++
	}
	s.held += n
	return n, nil
}

func (s *fakeSource) Release()   { s.released += s.held; s.held = 0 }
func (s *fakeSource) Queue() int { return 3 }

// fakeSink keeps copies of what it is given, a message for each record, and
// answers at once.
type fakeSink struct {
	mu     sync.Mutex
	msgs   []message.Message
	handed []message.Bundle // without their bytes
	fail   error
}

func (s *fakeSink) TryProduce(m *message.Message) {
	s.mu.Lock()
	if m.Bundle == nil {
		s.keep(*m)
	} else {
		r := *m.Bundle
		r.Bytes = nil
		s.handed = append(s.handed, r)
		err := m.Bundle.Each(func(r *message.Record) {
			s.keep(message.Message{Topic: m.Topic, Queue: m.Queue, Packets: 1, Time: time.UnixMilli(r.Millis),
				Key: r.Key, Value: r.Value, Headers: r.AppendHeaders(nil)})
		})
		if err != nil || m.Packets != m.Bundle.Count {
			panic(fmt.Sprint(m.Packets, " packets, ", m.Bundle.Count, " records: ", err))
		}
	}
	s.mu.Unlock()
	if m.Done != nil {
		m.Done(m, s.fail)
	}
}

func (s *fakeSink) keep(c message.Message) {
	c.Key, c.Value = bytes.Clone(c.Key), bytes.Clone(c.Value)
	c.Headers = slices.Clone(c.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	s.msgs = append(s.msgs, c)
}

func (s *fakeSink) packets() (n int) {
	for i := range s.msgs {
		n += s.msgs[i].Packets
	}
	return n
}

var testOrigin = record.Origin{Host: "host", Run: "0123456789ab", Interface: "eth9", Queue: 3}

// goodFrame is a whole TCP frame, badFrame one with IHL 0.
var (
	goodFrame = testpkt.Hex("0012cfe554a0001f3c23dbd30800450000284aa74000400658eac0a80ae2c0a80b0c4cfb0017e7caf859261345df501040c73ea50000")
	badFrame  = testpkt.Hex("001a8c15f9804061869af1f5080040000028123440004006abcd0a0000010a00000204d20050f0000000ffffffff5010ffffffff0000000000000000")
)

func frames(n int, every int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		if out[i] = goodFrame; every > 0 && i%every == 0 {
			out[i] = badFrame
		}
	}
	return out
}

// balanced checks a room and returns it.
func balanced(t *testing.T, r ledger.Room) ledger.Room {
	t.Helper()
	l := ledger.Ledger{Final: true, Rooms: []ledger.Room{r}}
	if l.Settle(); !l.Balanced {
		t.Error(l.Verdict())
	}
	return l.Rooms[0]
}

func TestEveryFrameIsOneRecord(t *testing.T) {
	const n = 5000
	src := &fakeSource{frames: frames(n, 10), batch: 64, atEnd: capture.ErrClosed}
	sink := &fakeSink{}
	errs := NewErrorOutput(sink, "errors", "capture", testOrigin, 100, false)
	w := New(Config{Source: src, LinkType: packet.LinkTypeEthernet, Errors: errs,
		Output: NewBlockOutput(sink, "packets", testOrigin, 1024, time.Hour)})
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	if src.released != n {
		t.Errorf("released %d frames of %d", src.released, n)
	}
	r := balanced(t, w.Room())
	if r.In != n || r.ByStatus["bad_header_length"] != n/10 {
		t.Errorf("in %d, by status %v, want %d and %d bad_header_length", r.In, r.ByStatus, n, n/10)
	}
	// 500 are damaged: 100 or (over a second's end) 200 of them are in the
	// errors topic, the others suppressed.
	sent := errs.Delivered()
	if sent != 100 && sent != 200 || errs.Suppressed() != n/10-sent {
		t.Errorf("errors: delivered %d, suppressed %d of %d", sent, errs.Suppressed(), n/10)
	}
	if got := sink.packets(); got != n-n/10+int(sent) {
		t.Errorf("messages carry %d packets, want %d", got, n-n/10+int(sent))
	}
	rows := readAll(t, sink.msgs, "packets")
	if len(rows) != n-n/10 || rows[0] != "0123456789ab-3-1" || rows[len(rows)-1] != "0123456789ab-3-4999" {
		t.Errorf("%d rows, from %s to %s", len(rows), rows[0], rows[len(rows)-1])
	}
}

// readAll decodes the messages of a topic and returns the ids in order.
func readAll(t *testing.T, msgs []message.Message, topic string) (ids []string) {
	t.Helper()
	rd := codec.NewReader(codec.EncodingAuto)
	for i := range msgs {
		if msgs[i].Topic != topic {
			continue
		}
		if err := rd.Read(&msgs[i], func(row *codec.Row) error {
			ids = append(ids, string(row.ID))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

func TestErrorsInOutput(t *testing.T) {
	src := &fakeSource{frames: frames(100, 10), batch: 64, atEnd: capture.ErrClosed}
	sink := &fakeSink{}
	errs := NewErrorOutput(sink, "errors", "capture", testOrigin, 3, true)
	w := New(Config{Source: src, LinkType: packet.LinkTypeEthernet, Errors: errs,
		Output: NewBlockOutput(sink, "packets", testOrigin, 1024, time.Hour)})
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	if got := sink.packets(); got != 100 || errs.Suppressed() != 0 || errs.Delivered() != 0 {
		t.Errorf("%d packets, %d suppressed, %d only in the errors topic; want 100, 0, 0", got, errs.Suppressed(), errs.Delivered())
	}
	if got := len(readAll(t, sink.msgs, "packets")); got != 100 {
		t.Errorf("%d rows, want 100", got)
	}
}

func TestMessagePerPacket(t *testing.T) {
	const n = 3000 // several chunks
	for _, enc := range []struct {
		name string
		e    PacketEncoder
		ids  bool
	}{
		{"json", NewJSONEncoder(&testOrigin, codec.JSONOptions{}), true},
		{"raw", &RawEncoder{LinkType: 1, Queue: 3, Extras: true}, false},
	} {
		t.Run(enc.name, func(t *testing.T) {
			src := &fakeSource{frames: frames(n, 0), batch: 64, atEnd: capture.ErrClosed}
			sink := &fakeSink{}
			w := New(Config{Source: src, LinkType: packet.LinkTypeEthernet, Output: NewPacketOutput(sink, "t", 3, enc.e)})
			if err := w.Run(); err != nil {
				t.Fatal(err)
			}
			if len(sink.msgs) != n || sink.packets() != n {
				t.Fatalf("%d messages, want %d", len(sink.msgs), n)
			}
			if enc.ids {
				if ids := readAll(t, sink.msgs, "t"); ids[n-1] != fmt.Sprintf("0123456789ab-3-%d", n-1) {
					t.Errorf("last id %s", ids[n-1])
				}
				return
			}
			last := sink.msgs[n-1]
			if string(last.Value) != string(goodFrame) {
				t.Errorf("value % x, want the frame % x", last.Value, goodFrame)
			}
			if nanos, ok := codec.ParseRawKey(last.Key); !ok || nanos != 1_700_000_000_000_002_000 {
				t.Errorf("key % x gives %d", last.Key, nanos)
			}
			var h codec.RawHeader
			if err := codec.ParseRawHeader(last.Header(message.HeaderRaw), &h); err != nil || h.Sequence != n-1 || h.OrigLen != uint32(len(goodFrame)) || h.Queue != 3 {
				t.Errorf("header %+v, %v", h, err)
			}
		})
	}
}

func TestQuota(t *testing.T) {
	src := &fakeSource{frames: frames(1000, 0), batch: 64}
	sink := &fakeSink{}
	w := New(Config{Source: src, LinkType: packet.LinkTypeEthernet, Quota: NewQuota(100),
		Output: NewBlockOutput(sink, "packets", testOrigin, 1024, time.Hour)})
	if err := w.Run(); !errors.Is(err, ErrQuota) {
		t.Fatalf("Run = %v, want ErrQuota", err)
	}
	w.Discard()
	r := balanced(t, w.Room())
	if r.In != 1000 || r.Out != 100 || r.Passed != 900 || sink.packets() != 100 {
		t.Errorf("in %d, out %d, passed %d, sent %d; want 1000, 100, 900, 100", r.In, r.Out, r.Passed, sink.packets())
	}
	if src.released != 1000 {
		t.Errorf("released %d", src.released)
	}
}

func TestQuotaUsedUpExactly(t *testing.T) {
	src := &fakeSource{frames: frames(64, 0), batch: 64}
	w := New(Config{Source: src, Quota: NewQuota(64), Output: NewBlockOutput(&fakeSink{}, "p", testOrigin, 1024, time.Hour)})
	done := make(chan error, 1)
	go func() { done <- w.Run() }()
	select {
	case err := <-done:
		if !errors.Is(err, ErrQuota) {
			t.Errorf("Run = %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Run waits for a frame that it may not take")
	}
}

func TestLingerAndDrain(t *testing.T) {
	src := &fakeSource{frames: frames(10, 0), batch: 64}
	sink := &fakeSink{}
	w := New(Config{Source: src, LinkType: packet.LinkTypeEthernet, Output: NewBlockOutput(sink, "packets", testOrigin, 1024, 20*time.Millisecond)})
	done := make(chan error)
	go func() { done <- w.Run() }()
	deadline := time.Now().Add(5 * time.Second)
	for {
		sink.mu.Lock()
		n := len(sink.msgs)
		sink.mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an open block was held past its linger")
		}
		time.Sleep(time.Millisecond)
	}
	w.Drain()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if sink.packets() != 10 {
		t.Errorf("%d packets, want 10", sink.packets())
	}
}

func TestSourceFailure(t *testing.T) {
	boom := errors.New("interface gone")
	src := &fakeSource{frames: frames(5, 0), batch: 64, atEnd: boom}
	sink := &fakeSink{}
	w := New(Config{Source: src, LinkType: packet.LinkTypeEthernet, Output: NewBlockOutput(sink, "p", testOrigin, 1024, time.Hour)})
	if err := w.Run(); !errors.Is(err, boom) {
		t.Errorf("Run = %v, want %v", err, boom)
	}
	if sink.packets() != 5 {
		t.Errorf("what was received before the failure was lost: %d of 5", sink.packets())
	}
}

// recycleSink settles every message at once and keeps nothing.
type recycleSink struct{ packets int }

func (s *recycleSink) TryProduce(m *message.Message) {
	s.packets += m.Packets
	m.Done(m, nil)
}

func outputs(sink Sink) map[string]Output {
	return map[string]Output{
		"arrow": NewBlockOutput(sink, "t", testOrigin, 1024, time.Hour),
		"json":  NewPacketOutput(sink, "t", 3, NewJSONEncoder(&testOrigin, codec.JSONOptions{})),
		"raw":   NewPacketOutput(sink, "t", 3, &RawEncoder{LinkType: 1, Extras: true}),
	}
}

// TestNoAllocationPerPacket runs frames from ring to message.
func TestNoAllocationPerPacket(t *testing.T) {
	if raceEnabled {
		t.Skip("counts allocations, and pools forget on purpose")
	}
	sink := &recycleSink{}
	for name, out := range outputs(sink) {
		w := New(Config{Source: &fakeSource{}, LinkType: packet.LinkTypeEthernet, Output: out})
		f := capture.Frame{Data: goodFrame, OrigLen: uint32(len(goodFrame)), TimestampNanos: 1}
		run := func() {
			for range 4096 {
				w.handle(&f)
			}
			out.Flush()
		}
		run() // the first buffers are made here
		if perPacket := testing.AllocsPerRun(10, run) / 4096; perPacket > 0.001 {
			t.Errorf("%s: %.4f allocations per packet, want none", name, perPacket)
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	for name, out := range outputs(&recycleSink{}) {
		b.Run(name, func(b *testing.B) {
			w := New(Config{Source: &fakeSource{}, LinkType: packet.LinkTypeEthernet, Output: out})
			f := capture.Frame{Data: goodFrame, OrigLen: uint32(len(goodFrame)), TimestampNanos: 1}
			b.ReportAllocs()
			for b.Loop() {
				w.handle(&f)
			}
		})
	}
}
