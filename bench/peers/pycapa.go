package peers

import (
	"context"
	"encoding/binary"
	"flag"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pycapaShape is Metron's pycapa written in Go: AF_PACKET, one record per
// packet, the frame as value, microseconds as key. It never waits: what the
// client has no room for is dropped and counted.
func pycapaShape(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("pycapa", flag.ExitOnError)
	name := f.String("i", "", "interface")
	brokers := f.String("brokers", "", "addresses")
	topic := f.String("topic", "xcapa.raw", "topic")
	compression := f.String("compression", "none", "none or snappy")
	_ = f.Parse(args)
	codec := kgo.NoCompression()
	if *compression == "snappy" {
		codec = kgo.SnappyCompression()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(*brokers, ",")...), kgo.DefaultProduceTopic(*topic),
		kgo.ProducerBatchCompression(codec), kgo.MaxBufferedRecords(200_000), kgo.ProducerLinger(10*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	t, err := openAFPacket(*name)
	if err != nil {
		return err
	}
	defer t.Close()
	ready()
	var acked, failed atomic.Uint64
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Add(1)
		} else {
			acked.Add(1)
		}
	}
	err = eachPacket(ctx, t, func(frame []byte, at time.Time) {
		key := binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(at.UnixMicro()))
		client.TryProduce(context.Background(), &kgo.Record{Key: key, Value: append([]byte(nil), frame...)}, promise)
	})
	if err != nil {
		return err
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	_, v3, err := t.SocketStats()
	if err != nil {
		return err
	}
	return done(Result{Packets: acked.Load(), Dropped: failed.Load() + uint64(v3.Drops())})
}
