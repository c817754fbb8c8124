package parse_test

import (
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"time"

	"xcapa/internal/indexer"
	"xcapa/internal/message"
	"xcapa/internal/parse"
	"xcapa/internal/testpkt"
)

// fragment is the first fragment of a UDP datagram whose others never come. The
// seed's parser kept 64 KiB for each identification.
func fragment(id int) *message.Message {
	f := testpkt.Hex(`001a8c15f9804061869af1f50800
		4500002c123420004011abcd0a0000010a000002 # MF, offset 0
		003514e90400beef787878787878787878787878787878780000`)
	binary.BigEndian.PutUint16(f[18:], uint16(id))
	binary.BigEndian.PutUint32(f[26:], uint32(id)) // more identifications than 16 bits have: another source each
	return &message.Message{Key: binary.BigEndian.AppendUint64(nil, firstMicros+uint64(id)), Value: f}
}

// TestFlood: 100,000 first fragments with distinct identifications, and as many
// damaged frames, leave nothing behind in memory and are counted exactly.
func TestFlood(t *testing.T) {
	records, failures := 0, 0
	p, err := parse.New(parse.Config{NewOutput: blocks, ErrorsTopic: errorsTopic, Producer: noRoom,
		Produce: func(_ context.Context, m *message.Message) error {
			if m.Topic == errorsTopic {
				failures += m.Packets
			} else {
				records += m.Packets
			}
			m.Done(m, nil)
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	w, part := p.NewWork(rawTopic, 0), indexer.NewTestPart(0)
	do := func(from, n int) {
		list := make(message.List, 0, n)
		for i := range n {
			m := fragment(from + i)
			if i%2 == 1 {
				m = frame(from+i, true)
			}
			m.Offset = int64(from + i)
			list = append(list, *m)
		}
		b := indexer.Batch{Topic: rawTopic, Records: list}
		if err := w.Do(t.Context(), &b, part); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	do(0, 4000)
	before := heap()
	const n = 200_000
	for from := 4000; from < n; from += 4000 {
		do(from, 4000)
	}
	w.HandOn()
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes over %d messages, want none to stay", grown, n)
	}
	if records != n/2 || failures != n/2 {
		t.Errorf("%d records and %d error records, want %d of both", records, failures, n/2)
	}
}

// TestFloodBesideTraffic: while as many damaged frames and fragments come as good
// ones, the good ones are through as soon as they are alone, nine tenths of them
// at least.
func TestFloodBesideTraffic(t *testing.T) {
	if os.Getenv("XCAPA_TEST_LONG") != "1" {
		t.Skip("it measures rates, which a busy machine does not have: XCAPA_TEST_LONG=1")
	}
	const good, perTick, tick = 4000, 40, 10 * time.Millisecond // 4,000 a second for a second
	delivered := func(flood bool) uint64 {
		r := newRig(t)
		p := r.parser(func(_ *parse.Config, s *indexer.Config) { s.Once = false })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); p.run(ctx, t) }()
		feed := r.feeder()
		next := time.Now()
		for i := 0; i < good; i += perTick {
			for k := range perTick {
				feed(frame(i+k, false))
				if flood {
					feed(frame(i+k, true))
					feed(fragment(i + k))
				}
			}
			next = next.Add(tick)
			time.Sleep(time.Until(next))
		}
		time.Sleep(200 * time.Millisecond) // linger of the block and of the client
		counts := p.stage.Rooms()[1]
		stop()
		<-ended
		// What was not taken in time is missing from all kinds alike.
		kinds := uint64(1)
		if flood {
			kinds = 3
		}
		return counts.Out / kinds
	}
	alone, beside := delivered(false), delivered(true)
	t.Logf("good packets through in the same time: %d alone, %d beside the flood", alone, beside)
	if alone < good*9/10 {
		t.Skipf("this machine is too busy to tell: %d of %d packets through without a flood", alone, good)
	}
	if beside < alone*9/10 {
		t.Errorf("%d good packets beside the flood, %d alone: want nine tenths", beside, alone)
	}
}
