package fanout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeQueue is a Lender over memory of its own: a frame's bytes are overwritten
// as soon as it is home.
type fakeQueue struct {
	number int
	limit  int // frames to come
	flows  int
	gap    time.Duration // between batches
	fail   error         // behind the last one

	t      testing.TB
	mu     sync.Mutex
	memory [][]byte
	free   []int
	lends  bool
	sent   int
	closed atomic.Bool
}

func newFakeQueue(t testing.TB, number, frames, memory, flows int) *fakeQueue {
	q := &fakeQueue{t: t, number: number, limit: frames, flows: flows}
	for i := range memory {
		q.memory = append(q.memory, make([]byte, 100))
		q.free = append(q.free, i)
	}
	return q
}

func (q *fakeQueue) Lend()       { q.lends = true }
func (q *fakeQueue) Frames() int { return len(q.memory) }
func (q *fakeQueue) Release()    { q.t.Error("Release of frames that are lent") }
func (q *fakeQueue) Queue() int  { return q.number }

// next is what Receive has now, or an error.
func (q *fakeQueue) next(frames []capture.Frame) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed.Load():
		return 0, capture.ErrClosed
	case q.sent == q.limit && q.fail != nil:
		return 0, q.fail
	}
	n := 0
	for n < len(frames) && q.sent < q.limit && len(q.free) > 0 {
		at := q.free[len(q.free)-1]
		q.free = q.free[:len(q.free)-1]
		b := testnet.Numbered(uint64(q.sent), 100, q.sent%q.flows)
		copy(q.memory[at], b)
		frames[n] = capture.Frame{Data: q.memory[at], OrigLen: 100, Sequence: uint64(q.sent), TimestampNanos: int64(at)}
		q.sent++
		n++
	}
	return n, nil
}

func (q *fakeQueue) Receive(frames []capture.Frame, wait time.Duration) (int, error) {
	for deadline := time.Now().Add(wait); ; time.Sleep(50 * time.Microsecond) {
		time.Sleep(q.gap)
		if n, err := q.next(frames); n > 0 || err != nil || time.Now().After(deadline) {
			return n, err
		}
	}
}

// awaitSent waits until n frames were received, or for a minute.
func (q *fakeQueue) awaitSent(n int) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		q.mu.Lock()
		sent := q.sent
		q.mu.Unlock()
		if sent >= n {
			return
		}
	}
}

func (q *fakeQueue) Return(frames []capture.Frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range frames {
		clear(f.Data)
		q.free = append(q.free, int(f.TimestampNanos))
	}
	if len(q.free) > len(q.memory) {
		q.t.Errorf("more frames came home than there are: %d of %d", len(q.free), len(q.memory))
	}
}

// fakeDevice is queues as a device with one room.
type fakeDevice struct {
	queues []*fakeQueue
	closes int
}

func (d *fakeDevice) Sources() (all []capture.Source) {
	for _, q := range d.queues {
		all = append(all, q)
	}
	return all
}

func (d *fakeDevice) Rooms() []ledger.Room {
	r := ledger.Room{Room: "ring"}
	for _, q := range d.queues {
		q.mu.Lock()
		r.In += uint64(q.sent)
		q.mu.Unlock()
	}
	r.Out = r.In
	return []ledger.Room{r}
}

func (d *fakeDevice) Info() capture.Info {
	return capture.Info{Interface: "fake0", LinkType: 1, Engine: "fake", Queues: len(d.queues)}
}

func (d *fakeDevice) Detach() error {
	for _, q := range d.queues {
		q.mu.Lock()
		q.limit = q.sent
		q.mu.Unlock()
	}
	return nil
}

func (d *fakeDevice) Close() error {
	d.closes++
	for _, q := range d.queues {
		q.closed.Store(true)
	}
	return nil
}

