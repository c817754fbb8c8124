package peers

import (
	"context"
	"flag"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

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
	var acked, failed atomic.Uint64
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Add(1)
		} else {
			acked.Add(1)
		}
	}
	out := &recordOutput{
		client: client, promise: promise, documents: codec.NewDocuments(codec.EncodingJSON, codec.JSONOptions{}),
		origin: record.Origin{Host: "bench", Run: device.Info().Run, Interface: *name},
	}
	if err := work(ctx, device, out); err != nil {
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

// recordOutput gives the client a record for each packet.
type recordOutput struct {
	client    *kgo.Client
	promise   func(*kgo.Record, error)
	documents *codec.Documents
	origin    record.Origin
	records   []kgo.Record // both allocated many at a time, which is kind to the client
	memory    []byte
}

func (o *recordOutput) Append(r *record.Record, frame []byte) {
	if cap(o.memory)-len(o.memory) < 4096 {
		o.memory = make([]byte, 0, 256<<10)
	}
	if len(o.records) == 0 {
		o.records = make([]kgo.Record, 256)
	}
	key := len(o.memory)
	o.memory = codec.AppendFlowKey(o.memory, r)
	value := len(o.memory)
	o.memory = o.documents.Append(o.memory, r, &o.origin, frame)
	next := &o.records[0]
	o.records = o.records[1:]
	next.Key, next.Value = o.memory[key:value:value], o.memory[value:len(o.memory):len(o.memory)]
	o.client.TryProduce(context.Background(), next, o.promise)
}

// Deadline and Flush: nothing is held back here.
func (*recordOutput) Deadline() time.Time { return time.Time{} }
func (*recordOutput) Flush()              {}
