package peers

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

// parseFrames is our side of the comparison with the seed's parser: frames in
// memory, one thread, decoded and encoded, over and over. Prints packets,
// seconds and CPU seconds of the second half of the time.
func parseFrames(_ context.Context, args []string) error {
	f := flag.NewFlagSet("parse", flag.ExitOnError)
	encoding := f.String("encoding", "arrow", "arrow or json")
	name := f.String("file", "", "capture file")
	length := f.Duration("for", 2*time.Second, "how long")
	_ = f.Parse(args)
	frames, err := ReadFrames(*name)
	if err != nil {
		return err
	}
	discard := worker.SinkFunc(func(m *message.Message) { m.Done(m, nil) })
	origin := record.Origin{Source: "raw-0"}
	var out worker.Output = worker.NewBlockOutput(discard, "t", origin, codec.MaxBlockRows, time.Hour)
	if *encoding == "json" {
		out = worker.NewPacketOutput(discard, "t", 0, worker.NewJSONEncoder(&origin, codec.JSONOptions{}))
	}
	var r record.Record
	begin, packets := time.Now(), 0
	warm, warmAt, warmCPU := 0, time.Time{}, 0.0
	for time.Since(begin) < *length {
		if warmAt.IsZero() && time.Since(begin) > *length/2 {
			warm, warmAt, warmCPU = packets, time.Now(), cpuSeconds()
		}
		for i := range frames {
			r.SetPacket(1, frames[i], uint32(len(frames[i])), int64(packets+i))
			r.SourceOffset = int64(packets + i)
			r.Present |= 1 << record.FieldSourceOffset
			out.Append(&r, frames[i])
		}
		packets += len(frames)
	}
	b, _ := json.Marshal(map[string]float64{"packets": float64(packets - warm), "seconds": time.Since(warmAt).Seconds(), "cpu": cpuSeconds() - warmCPU})
	fmt.Printf("%s\n", b)
	return nil
}

// ReadFrames reads all frames of a capture file.
func ReadFrames(name string) (frames [][]byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, err := pcap.NewReader(file, name, pcap.Options{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, err
		}
		frames = append(frames, append([]byte(nil), p.Data...))
	}
}
