package worker

import (
	"bytes"
	"encoding/json"
	"testing"

	"xcapa/internal/capture"
	"xcapa/internal/codec"
	"xcapa/internal/record"
	"xcapa/internal/testpkt"
)

// An error record says all that the interface description names: when, who,
// what, where in the frame, the frame, what did decode, and where it came from.
func TestErrorRecordsSayEverything(t *testing.T) {
	frame := testpkt.Ethernet(0x0800, testpkt.IPv4(testpkt.IPv4Header{Protocol: 6}, []byte{0x12, 0x34, 0, 80, 1, 2}))
	var r record.Record
	r.SetPacket(1, frame, uint32(len(frame)), 1_700_000_000_123_456_789)
	r.SourceOffset = 7

	for name, tt := range map[string]struct {
		from func(*ErrorOutput)
		add  func(*record.Record)
		want map[string]any // of "source"; nil: none
	}{
		"capture": {func(*ErrorOutput) {}, func(*record.Record) {}, nil},
		"topic": {func(o *ErrorOutput) { o.From("pcap", 3) }, func(r *record.Record) { r.Present |= 1 << record.FieldSourceOffset },
			map[string]any{"topic": "pcap", "partition": 3.0, "offset": 7.0}},
		"message of several": {func(o *ErrorOutput) { o.From("pcap", 3) }, func(r *record.Record) {
			r.SourceRow = 2
			r.Present |= 1<<record.FieldSourceOffset | 1<<record.FieldSourceRow
		}, map[string]any{"topic": "pcap", "partition": 3.0, "offset": 7.0, "row": 2.0}},
		"file": {func(o *ErrorOutput) { o.FromFile("a b.pcap") }, func(*record.Record) {},
			map[string]any{"file": "a b.pcap", "byte": 1234.0}},
	} {
		sink := &fakeSink{}
		o := NewErrorOutput(sink, "errors", "capture", testOrigin, 0, false)
		tt.from(o)
		rec := r
		tt.add(&rec)
		o.AppendAt(&rec, frame, 1234)
		if len(sink.msgs) != 1 || sink.msgs[0].Topic != "errors" || sink.msgs[0].Packets != 1 {
			t.Fatalf("%s: got %d messages", name, len(sink.msgs))
		}
		var got map[string]any
		if err := json.Unmarshal(sink.msgs[0].Value, &got); err != nil {
			t.Fatal(err)
		}
		source, _ := got["source"].(map[string]any)
		for key, want := range tt.want {
			if source[key] != want {
				t.Errorf("%s: source %s is %v, want %v", name, key, source[key], want)
			}
		}
		if len(source) != len(tt.want) {
			t.Errorf("%s: source is %v, want %v", name, source, tt.want)
		}
		var f codec.Failure
		if err := codec.ParseFailure(sink.msgs[0].Value, &f); err != nil {
			t.Fatal(err)
		}
		if f.TimestampNanos != r.TimestampNanos || f.Stage != "capture" || f.Code != "truncated" || f.Layer != "tcp" || f.Offset != 34 ||
			f.Message == "" || !bytes.Equal(f.Frame, frame) || f.Record == nil || f.Record.Protocol != 6 || f.Origin.Host != testOrigin.Host {
			t.Errorf("%s: got %+v", name, f)
		}
	}
}

// Whatever the limit, what is sent and what is kept back add up to the frames,
// and failures that are no bad packets are never kept back.
func TestErrorLimitCountsExactly(t *testing.T) {
	frame := testpkt.Ethernet(0x0800, []byte{0x45})
	var frames [][]byte
	for range 5000 {
		frames = append(frames, frame)
	}
	sink := &fakeSink{}
	errs := NewErrorOutput(sink, "errors", "capture", testOrigin, 10, false)
	w := New(Config{Source: &fakeSource{frames: frames, batch: 64, atEnd: capture.ErrClosed}, LinkType: 1,
		Output: NewBlockOutput(sink, "packets", testOrigin, 0, 0), Errors: errs})
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	if sent := uint64(len(sink.msgs)); sent < 10 || sent+errs.Suppressed() != 5000 || errs.Delivered() != sent {
		t.Errorf("%d sent, %d delivered, %d suppressed of 5000", sent, errs.Delivered(), errs.Suppressed())
	}
	before := len(sink.msgs)
	for range 100 {
		errs.Send(&codec.Failure{Code: "damaged_capture", Offset: -1, Row: -1}, 0)
	}
	if n := len(sink.msgs) - before; n != 100 {
		t.Errorf("%d of 100 failures that are no packets were sent", n)
	}
}
