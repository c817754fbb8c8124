package main

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"xcapa/internal/packet"
	"xcapa/internal/pcap"
)

// A trace is the bundled captures and then variants of them: as many packets,
// every one decoded as its original, most of them different.
func TestTrace(t *testing.T) {
	frames, err := bundledFrames()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writePackets(&b, 3*len(frames)); err != nil {
		t.Fatal(err)
	}
	r, err := pcap.NewReader(&b, "trace", pcap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	same := 0
	for i := range 3 * len(frames) {
		p, err := r.Next()
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		want := frames[i%len(frames)]
		if i < len(frames) && !bytes.Equal(p.Data, want) {
			t.Fatalf("packet %d of the first turn differs", i)
		}
		if bytes.Equal(p.Data, want) {
			same++
		}
		var got, orig packet.Packet
		packet.Decode(&got, packet.LinkTypeEthernet, p.Data, uint32(len(p.Data)))
		packet.Decode(&orig, packet.LinkTypeEthernet, want, uint32(len(want)))
		if got.Status != orig.Status || got.Present != orig.Present || got.TransportOffset != orig.TransportOffset || got.TCPFlags != orig.TCPFlags {
			t.Fatalf("packet %d: status %v, want %v; fields %x, want %x", i, got.Status, orig.Status, got.Present, orig.Present)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("more packets than asked for: %v", err)
	}
	if most := len(frames) * 3 / 2; same > most {
		t.Errorf("%d packets are the same, want at most %d", same, most)
	}
}
