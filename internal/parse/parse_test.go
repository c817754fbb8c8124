package parse_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xcapa/internal/codec"
	"xcapa/internal/indexer"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/parse"
	"xcapa/internal/record"
	"xcapa/internal/testpkt"
	"xcapa/internal/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const firstMicros = 1338882754996790

// frame is message number i as pycapa writes it: the golden frame with i as its
// IP identification, truncated in the IP header when bad.
func frame(i int, bad bool) *message.Message {
	f := bytes.Clone(testpkt.Vectors[0].Frame)
	binary.BigEndian.PutUint16(f[18:], uint16(i))
	if bad {
		f = f[:30]
	}
	return &message.Message{Key: binary.BigEndian.AppendUint64(nil, firstMicros+uint64(i)), Value: f}
}

// TestEveryMessageOnce: each message gives one record or one error record, with
// the id of its place and the time of its key, in both encodings; with
// --errors-in-output a bad frame gives both.
func TestEveryMessageOnce(t *testing.T) {
	const n = 6000
	for name, c := range map[string]struct {
		output func(worker.Sink, record.Origin) parse.Output
		inOut  bool
	}{"arrow": {blocks, false}, "json": {documents, false}, "both ways": {blocks, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			messages, bad := make([]*message.Message, n), 0
			for i := range messages {
				isBad := i%7 == 5
				if messages[i] = frame(i, isBad); isBad {
					bad++
				}
			}
			r.send(messages...)
			l := r.parser(func(p *parse.Config, _ *indexer.Config) { p.NewOutput, p.ErrorsInOutput = c.output, c.inOut }).run(t.Context(), t)
			if l.Rooms[0].In != n || l.Rooms[1].ByStatus["truncated"] != uint64(bad) {
				t.Errorf("fetched %d, truncated %d; want %d, %d", l.Rooms[0].In, l.Rooms[1].ByStatus["truncated"], n, bad)
			}
			counts, rows := r.rows()
			want := n
			if !c.inOut {
				want -= bad
				if got := l.Rooms[2].Counts["errors_topic"]; got != uint64(bad) {
					t.Errorf("errors_topic %d, want %d", got, bad)
				}
			}
			if len(counts) != want {
				t.Errorf("%d records, want %d", len(counts), want)
			}
			for i := range n {
				id := fmt.Sprintf("xcapa.raw-%d-%d", i%partitions, i/partitions)
				if i%7 == 5 && !c.inOut {
					continue
				}
				row := rows[id]
				if counts[id] != 1 || row.TimestampNanos != int64(firstMicros+i)*1000 {
					t.Fatalf("record %s is there %d times with time %d, want once with %d", id, counts[id], row.TimestampNanos, int64(firstMicros+i)*1000)
				}
			}
			failures := r.failures()
			if len(failures) != bad {
				t.Errorf("%d error records, want %d", len(failures), bad)
			}
			for _, f := range failures {
				i := int(f.Position)*partitions + int(f.Partition)
				if f.Stage != "parse" || f.Code != "truncated" || f.Layer != "ipv4" || f.Offset != 14 || f.Topic != rawTopic || f.Row != -1 ||
					f.TimestampNanos != int64(firstMicros+i)*1000 || i%7 != 5 || !bytes.Equal(f.Frame, messages[i].Value) || f.Record == nil {
					t.Fatalf("error record %+v", f)
				}
			}
		})
	}
}

// TestHeaderBeforeKey: xcapa's own header has the nanoseconds, the length on the
// wire and the link type; a message with neither takes its own time.
func TestHeaderBeforeKey(t *testing.T) {
	r := newRig(t)
	raw := testpkt.Vectors[0].Frame[14:] // an IP packet alone
	own := &message.Message{Key: codec.AppendRawKey(nil, 5_000), Value: raw, Headers: []message.Header{{Key: message.HeaderRaw,
		Value: codec.AppendRawHeader(nil, &codec.RawHeader{TimestampNanos: 1_700_000_000_123_456_789, OrigLen: 1500, LinkType: 101, Sequence: 77})}}}
	bare := &message.Message{Value: testpkt.Vectors[0].Frame, Time: time.UnixMilli(1_700_000_000_000)}
	r.send(own, bare)
	r.parser(nil).run(t.Context(), t)
	_, rows := r.rows()
	a, b := rows["xcapa.raw-0-0"], rows["xcapa.raw-1-0"]
	if a.TimestampNanos != 1_700_000_000_123_456_789 || a.OrigLen != 1500 || a.LinkType != 101 || a.Sequence != 77 || a.SourcePort != 19707 {
		t.Errorf("with header: %+v", a.Record)
	}
	if b.TimestampNanos != 1_700_000_000_000_000_000 || b.SourcePort != 19707 {
		t.Errorf("with neither: time %d, port %d", b.TimestampNanos, b.SourcePort)
	}
}

