package fanout

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/testpkt"
	"xcapa/internal/veth"
)

// openShared opens end with AF_XDP, shared out among workers.
func openShared(t testing.TB, end *veth.End, workers int, c afxdp.Config) *Device {
	t.Helper()
	c.Interface = end.Name
	var d *Device
	testnet.Do(t, end, func() error {
		inner, err := afxdp.Open(c)
		if err != nil {
			return err
		}
		d, err = New(inner, workers, 64)
		return err
	})
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// Every frame comes through the rings byte for byte: of every size, whole and in
// several parts, tagged or not, in native and generic mode.
func TestByteForByte(t *testing.T) {
	for _, tt := range []struct {
		mode afxdp.Mode
		mtu  int
	}{{afxdp.ModeNative, 1500}, {afxdp.ModeNative, 9000}, {afxdp.ModeGeneric, 1500}} {
		t.Run(fmt.Sprintf("%s_%d", tt.mode, tt.mtu), func(t *testing.T) {
			if tt.mtu > 4000 {
				testnet.RequireParts(t)
			}
			pair := testnet.Pair(t, veth.Options{MTU: tt.mtu})
			d := openShared(t, pair.Ends[1], 3, afxdp.Config{Mode: tt.mode})
			var frames [][]byte
			for _, v := range testpkt.Corpus(t) {
				if v.LinkType == 1 && len(v.Frame) >= 14 && len(v.Frame) <= tt.mtu+14 {
					frames = append(frames, v.Frame)
				}
			}
			for i := range 300 {
				size := testnet.MinNumbered + i*i%(tt.mtu+14-testnet.MinNumbered)
				frames = append(frames, testnet.Numbered(uint64(i), size, i%17))
			}
			testnet.Send(t, pair.Ends[0], frames...)
			got := receiveAll(t, d, len(frames))
			byNumber := make([][]byte, len(frames))
			for _, f := range got {
				if f.Sequence >= uint64(len(frames)) || byNumber[f.Sequence] != nil {
					t.Fatalf("sequence number %d twice, or of %d frames", f.Sequence, len(frames))
				}
				byNumber[f.Sequence] = f.Data
			}
			for i := range frames {
				if !bytes.Equal(byNumber[i], frames[i]) {
					t.Fatalf("frame %d:\ngot  %x\nwant %x", i, byNumber[i], frames[i])
				}
			}
		})
	}
}

// receiveAll works on every source until n frames have come, or a while, then
// detaches and drains; the books must balance without a loss.
func receiveAll(t *testing.T, d *Device, n int) (all []capture.Frame) {
	t.Helper()
	var draining atomic.Bool
	var count atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range d.Sources() {
		wg.Go(func() {
			frames := make([]capture.Frame, 64)
			for empty := 0; empty < 2; {
				drain := draining.Load()
				got, err := s.Receive(frames, 10*time.Millisecond)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, f := range frames[:got] {
					f.Data = bytes.Clone(f.Data)
					all = append(all, f)
				}
				mu.Unlock()
				s.Release()
				count.Add(int64(got))
				if empty++; got > 0 || !drain {
					empty = 0
				}
			}
		})
	}
	for deadline := time.Now().Add(30 * time.Second); count.Load() < int64(n) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if err := d.Detach(); err != nil {
		t.Error(err)
	}
	draining.Store(true)
	wg.Wait()
	l := ledger.Ledger{Final: true, Rooms: d.Rooms()}
	l.Settle()
	if last := l.Rooms[len(l.Rooms)-1]; !l.Balanced || last.Out != uint64(len(all)) || last.DroppedTotal() > 0 {
		t.Errorf("%d received: %+v, %v", len(all), last, l.Imbalances())
	}
	if len(all) != n {
		t.Fatalf("got %d frames, want %d", len(all), n)
	}
	return all
}

// Under a load that is more than the workers take, with one of them slow: each
// flow on one worker and in order, and every frame accounted for.
func TestUnderLoad(t *testing.T) {
	for _, queues := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d_queues", queues), func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{Queues: queues})
			d := openShared(t, pair.Ends[1], 4, afxdp.Config{RingSize: 1024, Frames: 2048})
			var sent uint64
			workers := runFlows(d, func() {
				var err error
				sent, err = testnet.Generate(context.Background(), pair.Ends[0], testnet.Load{Frames: 200_000, Flows: 61})
				if err != nil {
					t.Error(err)
				}
				time.Sleep(50 * time.Millisecond)
			})
			checkFlows(t, d, workers, sent)
		})
	}
}

// flowSeen is what one worker has seen of each flow.
type flowSeen struct {
	count uint64
	last  map[uint16]uint64
	err   error
}

// runFlows checks every frame that every worker gets; the first one is slow.
func runFlows(d *Device, load func()) []flowSeen {
	var draining atomic.Bool
	out := make([]flowSeen, len(d.Sources()))
	var wg sync.WaitGroup
	for i, s := range d.Sources() {
		out[i].last = map[uint16]uint64{}
		wg.Go(func() {
			w := &out[i]
			frames := make([]capture.Frame, 64)
			for empty := 0; empty < 2 && w.err == nil; {
				drain := draining.Load()
				n, err := s.Receive(frames, time.Millisecond)
				w.err = err
				for _, f := range frames[:n] {
					w.see(&f)
				}
				if i == 0 && n > 0 {
					time.Sleep(time.Millisecond)
				}
				s.Release()
				if empty++; n > 0 || !drain {
					empty = 0
				}
			}
		})
	}
	load()
	d.Detach()
	draining.Store(true)
	wg.Wait()
	return out
}

func (w *flowSeen) see(f *capture.Frame) {
	number, err := testnet.CheckNumbered(f.Data)
	if err != nil {
		w.err = err
		return
	}
	flow := uint16(f.Data[34])<<8 | uint16(f.Data[35])
	if before, ok := w.last[flow]; ok && number <= before {
		w.err = fmt.Errorf("flow %d: frame %d behind %d", flow, number, before)
	}
	w.last[flow] = number
	w.count++
}

func checkFlows(t *testing.T, d *Device, workers []flowSeen, sent uint64) {
	t.Helper()
	owner := map[uint16]int{}
	decode := ledger.Room{Room: "decode"}
	for i, w := range workers {
		if w.err != nil {
			t.Fatalf("worker %d: %v", i, w.err)
		}
		decode.In += w.count
		for flow := range w.last {
			if other, ok := owner[flow]; ok {
				t.Errorf("flow %d is on workers %d and %d", flow, other, i)
			}
			owner[flow] = i
		}
	}
	decode.Out = decode.In
	l := ledger.Ledger{Final: true, Rooms: append(d.Rooms(), decode)}
	l.Settle()
	if !l.Balanced || l.Rooms[0].In != sent || decode.In == 0 {
		t.Errorf("%d sent: %v\n%+v", sent, l.Imbalances(), l.Rooms)
	}
	t.Logf("%d sent, %d decoded, ring %+v", sent, decode.In, l.Rooms[1].Dropped)
}
