package peers

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/codec"
	"xcapa/internal/message"
)

// latency reads the topic of records as it grows and says how old packets are
// when a consumer has them: from the kernel's stamp on arrival, over the
// acknowledged block, to the reader. Prints p50, p99 and p99.9 in ms.
func latency(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("latency", flag.ExitOnError)
	brokers := f.String("brokers", "", "address")
	_ = f.Parse(args)
	client, err := kgo.NewClient(kgo.SeedBrokers(*brokers), kgo.ConsumeTopics("xcapa.packets"), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(10*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	warm, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	client.PollFetches(warm) // the offsets are known after it
	cancel()
	ready()
	reader := codec.NewReader(codec.EncodingAuto)
	var ages []float64
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		now := time.Now().UnixNano()
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			m := message.Message{Topic: r.Topic, Value: r.Value}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, message.Header{Key: h.Key, Value: h.Value})
			}
			row := 0
			if err := reader.Read(&m, func(r *codec.Row) error {
				if row%8 == 0 { // the rest would only cost time
					ages = append(ages, float64(now-r.Record.TimestampNanos)/1e6)
				}
				row++
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return sayAges(ages)
}

// sayAges prints p50, p99 and p99.9 of ages, in ms.
func sayAges(ages []float64) error {
	if len(ages) == 0 {
		return fmt.Errorf("no packet came")
	}
	slices.Sort(ages)
	at := func(q float64) float64 { return ages[min(int(q*float64(len(ages))), len(ages)-1)] }
	b, _ := json.Marshal(map[string]float64{"p50": at(0.5), "p99": at(0.99), "p999": at(0.999)})
	fmt.Printf("%s\n", b)
	return nil
}