// TestKryo: what Logisland's own serializer wrote, deflated or not, is one error
// record that says what to do; frames that begin alike are frames.
func TestKryo(t *testing.T) {
	r := newRig(t)
	deflated := kryo(t)
	z, err := zlib.NewReader(bytes.NewReader(deflated[0]))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	multicast := bytes.Clone(testpkt.Vectors[0].Frame)
	copy(multicast, []byte{0x01, 0x00, 0x5e, 0, 0, 1})
	multicast = append(multicast, "java.util.ArrayList com.hurence.logisland."...)
	deflateMAC := bytes.Clone(testpkt.Vectors[0].Frame)
	copy(deflateMAC, []byte{0x78, 0x9c})
	r.send(&message.Message{Value: deflated[0]}, &message.Message{Value: plain}, &message.Message{Value: deflated[1]},
		&message.Message{Value: multicast}, &message.Message{Value: deflateMAC}, &message.Message{Value: []byte{}})
	l := r.parser(nil).run(t.Context(), t)
	codes := map[string]int{}
	for _, f := range r.failures() {
		codes[f.Code]++
		if f.Code == codec.CodeKryo && (!strings.Contains(f.Message, "parse the raw topic again") || f.Stage != "parse") {
			t.Errorf("error record %+v", f)
		}
	}
	counts, _ := r.rows()
	if codes["kryo_payload"] != 3 || codes["truncated"] != 1 || len(counts) != 2 || l.Rooms[2].Counts["errors_topic"] != 4 {
		t.Errorf("codes %v, %d records, room %+v; want kryo_payload 3, truncated 1 (the empty one), 2 records", codes, len(counts), l.Rooms[2])
	}
}

// TestImages: a capture file as one message gives a record for each packet, and
// damage in it neither ends it nor goes unsaid.
func TestImages(t *testing.T) {
	r := newRig(t)
	image := pcapImage(5)
	damaged := bytes.Clone(pcapImage(40))
	at := 24 + 10*(16+54)
	binary.LittleEndian.PutUint32(damaged[at+8:], 0xfffffff0) // captured length of packet 10
	cut := pcapImage(3)
	cut = cut[:len(cut)-20]
	many := pcapImage(3000)
	r.send(&message.Message{Value: image}, &message.Message{Value: damaged}, &message.Message{Value: []byte("\xff\xd8\xff\xe0 no capture")},
		&message.Message{Value: cut}, &message.Message{Value: many}, &message.Message{Value: pcapImage(0)})
	l := r.parser(func(p *parse.Config, _ *indexer.Config) { p.Images = true }).run(t.Context(), t)
	counts, rows := r.rows()
	for id, want := range map[string]bool{
		"xcapa.raw-0-0-0": true, "xcapa.raw-0-0-4": true, "xcapa.raw-0-0-5": false, // whole
		"xcapa.raw-1-0-9": true, "xcapa.raw-1-0-38": true, "xcapa.raw-1-0-39": false, // one bad of 40
		"xcapa.raw-0-1-1": true, "xcapa.raw-0-1-2": false, // cut
		"xcapa.raw-1-1-2999": true,
	} {
		if (counts[id] == 1) != want {
			t.Errorf("record %s is there %d times, want it there: %v", id, counts[id], want)
		}
	}
	if row := rows["xcapa.raw-0-0-4"]; row.TimestampNanos != (1338882754*1e6+4)*1000 || row.Identification != 4 {
		t.Errorf("packet 4: time %d, identification %d", row.TimestampNanos, row.Identification)
	}
	codes := map[string]codec.Failure{}
	for _, f := range r.failures() {
		codes[fmt.Sprintf("%s %d-%d", f.Code, f.Partition, f.Position)] = f
	}
	if len(codes) != 3 {
		t.Errorf("error records: %v", codes)
	}
	if f := codes["damaged_capture 1-0"]; f.Row != 10 || f.Offset != at || len(f.Frame) == 0 {
		t.Errorf("damage: %+v", f)
	}
	if f := codes["damaged_capture 0-1"]; f.Row != 2 || !strings.Contains(f.Message, "ends inside") {
		t.Errorf("cut image: %+v", f)
	}
	if f := codes["not_a_capture 2-0"]; f.Row != -1 || !strings.HasPrefix(string(f.Frame), "\xff\xd8") {
		t.Errorf("no capture: %+v", f)
	}
	if in, want := l.Rooms[0].In, uint64(5+39+1+2+3000); in != want || l.Rooms[2].Counts["damaged"] != 2 || len(counts) != int(want)-1 {
		t.Errorf("fetched %d packets, damaged %d, %d records; want %d, 2, %d", in, l.Rooms[2].Counts["damaged"], len(counts), want, want-1)
	}
}

// pcapImage is a pcap file of n golden frames, a microsecond apart.
func pcapImage(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0)
	for i := range n {
		f := frame(i, false).Value
		for _, v := range []uint32{1338882754, uint32(i), uint32(len(f)), uint32(len(f))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, f...)
	}
	return b
}

