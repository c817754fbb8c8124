package afxdp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"xcapa/bpf"
	"xcapa/internal/capture"
)

// fakeKernel is the other side of a source's rings, in ordinary memory: it takes
// chunks from the fill ring and gives descriptors by the RX ring.
type fakeKernel struct {
	*source
	fillConsumed uint32
	rxProduced   uint32
}

// newFakeKernel makes a source whose chunks are all lent to the fake kernel; they
// are coloured where c wants no zero copy.
func newFakeKernel(tb testing.TB, c Config, scatter bool) *fakeKernel {
	tb.Helper()
	c = c.withDefaults()
	offset := unix.XDPRingOffset{Producer: 0, Consumer: 64, Flags: 128, Desc: 192}
	// Backed by []uint64: the rings are read as such.
	memory := func(bytes int) []byte {
		words := make([]uint64, (bytes+7)/8)
		return bytesOf(words)
	}
	fillSize := nextPowerOfTwo(c.Frames)
	s := &socket{umem: umem{chunk: uint64(c.ChunkSize), stride: uint64(c.ChunkSize)}}
	if c.ZeroCopy == ZeroCopyOff {
		s.umem.stride += colour
	}
	s.umem.memory = memory(c.Frames * int(s.umem.stride))
	s.fill = newFillRing(memory(192+int(fillSize)*8), offset, fillSize)
	s.rx = newRXRing(memory(192+c.RingSize*16), offset, uint32(c.RingSize))
	s.lendAll(c.Frames)
	return &fakeKernel{source: newSource(c, s, scatter)}
}

// packetHeadroom is XDP_PACKET_HEADROOM: where a frame begins in its chunk.
const packetHeadroom = 256

// lent is how many chunks the kernel has.
func (k *fakeKernel) lent() int { return int(*k.fill.producer - k.fillConsumed) }

// deliver receives data in chunks of at most part bytes; the first has meta in
// front of it.
func (k *fakeKernel) deliver(data []byte, meta bpf.Meta, part int) {
	for first := true; first || len(data) > 0; first = false {
		n := min(part, len(data))
		chunk := k.fill.addrs[k.fillConsumed&k.fill.mask]
		k.fillConsumed++
		*k.fill.consumer = k.fillConsumed
		at := chunk + packetHeadroom
		copy(k.umem.memory[at:], data[:n])
		if first {
			writeMeta(k.umem.memory[at-bpf.MetaSize:at], meta)
		}
		data = data[n:]
		d := unix.XDPDesc{Addr: k.address(chunk), Len: uint32(n)}
		if len(data) > 0 {
			d.Options = unix.XDP_PKT_CONTD
		}
		k.describe(d)
	}
}

// address is a descriptor's for a frame in chunk.
func (k *fakeKernel) address(chunk uint64) uint64 {
	if k.umem.coloured() {
		return chunk | packetHeadroom<<48
	}
	return chunk + packetHeadroom
}

func (k *fakeKernel) describe(d unix.XDPDesc) {
	k.rx.descs[k.rxProduced&k.rx.mask] = d
	k.rxProduced++
	*k.rx.producer = k.rxProduced
}

func writeMeta(b []byte, m bpf.Meta) {
	order := binary.NativeEndian
	order.PutUint64(b, m.Timestamp)
	order.PutUint64(b[8:], m.Sequence)
	order.PutUint32(b[16:], m.OriginalLength)
	order.PutUint32(b[20:], m.Flags)
	order.PutUint32(b[24:], m.Reserved)
	order.PutUint16(b[28:], m.VlanTpid)
	order.PutUint16(b[30:], m.VlanTci)
}

// Every chunk is the kernel's or ours, and goes round: many times through rings
// whose indices wrap.
func TestChunksGoRound(t *testing.T) {
	t.Run("aligned", func(t *testing.T) { chunksGoRound(t, ZeroCopyAuto) })
	t.Run("coloured", func(t *testing.T) { chunksGoRound(t, ZeroCopyOff) })
}

