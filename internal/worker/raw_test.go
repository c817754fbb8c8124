package worker

import (
	"bytes"
	"errors"
	"testing"

	"xcapa/internal/capture"
	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/testpkt"
)

// metronTime reads a key as Metron's pcap topology does (FromKeyDeserializer,
// granularity MICROSECONDS): every byte there is goes into a long, the highest
// first, and a message without a key is an error. Written from that
// description, without our own code.
func metronTime(key []byte) (nanos int64, err error) {
	if key == nil {
		return 0, errors.New("null key")
	}
	var micros int64
	for _, b := range key {
		micros = micros<<8 | int64(b)
	}
	return micros * 1000, nil
}

// What we write raw, Metron's reader takes: a key of the packet's time to the
// microsecond in every message, the frame alone as value; ours beside it in a
// header it does not look at. pycapa's own consumer unpacks the same 8 bytes.
func TestRawMessagesAreReadByMetronsRule(t *testing.T) {
	var frames [][]byte
	for _, v := range testpkt.Corpus(t) {
		frames = append(frames, v.Frame)
	}
	for _, extras := range []bool{true, false} {
		sink := &fakeSink{}
		w := New(Config{
			Source:   &fakeSource{frames: frames, batch: 32, atEnd: capture.ErrClosed},
			LinkType: 1,
			Output:   NewPacketOutput(sink, "pcap", 0, &RawEncoder{LinkType: 1, Extras: extras}),
		})
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		if len(sink.msgs) != len(frames) {
			t.Fatalf("got %d messages of %d frames", len(sink.msgs), len(frames))
		}
		for i := range sink.msgs {
			m := &sink.msgs[i]
			captured := 1_700_000_000_000_000_000 + int64(i)
			nanos, err := metronTime(m.Key)
			if err != nil || nanos != captured/1000*1000 || len(m.Key) != 8 {
				t.Fatalf("message %d: Metron reads %d, %v of key %x; want %d", i, nanos, err, m.Key, captured/1000*1000)
			}
			if !bytes.Equal(m.Value, frames[i]) {
				t.Fatalf("message %d: the value is not the frame", i)
			}
			var h codec.RawHeader
			err = codec.ParseRawHeader(m.Header(message.HeaderRaw), &h)
			if extras != (err == nil) || extras && h.TimestampNanos != captured {
				t.Fatalf("message %d: header %+v, %v; want one: %v", i, h, err, extras)
			}
		}
	}
}
