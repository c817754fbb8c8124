package pcap

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
)

func TestNextDoesNotAllocate(t *testing.T) {
	for name, b := range map[string][]byte{"pcap": benchClassic(2000), "pcapng": benchNG(2000)} {
		for _, o := range []Options{{}, {Resync: true}} {
			r, err := NewReader(bytes.NewReader(b), "test", o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			n := testing.AllocsPerRun(1500, func() {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%s %+v: %v allocations a packet, want 0", name, o, n)
			}
		}
	}
}

// imix is the sizes of the benchmarks' frames: 7 of 60, 4 of 590, 1 of 1514.
var imix = []int{60, 60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590}

func benchClassic(n int) []byte {
	rs := make([]record, n)
	for i := range rs {
		data := make([]byte, imix[i%len(imix)])
		rs[i] = record{1_700_000_000, uint32(i % 1e6), uint32(len(data)), data}
	}
	return littleMicros().bytes(rs...)
}

func benchNG(n int) []byte {
	f := (&ngFile{}).section(binary.LittleEndian)
	f.iface(1, 0, f.option(nil, optIfTSResol, []byte{9}))
	for i := range n {
		data := make([]byte, imix[i%len(imix)])
		f.enhanced(0, uint64(i), data, uint32(len(data)))
	}
	return f.b
}

// BenchmarkRead reads a file of 100 MB from the page cache; one operation is
// one packet. "pcapgo" is gopacket's zero-copy reader behind the same
// buffering.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	const packets = 330_000 // 100 MB of IMIX
	for name, data := range map[string][]byte{"pcap": benchClassic(packets), "pcapng": benchNG(packets)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		perPacket := int64(len(data) / packets)
		for mode, o := range map[string]Options{"stop": {}, "resync": {Resync: true}} {
			b.Run(name+"/"+mode, func(b *testing.B) {
				b.SetBytes(perPacket)
				b.ReportAllocs()
				for n := 0; n < b.N; {
					r, err := Open(path, o)
					if err != nil {
						b.Fatal(err)
					}
					for ; n < b.N; n++ {
						if _, err := r.Next(); err == io.EOF {
							break
						} else if err != nil {
							b.Fatal(err)
						}
					}
					r.Close()
				}
			})
		}
		b.Run(name+"/pcapgo", func(b *testing.B) { benchPcapgo(b, path, perPacket) })
	}
}

func benchPcapgo(b *testing.B, path string, perPacket int64) {
	b.SetBytes(perPacket)
	b.ReportAllocs()
	for n := 0; n < b.N; {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		next, err := pcapgoZeroCopy(f)
		if err != nil {
			b.Fatal(err)
		}
		for ; n < b.N; n++ {
			if err := next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
	}
}

func pcapgoZeroCopy(f *os.File) (next func() error, err error) {
	buffered := bufio.NewReaderSize(f, windowSize)
	head, err := buffered.Peek(4)
	if err != nil {
		return nil, err
	}
	if isNG(head) {
		r, err := pcapgo.NewNgReader(buffered, pcapgo.DefaultNgReaderOptions)
		return func() error { _, _, err := r.ZeroCopyReadPacketData(); return err }, err
	}
	r, err := pcapgo.NewReader(buffered)
	return func() error { _, _, err := r.ZeroCopyReadPacketData(); return err }, err
}
