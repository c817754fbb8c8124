package peers

import (
	"context"
	"errors"
	"flag"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/capture"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/codec"
	"xcapa/internal/record"
)

// messagePerPacket is the way of a client's user: our source, decoder and JSON
// encoder, and one kgo.Record a packet with the client's defaults (idempotent,
// every replica acknowledges), but no compression. What the client has no room
// for is dropped and counted.
func messagePerPacket(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("message", flag.ExitOnError)
	name := f.String("i", "", "interface")
	brokers := f.String("brokers", "", "address")
	topic := f.String("topic", "xcapa.packets", "topic")
	_ = f.Parse(args)
	client, err := kgo.NewClient(kgo.SeedBrokers(*brokers), kgo.DefaultProduceTopic(*topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	device, err := afxdp.Open(afxdp.Config{Interface: *name, Promiscuous: true})
	if err != nil {
		return err
	}
	defer device.Close()
	ready()
	var acked, failed atomic.Uint64
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Add(1)
		} else {
			acked.Add(1)
		}
	}
	origin := record.Origin{Host: "bench", Run: device.Info().Run, Interface: *name}
	documents := codec.NewDocuments(codec.EncodingJSON, codec.JSONOptions{})
	var (
		r       record.Record
		records []kgo.Record // both allocated many at a time, which is kind to the client
		memory  []byte
	)
	err = eachFrame(ctx, device, func(frame *capture.Frame) {
		r.SetPacket(device.Info().LinkType, frame.Data, frame.OrigLen, frame.TimestampNanos)
		r.Sequence = frame.Sequence
		r.Present |= 1 << record.FieldSequence
		if cap(memory)-len(memory) < 4096 {
			memory = make([]byte, 0, 256<<10)
		}
		if len(records) == 0 {
			records = make([]kgo.Record, 256)
		}
		key := len(memory)
		memory = codec.AppendFlowKey(memory, &r)
		value := len(memory)
		memory = documents.Append(memory, &r, &origin, frame.Data)
		record := &records[0]
		records = records[1:]
		record.Key, record.Value = memory[key:value:value], memory[value:len(memory):len(memory)]
		client.TryProduce(context.Background(), record, promise)
	})
	if err != nil {
		return err
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	lost := failed.Load()
	for _, room := range device.Rooms() {
		for _, n := range room.Dropped {
			lost += n
		}
	}
	return done(Result{Packets: acked.Load(), Dropped: lost})
}

// eachFrame gives f every frame of a device with one queue until ctx is over and
// the ring is empty.
func eachFrame(ctx context.Context, device capture.Device, f func(*capture.Frame)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	source := device.Sources()[0]
	frames := make([]capture.Frame, 64)
	for empty := 0; empty < 2; {
		n, err := source.Receive(frames, 20*time.Millisecond)
		for i := range frames[:n] {
			f(&frames[i])
		}
		source.Release()
		if err != nil && !errors.Is(err, capture.ErrClosed) {
			return err
		}
		if ctx.Err() != nil && empty == 0 {
			if err := device.Detach(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil && n == 0 {
			empty++
		}
	}
	return nil
}