func chunksGoRound(t *testing.T, zeroCopy ZeroCopy) {
	k := newFakeKernel(t, Config{RingSize: 8, Frames: 24, Batch: 5, ZeroCopy: zeroCopy}, false)
	// Just before the indices overflow.
	start := ^uint32(0) - 10
	k.fillConsumed, k.rxProduced = start, start
	*k.fill.producer, *k.fill.consumer, k.fill.cachedProducer, k.fill.cachedConsumer = start, start, start, start
	*k.rx.producer, *k.rx.consumer, k.rx.cachedProducer, k.rx.cachedConsumer = start, start, start, start
	for i := range 24 {
		k.fill.put([]uint64{uint64(i) * k.umem.stride})
	}
	frames := make([]capture.Frame, 8)
	next := uint64(0)
	for round := range 100 {
		send := round % 9
		for i := range send {
			data := binary.BigEndian.AppendUint64(make([]byte, 20), next+uint64(i))
			k.deliver(data, bpf.Meta{Sequence: next + uint64(i), OriginalLength: 28}, 2048)
		}
		for received := 0; received < send; {
			n, err := k.Receive(frames, 0)
			if n == 0 || n > 5 || err != nil {
				t.Fatalf("round %d: got %d frames, %v; want 1 to 5", round, n, err)
			}
			for _, f := range frames[:n] {
				if got := binary.BigEndian.Uint64(f.Data[20:]); got != next || f.Sequence != next {
					t.Fatalf("round %d: got frame %d, sequence %d; want %d", round, got, f.Sequence, next)
				}
				next++
			}
			received += n
			if got := k.lent() + len(k.held) + int(k.rxProduced-k.rx.cachedConsumer); got != 24 {
				t.Fatalf("round %d: %d chunks in all, want 24", round, got)
			}
			k.Release()
		}
		if k.lent() != 24 {
			t.Fatalf("round %d: the kernel has %d chunks after Release, want 24", round, k.lent())
		}
	}
	seen := map[uint64]bool{}
	for i := range uint32(24) {
		seen[k.fill.addrs[(k.fillConsumed+i)&k.fill.mask]] = true
	}
	if len(seen) != 24 {
		t.Errorf("got %d different chunks on the fill ring, want 24", len(seen))
	}
}

// Nothing is lent again before Release.
func TestNothingLentBeforeRelease(t *testing.T) {
	k := newFakeKernel(t, Config{RingSize: 8, Frames: 8}, false)
	for range 4 {
		k.deliver(make([]byte, 60), bpf.Meta{}, 2048)
	}
	frames := make([]capture.Frame, 2)
	for range 2 {
		if n, err := k.Receive(frames, 0); n != 2 || err != nil {
			t.Fatalf("got %d, %v; want 2", n, err)
		}
		if k.lent() != 4 {
			t.Fatalf("the kernel has %d chunks before Release, want 4", k.lent())
		}
	}
	k.Release()
	if k.lent() != 8 {
		t.Errorf("the kernel has %d chunks after Release, want 8", k.lent())
	}
}