// TestSuppressed: with a limit the books say exactly what was not sent.
func TestSuppressed(t *testing.T) {
	r := newRig(t)
	messages := make([]*message.Message, 3000)
	for i := range messages {
		messages[i] = frame(i, true)
	}
	r.send(messages...)
	l := r.parser(func(p *parse.Config, _ *indexer.Config) { p.ErrorsPerSecond = 10 }).run(t.Context(), t)
	sent, dropped := len(r.failures()), l.Rooms[2].Dropped["error_suppressed"]
	if sent == 0 || uint64(sent)+dropped != 3000 || l.Rooms[2].Counts["errors_topic"] != uint64(sent) {
		t.Errorf("%d error records, %d suppressed, room %+v; want 3000 together", sent, dropped, l.Rooms[2])
	}
}

// TestRate: a limit holds, per partition.
func TestRate(t *testing.T) {
	r := newRig(t)
	messages := make([]*message.Message, 600*partitions)
	for i := range messages {
		messages[i] = frame(i, false)
	}
	r.send(messages...)
	began := time.Now()
	l := r.parser(func(p *parse.Config, _ *indexer.Config) { p.Rate = 400 }).run(t.Context(), t)
	if took := time.Since(began); took < 1400*time.Millisecond || l.Rooms[2].Out != 600*partitions {
		t.Errorf("%d records in %v, want %d in 1.5 s at 400 a second", l.Rooms[2].Out, took, 600*partitions)
	}
}

// TestLinger: a record leaves after the linger, without a full block or an end.
func TestLinger(t *testing.T) {
	r := newRig(t)
	p := r.parser(func(_ *parse.Config, s *indexer.Config) { s.Once = false })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.run(ctx, t) }()
	for round := range 3 {
		r.send(frame(round, false))
		for deadline := time.Now().Add(10 * time.Second); p.producer.Room().Out != uint64(round+1); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %d records delivered", round, p.producer.Room().Out)
			}
		}
	}
	stop()
	<-ended
}

// TestBrokerRefuses: a message that will never be acknowledged ends the stage
// and leaves its input uncommitted.
func TestBrokerRefuses(t *testing.T) {
	r := newRig(t)
	r.send(frame(0, false))
	p := r.parser(func(c *parse.Config, s *indexer.Config) {
		s.FlushTimeout = time.Second
		c.Produce = func(_ context.Context, m *message.Message) error {
			m.Done(m, fmt.Errorf("refused for good"))
			return fmt.Errorf("refused for good")
		}
	})
	err := p.stage.Run(t.Context(), p.source)
	if err == nil || !strings.Contains(err.Error(), "refused for good") {
		t.Errorf("Run: %v, want the refusal", err)
	}
	_ = p.producer.Close(t.Context())
	l := r.parser(nil).run(t.Context(), t)
	if l.Rooms[2].Out != 1 {
		t.Errorf("the next run delivered %d, want 1: the first one committed it", l.Rooms[2].Out)
	}
}

// BenchmarkParse is the stage without Kafka: messages in, blocks out, settled.
func BenchmarkParse(b *testing.B) {
	for name, output := range map[string]func(worker.Sink, record.Origin) parse.Output{"arrow": blocks, "json": documents} {
		b.Run(name, func(b *testing.B) {
			w, list := benchWork(b, output)
			part := indexer.NewTestPart(0)
			b.ReportAllocs()
			b.ResetTimer()
			offset := int64(0)
			for done := 0; done < b.N; done += len(list) {
				for i := range list {
					list[i].Offset = offset
					offset++
				}
				if err := w.Do(b.Context(), &indexer.Batch{Topic: rawTopic, Records: list}, part); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func noRoom() ledger.Room { return ledger.Room{} }

// TestNoAllocation: a message costs no allocation of its own; a run of 1,024 has
// its cover, its entry and what the window keeps.
func TestNoAllocation(t *testing.T) {
	for name, output := range map[string]func(worker.Sink, record.Origin) parse.Output{"arrow": blocks, "json": documents} {
		t.Run(name, func(t *testing.T) {
			work, list := benchWork(t, output)
			part, offset := indexer.NewTestPart(0), int64(0)
			do := func() {
				for i := range list {
					list[i].Offset = offset
					offset++
				}
				if err := work.Do(t.Context(), &indexer.Batch{Topic: rawTopic, Records: list}, part); err != nil {
					t.Fatal(err)
				}
			}
			if n := testing.AllocsPerRun(50, do); n > float64(len(list)/100) {
				t.Errorf("%v allocations for %d messages", n, len(list))
			}
		})
	}
}

func benchWork(t testing.TB, output func(worker.Sink, record.Origin) parse.Output) (indexer.Work, message.List) {
	t.Helper()
	p, err := parse.New(parse.Config{NewOutput: output, ErrorsTopic: errorsTopic, Producer: noRoom,
		Produce: func(_ context.Context, m *message.Message) error { m.Done(m, nil); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	list := make(message.List, 4096)
	for i := range list {
		list[i] = *frame(i, false)
	}
	return p.NewWork(rawTopic, 0), list
}
