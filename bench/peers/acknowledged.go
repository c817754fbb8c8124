package peers

import (
	"context"
	"flag"
	"strings"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/kafka"
	"xcapa/internal/message"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

// acknowledged is the path of `xcapa capture`, put together of the same parts
// with the same defaults, and a clock at its end: it says how old packets are,
// by the kernel's stamp on arrival, when their block has been acknowledged.
func acknowledged(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("acknowledged", flag.ExitOnError)
	name := f.String("i", "", "interface")
	brokers := f.String("brokers", "", "addresses")
	_ = f.Parse(args)
	producer, err := kafka.NewProducer(ctx, kafka.Config{Brokers: strings.Split(*brokers, ","), CreateTopics: kafka.CreateTopics{Allowed: true}})
	if err != nil {
		return err
	}
	// What the first message waits for once: metadata, producer id, connections.
	producer.TryProduce(&message.Message{Topic: "xcapa.packets", Value: []byte("{}"), Packets: 1})
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	device, err := afxdp.Open(afxdp.Config{Interface: *name, Promiscuous: true})
	if err != nil {
		return err
	}
	defer device.Close()
	out := &sampledOutput{}
	sink := worker.SinkFunc(func(m *message.Message) {
		m.Tag = out.arrivals // of this block's packets
		out.arrivals = nil
		producer.TryProduce(m)
	})
	origin := record.Origin{Host: "bench", Run: device.Info().Run, Interface: *name}
	out.BlockOutput = worker.NewBlockOutput(sink, "xcapa.packets", origin, worker.DefaultRows, 100*time.Millisecond)
	var ages []float64
	out.OnSettled(func(m *message.Message, err error) { // nil: on one goroutine of the client
		if err != nil {
			return
		}
		now := time.Now().UnixNano()
		for _, at := range m.Tag.([]int64) {
			ages = append(ages, float64(now-at)/1e6)
		}
	})
	if err := work(ctx, device, out); err != nil {
		return err
	}
	if err := producer.Close(context.Background()); err != nil {
		return err
	}
	return sayAges(ages)
}

// work is a worker on the one queue of a device, from ready until ctx is over and
// the ring is empty.
func work(ctx context.Context, device capture.Device, out worker.Output) error {
	w := worker.New(worker.Config{Source: device.Sources()[0], LinkType: device.Info().LinkType, Output: out})
	ended := make(chan error, 1)
	go func() { ended <- w.Run() }()
	ready()
	<-ctx.Done()
	if err := device.Detach(); err != nil {
		return err
	}
	w.Drain()
	return <-ended
}

// sampledOutput notes the arrival of every eighth packet of the open block.
type sampledOutput struct {
	*worker.BlockOutput
	arrivals []int64 // ns since 1970
	count    int
}

func (o *sampledOutput) Append(r *record.Record, frame []byte) {
	if o.count%8 == 0 {
		o.arrivals = append(o.arrivals, r.TimestampNanos)
	}
	o.count++
	o.BlockOutput.Append(r, frame)
}
