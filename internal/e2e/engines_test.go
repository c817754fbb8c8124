package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"xcapa/internal/store"
	"xcapa/internal/testnet"
	"xcapa/internal/testpkt"
	"xcapa/internal/veth"
)

// wireFrames are the Ethernet frames of the corpus that a veth with an MTU of
// 1500 passes, and a double VLAN tag.
func wireFrames(t *testing.T) [][]byte {
	t.Helper()
	var frames [][]byte
	tagged := 0
	for _, v := range testpkt.Corpus(t) {
		if v.LinkType == 1 && len(v.Frame) >= 14 && len(v.Frame) <= 1514 {
			frames = append(frames, v.Frame)
		}
	}
	plain := testnet.Numbered(7, 100, 0)
	for _, tags := range []string{"81000064", "88a80065810020c8"} {
		f := append(bytes.Clone(plain[:12]), testpkt.Hex(tags)...)
		frames = append(frames, append(f, plain[12:]...))
	}
	for _, f := range frames {
		if bytes.Equal(f[12:14], []byte{0x81, 0}) || bytes.Equal(f[12:14], []byte{0x88, 0xa8}) {
			tagged++
		}
	}
	t.Logf("%d frames, %d of them with VLAN tags", len(frames), tagged)
	return frames
}

// tagged is frame with a tag of VLAN 100 before those it has.
func tagged(frame []byte) []byte {
	out := append(bytes.Clone(frame[:12]), 0x81, 0, 0, 100)
	return append(out, frame[12:]...)
}

// TestEnginesAgree sends the same frames through every engine and compares what
// is in Kafka with them, byte for byte.
func TestEnginesAgree(t *testing.T) {
	testnet.RequireRoot(t)
	frames := wireFrames(t)
	for _, tt := range []struct {
		name  string
		flags []string
	}{
		{"afxdp_native", []string{"--engine", "afxdp", "--xdp-mode", "native"}},
		{"afxdp_generic", []string{"--engine", "afxdp", "--xdp-mode", "generic"}},
		{"asavie", []string{"--engine", "asavie"}},
		{"afpacket", []string{"--engine", "afpacket"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			to := pair.Ends[1]
			addr := startBroker(t, to, "1") // one partition keeps the order
			capture := startCapture(t, to, addr, append(tt.flags, "--encoding", "raw")...)
			testnet.Send(t, pair.Ends[0], frames...)
			got := consume(t, to, addr, "xcapa.raw", len(frames))
			capture.stop(t)
			capture.final(t)
			if len(got) != len(frames) {
				t.Fatalf("got %d frames, want %d", len(got), len(frames))
			}
			for i := range frames {
				if !bytes.Equal(got[i], frames[i]) {
					t.Fatalf("frame %d:\ngot  %x\nwant %x", i, got[i], frames[i])
				}
			}
		})
	}
}

// TestSnapKeepsPayloadOut looks for a marker behind byte 64 in Kafka and in the
// store.
func TestSnapKeepsPayloadOut(t *testing.T) {
	testnet.RequireRoot(t)
	marker := []byte("SECRET-MARKER-7f3a")
	const n = 50
	var frames [][]byte
	for i := range n {
		f := testnet.Numbered(uint64(i), 300, 0)
		copy(f[100:], marker)
		frames = append(frames, f)
	}
	for _, tt := range []struct {
		encoding, topic, snap string
		want                  bool
	}{
		{"raw", "xcapa.raw", "0", true}, // the search does find it
		{"raw", "xcapa.raw", "64", false},
		{"arrow", "xcapa.packets", "64", false},
	} {
		t.Run(tt.encoding+"_"+tt.snap, func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			to := pair.Ends[1]
			addr := startBroker(t, to, "1")
			capture := startCapture(t, to, addr, "--engine", "afxdp", "--encoding", tt.encoding, "-s", tt.snap)
			testnet.Send(t, pair.Ends[0], frames...)
			want := n
			if tt.encoding == "arrow" {
				want = 1 // blocks
			}
			capture.stop(t)
			if in := capture.final(t).Rooms[0].In; in != n {
				t.Fatalf("captured %d frames, want %d", in, n)
			}
			found := bytes.Contains(bytes.Join(consume(t, to, addr, tt.topic, want), nil), marker)
			if found != tt.want {
				t.Errorf("marker in Kafka: got %v, want %v", found, tt.want)
			}
			if tt.encoding == "arrow" {
				dir := filepath.Join(t.TempDir(), "store")
				index := start(t, to, "index", "--brokers", addr, "--store", dir, "--once", "--quiet")
				await(t, 20*time.Second, "the indexer is at the end", func() bool {
					select {
					case <-index.done:
						return true
					default:
						return false
					}
				})
				index.final(t)
				wantStore(t, dir, n)
				wantNotStored(t, dir, marker)
			}
		})
	}
}

// wantNotStored searches the files as they are and every value in them.
func wantNotStored(t *testing.T, dir string, marker []byte) {
	t.Helper()
	d, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, marker) {
			err = fmt.Errorf("%s holds the marker", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for batch, err := range d.Scan(context.Background(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		for c := range int(batch.NumCols()) {
			for i := range int(batch.NumRows()) {
				if bytes.Contains([]byte(batch.Column(c).ValueStr(i)), marker) {
					t.Fatalf("column %s, row %d holds the marker", batch.ColumnName(c), i)
				}
			}
		}
	}
}
