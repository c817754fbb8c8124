package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"xcapa/internal/demo"
	"xcapa/internal/pcap"
)

// writeTrace makes a classic pcap file of n packets: the bundled captures of
// real traffic, over and over, a microsecond apart.
func writeTrace(path string, n int) error {
	var frames [][]byte
	for _, name := range demo.Names {
		src, err := demo.Open(name)
		if err != nil {
			return err
		}
		r, err := pcap.NewReader(src, name, pcap.Options{})
		if err != nil {
			return err
		}
		for {
			p, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			frames = append(frames, append([]byte(nil), p.Data...))
		}
		r.Close()
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	le := binary.LittleEndian
	head := le.AppendUint32(nil, 0xa1b2c3d4) // microseconds, version 2.4, snap length, Ethernet
	head = le.AppendUint16(le.AppendUint16(head, 2), 4)
	head = le.AppendUint64(head, 0)
	head = le.AppendUint32(le.AppendUint32(head, 262144), 1)
	w.Write(head)
	const began = 1_790_000_000 // all within one day: one index
	for i := range n {
		f := frames[i%len(frames)]
		h := le.AppendUint32(head[:0], uint32(began+i/1e6))
		h = le.AppendUint32(h, uint32(i%1e6))
		h = le.AppendUint32(le.AppendUint32(h, uint32(len(f))), uint32(len(f)))
		w.Write(h)
		w.Write(f)
	}
	return w.Flush()
}
