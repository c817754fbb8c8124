package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"xcapa/internal/demo"
	"xcapa/internal/packet"
	"xcapa/internal/pcap"
)

// traceBegan is the time of a trace's first packet, s since 1970. All of a trace
// is within one day: one index.
const traceBegan = 1_790_000_000

// writeTrace makes a classic pcap file of n packets.
func writeTrace(path string, n int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := writePackets(file, n); err != nil {
		return err
	}
	return file.Close()
}

// writePackets writes a classic pcap stream of n packets: the bundled captures
// of real traffic, over and over, a microsecond apart. What must differ from one
// turn to the next does, see vary: else compression and grouping would have it
// too easy.
func writePackets(out io.Writer, n int) error {
	frames, err := bundledFrames()
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	le := binary.LittleEndian
	head := le.AppendUint32(nil, 0xa1b2c3d4) // microseconds, version 2.4, snap length, Ethernet
	head = le.AppendUint16(le.AppendUint16(head, 2), 4)
	head = le.AppendUint64(head, 0)
	head = le.AppendUint32(le.AppendUint32(head, 262144), 1)
	w.Write(head)
	var copied []byte
	for i := range n {
		f := frames[i%len(frames)]
		copied = append(copied[:0], f...)
		vary(copied, uint32(i/len(frames)))
		h := le.AppendUint32(head[:0], uint32(traceBegan+i/1e6))
		h = le.AppendUint32(h, uint32(i%1e6))
		h = le.AppendUint32(le.AppendUint32(h, uint32(len(f))), uint32(len(f)))
		w.Write(h)
		if _, err := w.Write(copied); err != nil {
			return err
		}
	}
	return w.Flush()
}

func bundledFrames() (frames [][]byte, err error) {
	for _, name := range demo.Names {
		src, err := demo.Open(name)
		if err != nil {
			return nil, err
		}
		r, err := pcap.NewReader(src, name, pcap.Options{})
		if err != nil {
			return nil, err
		}
		for {
			p, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			frames = append(frames, append([]byte(nil), p.Data...))
		}
		r.Close()
	}
	return frames, nil
}

// vary makes of a frame the one of another turn: other hosts and flows (256 sets
// of them), other sequence numbers, IDs and checksums. Its headers keep their
// shape; checksums do not fit. Turn 0 and damaged frames stay as they are.
func vary(frame []byte, turn uint32) {
	var p packet.Packet
	packet.Decode(&p, packet.LinkTypeEthernet, frame, uint32(len(frame)))
	if turn == 0 || p.Status != packet.StatusWhole || !p.Present.Has(packet.FieldSourceAddress) {
		return
	}
	be := binary.BigEndian
	set := turn % 256
	mixed := turn * 2654435761 // Knuth's multiplier
	add := func(at int, by uint32) { be.PutUint32(frame[at:], be.Uint32(frame[at:])+by) }
	flip := func(at int, by uint16) { be.PutUint16(frame[at:], be.Uint16(frame[at:])^by) }
	ip, transport := int(p.NetworkOffset), int(p.TransportOffset)
	if p.IPVersion == 4 {
		flip(ip+4, uint16(mixed>>8)) // identification
		flip(ip+10, uint16(mixed))
		frame[ip+15] ^= byte(set)
		frame[ip+19] ^= byte(set)
	} else {
		frame[ip+23] ^= byte(set)
		frame[ip+39] ^= byte(set)
	}
	if !p.Present.Has(packet.FieldSourcePort) {
		return
	}
	for _, at := range []int{transport, transport + 2} {
		if be.Uint16(frame[at:]) >= 1024 { // the service stays
			flip(at, uint16(set))
		}
	}
	switch {
	case p.Present.Has(packet.FieldSequenceNumber):
		add(transport+4, mixed)
		add(transport+8, mixed)
		flip(transport+16, uint16(mixed>>4))
	case p.Present.Has(packet.FieldUDPLength):
		flip(transport+6, uint16(mixed>>4))
	}
}
