package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"xcapa/bench/peers"
	"xcapa/internal/codec"
	"xcapa/internal/message"
	"xcapa/internal/record"
	"xcapa/internal/worker"
)

const groupSizes = "bytes a packet on the topic, real traffic"

// sizes encodes the bundled captures and says how large a packet is: what the
// cost model needs, and no measurement of time.
func (h *harness) sizes() {
	file := filepath.Join(h.scratch, "sizes.pcap")
	if err := writeTrace(file, 10_580); err != nil {
		fmt.Fprintf(os.Stderr, "bench: sizes: %v\n", err)
		return
	}
	frames, err := peers.ReadFrames(file)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: sizes: %v\n", err)
		return
	}
	zstdEncoder, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	for _, encoding := range []string{"arrow", "json", "raw"} {
		var plain, snappy, zst, open int
		var batch []byte
		flush := func() {
			plain += len(batch)
			snappy += len(s2.EncodeSnappy(nil, batch))
			zst += len(zstdEncoder.EncodeAll(batch, nil))
			batch, open = batch[:0], 0
		}
		// A client's batch holds about a megabyte, compressed as one.
		collect := worker.SinkFunc(func(m *message.Message) {
			batch = append(append(batch, m.Key...), m.Value...)
			if open++; len(batch) > 900_000 {
				flush()
			}
			m.Done(m, nil)
		})
		origin := record.Origin{Host: "h", Run: "0123456789ab", Interface: "eth0"}
		var out worker.Output
		switch encoding {
		case "arrow":
			out = worker.NewBlockOutput(collect, "t", origin, codec.MaxBlockRows, 1<<40)
		case "json":
			out = worker.NewPacketOutput(collect, "t", 0, worker.NewJSONEncoder(&origin, codec.JSONOptions{}))
		default:
			out = worker.NewPacketOutput(collect, "t", 0, &worker.RawEncoder{LinkType: 1})
		}
		var r record.Record
		for i, f := range frames {
			r.SetPacket(1, f, uint32(len(f)), 1_790_000_000_000_000_000+int64(i)*1000)
			r.Sequence = uint64(i)
			r.Present |= 1 << record.FieldSequence
			out.Append(&r, f)
		}
		out.Flush()
		flush()
		n := float64(len(frames))
		for _, c := range []struct {
			name  string
			bytes int
		}{{"none", plain}, {"snappy", snappy}, {"zstd", zst}} {
			h.report.Sizes = append(h.report.Sizes, size{encoding, c.name, float64(c.bytes) / n})
		}
	}
}

// size is what a packet takes on the topic.
type size struct {
	Encoding    string  `json:"encoding"`
	Compression string  `json:"compression"`
	Bytes       float64 `json:"bytes"`
}