func share(t testing.TB, workers int, queues ...*fakeQueue) (*Device, *fakeDevice) {
	t.Helper()
	inner := &fakeDevice{queues: queues}
	d, err := New(inner, workers, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, inner
}

// seen is what one worker got.
type seen struct {
	numbers []uint64
	flows   map[int]bool
	err     error
}

// work receives as package worker does: until the end, or once draining is set
// and two calls brought nothing.
func work(s capture.Source, draining *atomic.Bool, slow time.Duration) (w seen) {
	w.flows = map[int]bool{}
	frames := make([]capture.Frame, 64)
	for empty := 0; ; {
		drain := draining.Load()
		wait := 100 * time.Millisecond
		if drain {
			wait = time.Millisecond
		}
		n, err := s.Receive(frames, wait)
		for _, f := range frames[:n] {
			number, err := testnet.CheckNumbered(f.Data)
			if err != nil || number != f.Sequence {
				w.err = fmt.Errorf("frame %d: got %d, %v", f.Sequence, number, err)
				return w
			}
			w.numbers = append(w.numbers, number)
			w.flows[int(binary.BigEndian.Uint16(f.Data[34:]))] = true
		}
		time.Sleep(slow)
		if empty++; n > 0 {
			empty = 0
			s.Release()
		}
		if err != nil || drain && empty >= 2 {
			w.err = err
			return w
		}
	}
}

// run has every source of d worked on until the device is detached and drained;
// stop is called before that.
func run(d *Device, slow time.Duration, stop func()) []seen {
	var draining atomic.Bool
	out := make([]seen, len(d.Sources()))
	var wg sync.WaitGroup
	for i, s := range d.Sources() {
		pause := time.Duration(0)
		if i == 0 {
			pause = slow
		}
		wg.Go(func() { out[i] = work(s, &draining, pause) })
	}
	stop()
	d.Detach()
	draining.Store(true)
	wg.Wait()
	return out
}

// check wants each frame once, each flow on one worker and in order, and books
// that balance.
func check(t *testing.T, d *Device, workers []seen, sent int) {
	t.Helper()
	total, owner := 0, map[int]int{}
	for i, w := range workers {
		if w.err != nil {
			t.Fatalf("worker %d: %v", i, w.err)
		}
		total += len(w.numbers)
		for j := 1; j < len(w.numbers); j++ {
			if w.numbers[j] <= w.numbers[j-1] {
				t.Fatalf("worker %d: frame %d behind %d", i, w.numbers[j], w.numbers[j-1])
			}
		}
		for flow := range w.flows {
			if other, ok := owner[flow]; ok {
				t.Errorf("flow %d is on workers %d and %d", flow, other, i)
			}
			owner[flow] = i
		}
	}
	l := ledger.Ledger{Final: true, Rooms: append(d.Rooms(), ledger.Room{Room: "decode", In: uint64(total), Out: uint64(total)})}
	l.Settle()
	lost := l.Rooms[0].Dropped[ledger.WorkerFull]
	if !l.Balanced || uint64(total)+lost != uint64(sent) {
		t.Errorf("%d received, %d lost, %d sent: %v", total, lost, sent, l.Imbalances())
	}
}

func TestEveryFrameOnce(t *testing.T) {
	const n = 100_000
	q := newFakeQueue(t, 3, n, 512, 97)
	d, _ := share(t, 4, q)
	if i := d.Info(); i.Workers != 4 || i.Queues != 1 || len(d.Sources()) != 4 {
		t.Errorf("got %+v, %d sources", i, len(d.Sources()))
	}
	for _, s := range d.Sources() {
		if s.Queue() != 3 {
			t.Errorf("a worker's queue is %d, want that of the frames, 3", s.Queue())
		}
	}
	workers := run(d, 0, func() { q.awaitSent(n) })
	check(t, d, workers, n)
	for i, w := range workers {
		if len(w.flows) < 10 {
			t.Errorf("worker %d got %d of 97 flows", i, len(w.flows))
		}
	}
}

// One slow worker loses frames of its own flows, which are counted, and nobody
// else's.
func TestSlowWorker(t *testing.T) {
	const n = 40_000
	q := newFakeQueue(t, 0, n, 512, 97)
	d, _ := share(t, 4, q)
	out := run(d, 20*time.Millisecond, func() { q.awaitSent(n) })
	check(t, d, out, n)
	lost := d.Rooms()[0].Dropped[ledger.WorkerFull]
	if lost == 0 || len(out[0].numbers) == 0 {
		t.Errorf("%d lost, the slow worker got %d: it was not slow, or starved", lost, len(out[0].numbers))
	}
}

// Detach in the middle of a stream: what was received is delivered, and no
// source says that it is drained before that.
func TestDetachUnderLoad(t *testing.T) {
	for range 20 {
		q := newFakeQueue(t, 0, 1<<30, 256, 31)
		d, _ := share(t, 3, q)
		workers := run(d, time.Millisecond, func() { time.Sleep(5 * time.Millisecond) })
		check(t, d, workers, q.sent)
		d.Close()
	}
}

// The queue's own end reaches every worker, behind the last frame.
func TestQueueFails(t *testing.T) {
	gone := errors.New("the interface is gone")
	q := newFakeQueue(t, 0, 1000, 2048, 31)
	q.fail = gone
	d, _ := share(t, 3, q)
	var never atomic.Bool
	total := 0
	for i, s := range d.Sources() {
		w := work(s, &never, 0)
		if !errors.Is(w.err, gone) {
			t.Errorf("worker %d: got %v", i, w.err)
		}
		total += len(w.numbers)
	}
	if lost := d.Rooms()[0].Dropped[ledger.WorkerFull]; uint64(total)+lost != 1000 {
		t.Errorf("got %d frames, %d lost; want 1000", total, lost)
	}
}

// Close ends everything, from under workers and twice.
func TestClose(t *testing.T) {
	q := newFakeQueue(t, 0, 1<<30, 256, 31)
	d, inner := share(t, 2, q)
	frames := make([]capture.Frame, 64)
	if n, err := d.Sources()[0].Receive(frames, time.Second); n == 0 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil || inner.closes != 1 {
		t.Errorf("got %v, the engine was closed %d times", err, inner.closes)
	}
	for _, s := range d.Sources() {
		if n, err := s.Receive(frames, time.Minute); n != 0 || err != capture.ErrClosed {
			t.Errorf("behind Close: got %d, %v", n, err)
		}
	}
}

// Nobody spins where nothing comes.
func TestRest(t *testing.T) {
	q := newFakeQueue(t, 0, 0, 256, 1)
	q.gap = 10 * time.Millisecond // poll(2) in the place of the fake's own looks
	d, _ := share(t, 4, q)
	var draining atomic.Bool
	var wg sync.WaitGroup
	for _, s := range d.Sources() {
		wg.Go(func() { work(s, &draining, 0) })
	}
	time.Sleep(50 * time.Millisecond)
	before := cpu()
	const rest = 500 * time.Millisecond
	time.Sleep(rest)
	if used := cpu() - before; used > rest/10 {
		t.Errorf("4 workers and a receiver used %v of CPU in %v without a frame", used, rest)
	}
	d.Detach()
	draining.Store(true)
	wg.Wait()
}

// cpu is the time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestHowQueuesAreShared(t *testing.T) {
	queues := func(n int) (all []*fakeQueue) {
		for i := range n {
			all = append(all, newFakeQueue(t, i, 0, 256, 1))
		}
		return all
	}
	for _, tt := range []struct {
		queues, workers int
		want            string // the queue of each worker
	}{
		{1, 3, "[0 0 0]"}, {2, 5, "[0 0 0 1 1]"}, {3, 4, "[0 0 1 2]"}, {2, 2, "[0 1]"},
	} {
		q := queues(tt.queues)
		d, _ := share(t, tt.workers, q...)
		var got []int
		for _, s := range d.Sources() {
			got = append(got, s.Queue())
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%d workers on %d queues: got %v, want %s", tt.workers, tt.queues, got, tt.want)
		}
	}
	if _, err := New(&fakeDevice{queues: queues(4)}, 2, 64); err == nil || !strings.Contains(err.Error(), "2 workers for 4 queues of fake0") {
		t.Errorf("fewer workers than queues: got %v", err)
	}
	if _, err := New(plain{&fakeDevice{queues: queues(1)}}, 2, 64); err == nil || !strings.Contains(err.Error(), "use --engine afxdp or afpacket") {
		t.Errorf("an engine that cannot: got %v", err)
	}
	for _, tt := range []struct{ frames, workers, want int }{{8192, 2, 2048}, {8192, 3, 1024}, {8192, 4, 1024}, {256, 4, 32}, {4, 8, 1}} {
		if got := depth(tt.frames, tt.workers); got != tt.want {
			t.Errorf("%d frames, %d workers: depth %d, want %d", tt.frames, tt.workers, got, tt.want)
		}
	}
}

// plain is a device whose sources are no Lenders.
type plain struct{ *fakeDevice }

func (p plain) Sources() (all []capture.Source) {
	for _, s := range p.fakeDevice.Sources() {
		all = append(all, struct{ capture.Source }{s})
	}
	return all
}

// Nothing is allocated per packet, on the way out and home.
func TestNoAllocation(t *testing.T) {
	q := newFakeQueue(t, 0, 0, 256, 1)
	r := newReceiver(q, 1, 2, 64)
	s := []*source{newSource(r, r.rings[0]), newSource(r, r.rings[1])}
	frames := make([]capture.Frame, 64)
	for i := range frames {
		frames[i] = capture.Frame{Data: testnet.Numbered(uint64(i), 60, i%8), OrigLen: 60}
	}
	back := make([]capture.Frame, 64)
	home := 0
	collect := func(f []capture.Frame) { home += len(f) }
	if n := testing.AllocsPerRun(200, func() {
		r.share(frames)
		for _, s := range s {
			s.Receive(back, 0)
			s.Release()
			s.ring.collect(collect)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch, want 0", n)
	}
	if home == 0 {
		t.Error("nothing came home")
	}
}