// A frame in several parts is one frame; one whose last part is missing waits.
func TestJoin(t *testing.T) {
	k := newFakeKernel(t, Config{RingSize: 64, Frames: 64}, true)
	data := make([]byte, 9000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	meta := bpf.Meta{Sequence: 5, OriginalLength: 9000}
	k.deliver(data[:60], bpf.Meta{Sequence: 4, OriginalLength: 60}, 3840)
	k.deliver(data, meta, 3840)
	k.deliver(data[:100], bpf.Meta{Sequence: 6, OriginalLength: 100}, 3840)
	whole := k.rxProduced
	frames := make([]capture.Frame, 8)

	*k.rx.producer = whole - 2 // the last part and the frame behind it are still to come
	if n, err := k.Receive(frames, 0); n != 1 || err != nil || len(frames[0].Data) != 60 {
		t.Fatalf("got %d frames, %v; want the first alone", n, err)
	}
	if n, err := k.Receive(frames, 0); n != 0 || err != nil {
		t.Fatalf("got %d frames, %v; want none before the last part", n, err)
	}
	*k.rx.producer = whole
	n, err := k.Receive(frames, 0)
	if n != 2 || err != nil {
		t.Fatalf("got %d frames, %v; want 2", n, err)
	}
	if !bytes.Equal(frames[0].Data, data) || frames[0].OrigLen != 9000 || frames[0].Sequence != 5 {
		t.Errorf("got %d bytes, original %d, sequence %d; equal %v", len(frames[0].Data), frames[0].OrigLen, frames[0].Sequence, bytes.Equal(frames[0].Data, data))
	}
	if !bytes.Equal(frames[1].Data, data[:100]) {
		t.Errorf("the frame behind it: got % x", frames[1].Data)
	}
	if k.received.Load() != 3 {
		t.Errorf("got %d received, want 3", k.received.Load())
	}
	k.Release()
	if k.lent() != 64 {
		t.Errorf("the kernel has %d chunks after Release, want 64", k.lent())
	}
}

// Joined frames of one batch do not move while the batch is read, and what has
// no room waits for Release.
func TestJoinedStayUntilRelease(t *testing.T) {
	k := newFakeKernel(t, Config{RingSize: 128, Frames: 128}, true)
	data := make([]byte, 60000)
	for i := range 6 {
		data[0] = byte(i)
		k.deliver(data, bpf.Meta{OriginalLength: 60000}, 3840)
	}
	frames := make([]capture.Frame, 8)
	got := 0
	for got < 6 {
		n, err := k.Receive(frames, 0)
		if n == 0 || err != nil {
			t.Fatalf("after %d: got %d, %v", got, n, err)
		}
		if more, _ := k.Receive(frames[n:], 0); n+more > joinedSize/60000 {
			t.Fatalf("got %d frames of 60000 bytes into %d", n+more, joinedSize)
		}
		for i, f := range frames[:n] {
			if len(f.Data) != 60000 || f.Data[0] != byte(got+i) {
				t.Fatalf("frame %d: got %d bytes, first %d", got+i, len(f.Data), f.Data[0])
			}
		}
		got += n
		k.Release()
	}
}

// A descriptor that points outside UMEM is counted, and not believed.
func TestInvalidDescriptor(t *testing.T) {
	tests := []struct {
		name string
		desc unix.XDPDesc
	}{
		{"behind_the_end", unix.XDPDesc{Addr: 8 * 4096, Len: 60}},
		{"over_the_end", unix.XDPDesc{Addr: 8*4096 - 10, Len: 60}},
		{"no_room_for_metadata", unix.XDPDesc{Addr: 8, Len: 60}},
		{"wraps", unix.XDPDesc{Addr: ^uint64(0) - 4, Len: 60}},
		{"wraps_in_parts", unix.XDPDesc{Addr: ^uint64(0) - 4, Len: 60, Options: unix.XDP_PKT_CONTD}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Config{RingSize: 8, Frames: 8}, true)
			k.describe(tt.desc)
			if tt.desc.Options != 0 {
				k.describe(unix.XDPDesc{Addr: 256, Len: 60})
			}
			k.deliver(make([]byte, 60), bpf.Meta{OriginalLength: 60}, 2048)
			frames := make([]capture.Frame, 4)
			if n, err := k.Receive(frames, 0); n != 1 || err != nil || len(frames[0].Data) != 60 {
				t.Errorf("got %d frames, %v; want the good one", n, err)
			}
			if k.invalid.Load() != 1 || k.received.Load() != 1 {
				t.Errorf("got %d invalid, %d received; want 1, 1", k.invalid.Load(), k.received.Load())
			}
		})
	}
}

