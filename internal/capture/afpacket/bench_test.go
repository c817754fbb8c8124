package afpacket

import (
	"context"
	"testing"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// BenchmarkReceive is frames of 60 bytes from a generator on the other end of
// a veth pair, flat out, received and given back; one operation is one frame
// delivered. What the ring had no room for is reported as dropped/frame.
func BenchmarkReceive(b *testing.B) {
	pair := testnet.Pair(b, veth.Options{})
	d := openOn(b, pair.Ends[1], Config{})
	s := d.Sources()[0]
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := testnet.Generate(ctx, pair.Ends[0], testnet.Load{For: time.Hour})
		done <- err
	}()
	frames := make([]capture.Frame, 64)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; {
		n, err := s.Receive(frames[:min(left, len(frames))], time.Second)
		if err != nil {
			b.Fatal(err)
		}
		s.Release()
		left -= n
	}
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	r := d.Rooms()[0]
	b.ReportMetric(float64(r.Dropped[ledger.SocketFull])/float64(max(r.In, 1)), "dropped/frame")
}
