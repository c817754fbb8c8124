package e2e

import (
	"bytes"
	"context"
	bits "encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"xcapa/internal/store"
	"xcapa/internal/testnet"
	"xcapa/internal/testpkt"
	"xcapa/internal/veth"
)

// wireFrames are the Ethernet frames of the corpus that a veth with an MTU of
// 1500 passes, and IPv4 and IPv6 in several flows, each without a tag, with one
// and with two.
func wireFrames(t *testing.T) [][]byte {
	t.Helper()
	var frames [][]byte
	for _, v := range testpkt.Corpus(t) {
		if v.LinkType == 1 && len(v.Frame) >= 14 && len(v.Frame) <= 1514 {
			frames = append(frames, v.Frame)
		}
	}
	for flow := range 16 {
		for _, plain := range [][]byte{testnet.Numbered(7, 100, flow), numbered6(flow)} {
			frames = append(frames, plain, withTags(plain, "81006064"), withTags(plain, "88a80065810020c8"))
		}
	}
	return frames
}

// numbered6 is an IPv6 UDP frame of flow.
func numbered6(flow int) []byte {
	f := testpkt.Hex("020000000001020000000002 86dd 60000000 0010 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002 0000 07d0 0010 0000 0102030405060708")
	bits.BigEndian.PutUint16(f[54:], uint16(1000+flow))
	return f
}

// withTags is frame with VLAN tags, in hex, before those it has.
func withTags(frame []byte, tags string) []byte {
	out := append(bytes.Clone(frame[:12]), testpkt.Hex(tags)...)
	return append(out, frame[12:]...)
}

// hiddenTag is what pushTags puts on every frame.
const hiddenTag = "81000064"

// pushTags has every frame that end sends tagged as by a VLAN device: with the
// offload on, the tag stays beside the frame. false: this kernel cannot.
func pushTags(t *testing.T, end *veth.End) bool {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "push_tag", Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R2, 0x0081), // 0x8100 in network byte order
			asm.Mov.Imm(asm.R3, 100),
			asm.FnSkbVlanPush.Call(),
			asm.Mov.Imm(asm.R0, 0), // TCX_PASS
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	err = end.Do(func() error {
		l, err := link.AttachTCX(link.TCXOptions{Interface: end.Index, Program: p, Attach: ebpf.AttachTCXEgress})
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Log("frames with a tag beside them are left out: kernel feature missing: tcx (Linux 6.6)")
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// engines are all ways to take frames from an interface.
var engines = []struct {
	name  string
	flags []string
}{
	{"afxdp_native", []string{"--engine", "afxdp", "--xdp-mode", "native"}},
	{"afxdp_generic", []string{"--engine", "afxdp", "--xdp-mode", "generic"}},
	{"asavie_native", []string{"--engine", "asavie", "--xdp-mode", "native"}},
	{"asavie_generic", []string{"--engine", "asavie", "--xdp-mode", "generic"}},
	{"afpacket", []string{"--engine", "afpacket"}},
}

// TestEnginesAgree sends the same frames through every engine, over one queue
// and over two, with the sender's offloads on and off, as they are and with a
// tag pushed onto them, and compares what is in Kafka with them byte for byte.
func TestEnginesAgree(t *testing.T) {
	testnet.RequireRoot(t)
	plain := wireFrames(t)
	var tagged [][]byte
	for _, f := range plain {
		// With less behind its tag, the kernel drops a frame before anybody
		// sees it. Into an MPLS frame some kernels put the tag themselves.
		if len(f) >= 16 && !bytes.Equal(f[12:14], []byte{0x88, 0x47}) {
			tagged = append(tagged, f)
		}
	}
	for _, queues := range []int{1, 2} {
		for _, beside := range []bool{false, true} { // the tag travels beside the frame
			pair := testnet.Pair(t, veth.Options{Queues: queues, KeepOffloads: beside})
			addr := startBroker(t, pair.Ends[1], "1") // one partition keeps the order
			for _, engine := range engines {
				name := fmt.Sprintf("%s_%d_queues_offloads_%v", engine.name, queues, beside)
				t.Run(name, func(t *testing.T) {
					capture := startCapture(t, pair.Ends[1], addr, append(engine.flags, "--encoding", "raw", "--topic", name)...)
					testnet.Send(t, pair.Ends[0], plain...)
					want := slices.Clone(plain)
					lost := beside && strings.HasSuffix(engine.name, "generic") // generic XDP cannot see it
					if pushTags(t, pair.Ends[0]) {
						testnet.Send(t, pair.Ends[0], tagged...)
						for _, f := range tagged {
							if !lost {
								f = withTags(f, hiddenTag)
							}
							want = append(want, f)
						}
					}
					var got [][]byte
					used := map[uint16]bool{}
					for _, r := range consumeRecords(t, pair.Ends[1], addr, name, len(want)) {
						got = append(got, r.Value)
						used[bits.BigEndian.Uint16(r.Headers[0].Value[14:])] = true
					}
					capture.stop(t)
					if in := capture.final(t).Rooms[0].In; in != uint64(len(want)) {
						t.Errorf("the capture saw %d frames, want %d", in, len(want))
					}
					sameFrames(t, got, want, queues == 1)
					// A veth does not tell generic XDP the queue, and a packet socket has none.
					if strings.HasSuffix(engine.name, "native") && len(used) != queues {
						t.Errorf("frames came by queues %v, want %d of them", used, queues)
					}
					if said := strings.Contains(capture.words.String(), "VLAN tags"); lost && !said {
						t.Errorf("tags are lost and the capture does not say so:\n%s", capture.words.String())
					}
				})
			}
		}
	}
}

// sameFrames compares frames byte for byte, and their order where it is kept.
func sameFrames(t *testing.T, got, want [][]byte, ordered bool) {
	t.Helper()
	if !ordered {
		got, want = slices.SortedFunc(slices.Values(got), bytes.Compare), slices.SortedFunc(slices.Values(want), bytes.Compare)
	}
	if len(got) != len(want) {
		t.Fatalf("got %d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("frame %d:\ngot  %x\nwant %x", i, got[i], want[i])
		}
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