// Receive waits for as long as it was told, in every way of waiting.
func TestReceiveWaits(t *testing.T) {
	for _, spin := range []bool{false, true} {
		k := newFakeKernel(t, Config{RingSize: 64, Frames: 64, Spin: spin}, false)
		frames := make([]capture.Frame, 4)
		for _, wait := range []time.Duration{0, 100 * time.Microsecond, 3 * time.Millisecond} {
			start := time.Now()
			n, err := k.Receive(frames, wait)
			if took := time.Since(start); n != 0 || err != nil || took < wait || took > wait+100*time.Millisecond {
				t.Errorf("spin %v, wait %v: got %d, %v after %v", spin, wait, n, err, took)
			}
		}
		k.ended = func() error { return unix.ENODEV }
		if _, err := k.Receive(frames, time.Minute); !errors.Is(err, unix.ENODEV) {
			t.Errorf("interface gone: got %v", err)
		}
		k.close()
		if _, err := k.Receive(frames, time.Minute); err != capture.ErrClosed {
			t.Errorf("closed: got %v, want ErrClosed", err)
		}
	}
}

// BenchmarkReceiveRelease is one frame's share of a batch through Receive and
// Release, over rings in ordinary memory: no kernel, no first touch of the
// frame by another core.
func BenchmarkReceiveRelease(b *testing.B) {
	for _, bm := range []struct {
		name  string
		stamp Stamp
	}{{"metadata", StampPacket}, {"batch_stamp", StampBatch}} {
		b.Run(bm.name, func(b *testing.B) {
			k := newFakeKernel(b, Config{Stamp: bm.stamp}, false)
			frames := make([]capture.Frame, 64)
			b.ReportAllocs()
			for done := 0; done < b.N; {
				// The kernel's side of a batch: descriptors of the next
				// 64 chunks. Their bytes are as they are.
				for range 64 {
					addr := k.fill.addrs[k.fillConsumed&k.fill.mask] + packetHeadroom
					k.fillConsumed++
					k.describe(unix.XDPDesc{Addr: addr, Len: 60})
				}
				*k.fill.consumer = k.fillConsumed
				n, err := k.Receive(frames, 0)
				if n != 64 || err != nil {
					b.Fatalf("got %d, %v", n, err)
				}
				k.Release()
				done += n
			}
		})
	}
}

// BenchmarkColdFrames is Receive, the first look at each frame, and Release, over
// so many frames of memory that none is in a cache any more, or none of their
// pages known to the core: with ordinary pages and with those of newUMEM.
func BenchmarkColdFrames(b *testing.B) {
	for _, frames := range []int{8192, 65536} {
		for name, advice := range map[string]int{"ordinary": unix.MADV_NOHUGEPAGE, "huge": unix.MADV_HUGEPAGE} {
			b.Run(fmt.Sprintf("%d_%s", frames, name), func(b *testing.B) {
				u, err := newUMEM(frames, 4096, false)
				if err != nil {
					b.Fatal(err)
				}
				memory := u.memory
				defer unix.Munmap(memory)
				if err := unix.Madvise(memory, advice); err != nil {
					b.Skip(err)
				}
				for at := 0; at < len(memory); at += 4096 {
					memory[at] = 1 // there from now on
				}
				k := newFakeKernel(b, Config{Frames: frames}, false)
				k.umem = u
				batch := make([]capture.Frame, 64)
				sum := 0
				b.ResetTimer()
				for done := 0; done < b.N; {
					for range 64 {
						addr := k.fill.addrs[k.fillConsumed&k.fill.mask] + packetHeadroom
						k.fillConsumed++
						k.describe(unix.XDPDesc{Addr: addr, Len: 60})
					}
					*k.fill.consumer = k.fillConsumed
					n, err := k.Receive(batch, 0)
					if n != 64 || err != nil {
						b.Fatalf("got %d, %v", n, err)
					}
					for i := range batch {
						sum += int(batch[i].Data[12]) + int(batch[i].Data[40])
					}
					k.Release()
					done += n
				}
				if sum < 0 {
					b.Fatal(sum)
				}
			})
		}
	}
}

// Nothing is allocated between the ring and the frame: plain, stamped, tagged,
// joined, or waited for.
func TestNoAllocation(t *testing.T) {
	tag := bpf.Meta{Timestamp: 1, OriginalLength: 60, Flags: bpf.FlagVLAN, VlanTpid: 0x8100, VlanTci: 5}
	nic := bpf.Meta{Timestamp: 1, OriginalLength: 60, Flags: bpf.FlagNICTime}
	for _, tt := range []struct {
		name   string
		config Config
		meta   bpf.Meta
		size   int
	}{
		{"metadata", Config{}, bpf.Meta{Timestamp: uint64(time.Now().UnixNano()), OriginalLength: 60}, 60},
		{"batch", Config{Stamp: StampBatch}, bpf.Meta{}, 60},
		{"tag", Config{}, tag, 60},
		{"nic", Config{Clock: ClockNIC}, nic, 60},
		{"parts", Config{}, bpf.Meta{OriginalLength: 9000}, 9000},
		{"waited", Config{}, bpf.Meta{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.config
			c.RingSize, c.Frames = 64, 64
			k := newFakeKernel(t, c, true)
			frames := make([]capture.Frame, 64)
			data := make([]byte, tt.size)
			got := testing.AllocsPerRun(100, func() {
				if tt.size == 0 {
					k.Receive(frames, 50*time.Microsecond)
					return
				}
				k.deliver(data, tt.meta, 3840)
				if n, err := k.Receive(frames, 0); n != 1 || err != nil {
					t.Fatalf("got %d, %v; want 1", n, err)
				}
				k.Release()
			})
			if got != 0 {
				t.Errorf("got %v allocations, want 0", got)
			}
		})
	}
}

// bytesOf views words as bytes.
func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
}

// Frames that are lent come home one by one, in any order, and every chunk goes
// round: whole frames and frames of several parts.
func TestReturnInAnyOrder(t *testing.T) {
	t.Run("aligned", func(t *testing.T) { returnInAnyOrder(t, ZeroCopyAuto) })
	t.Run("coloured", func(t *testing.T) { returnInAnyOrder(t, ZeroCopyOff) })
}

func returnInAnyOrder(t *testing.T, zeroCopy ZeroCopy) {
	const frames = 256
	k := newFakeKernel(t, Config{RingSize: 256, Frames: frames, ZeroCopy: zeroCopy}, true)
	k.Lend()
	if k.Frames() != frames {
		t.Fatalf("got %d frames, want %d", k.Frames(), frames)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var out []capture.Frame // with workers
	batch := make([]capture.Frame, 64)
	sent, seen := uint64(0), uint64(0)
	for round := range 2000 {
		for random.IntN(4) != 0 && k.lent() > 8 && k.rxProduced-*k.rx.consumer < 200 {
			size := 60
			if random.IntN(8) == 0 {
				size = 9000
			}
			data := make([]byte, size)
			binary.BigEndian.PutUint64(data[size-8:], sent)
			k.deliver(data, bpf.Meta{Sequence: sent, OriginalLength: uint32(size)}, 3840)
			sent++
		}
		n, err := k.Receive(batch, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range batch[:n] {
			if f.Sequence != seen {
				t.Fatalf("round %d: got frame %d, want %d", round, f.Sequence, seen)
			}
			seen++
		}
		out = append(out, batch[:n]...)
		random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		home := random.IntN(len(out) + 1)
		for _, f := range out[:home] {
			if got := binary.BigEndian.Uint64(f.Data[len(f.Data)-8:]); got != f.Sequence {
				t.Fatalf("round %d: frame %d was overwritten by %d before it came home", round, f.Sequence, got)
			}
		}
		k.Return(out[:home])
		out = append(out[:0], out[home:]...)
	}
	for n := 1; n > 0; {
		n, _ = k.Receive(batch, 0)
		out = append(out, batch[:n]...)
		k.Return(out)
		out = out[:0]
	}
	if sent < 2000 || k.lent() != frames {
		t.Errorf("%d frames went round; the kernel has %d chunks, want %d", sent, k.lent(), frames)
	}
}
