package afxdp

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"xcapa/bpf"
	"xcapa/internal/capture"
)

// source is one RX queue as a capture.Source.
type source struct {
	queue   int
	umem    umem
	fill    *fillRing
	rx      *rxRing
	wake    func() // tells the kernel that the fill ring has frames again
	stamper *Stamper
	batch   uint32
	idle    idle

	// gate keeps Close from unmapping what Receive reads. It is taken once a
	// batch, and nobody else wants it before the end.
	gate     sync.Mutex
	closed   bool
	stopping atomic.Bool  // Close is waiting for the gate
	ended    func() error // why nothing will come any more, or nil

	held  []uint64 // chunks to be lent to the kernel with the next Release or Return
	joins joiner   // frames of several parts
	lends bool     // frames come home by Return

	_ [64]byte // what other cores read stays off the lines above
	// Written by the receiving goroutine alone, read by any.
	received atomic.Uint64 // frames
	invalid  atomic.Uint64 // descriptors that point outside UMEM
	_        [48]byte
}

func newSource(c Config, s *socket, scatter bool) *source {
	src := &source{
		queue:   s.queue,
		umem:    s.umem,
		fill:    &s.fill,
		rx:      &s.rx,
		wake:    s.wake,
		stamper: NewStamper(c),
		batch:   uint32(c.Batch),
		idle:    newIdle(c),
		held:    make([]uint64, 0, c.Frames),
		ended:   func() error { return nil },
	}
	if scatter {
		src.joins.buffers = []joinBuffer{{bytes: make([]byte, 0, joinedSize)}}
	}
	return src
}

// Queue is the RX queue number.
func (s *source) Queue() int { return s.queue }

// Receive fills frames with at most a batch from the queue. It naps while
// traffic flows and polls while there is none, for no longer than wait.
func (s *source) Receive(frames []capture.Frame, wait time.Duration) (int, error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return 0, capture.ErrClosed
	}
	if n := s.take(frames); n > 0 {
		s.idle.took(n)
		return n, nil
	}
	return s.await(frames, wait)
}

// take fills frames with what is there, at most a batch.
func (s *source) take(frames []capture.Frame) int {
	want := min(uint32(len(frames)), s.batch)
	ready := s.rx.available(want)
	if ready == 0 {
		return 0
	}
	s.stamper.Begin()
	n, used := 0, uint32(0)
	for uint32(n) < want && used < ready {
		d := s.rx.at(used)
		if d.Options&unix.XDP_PKT_CONTD != 0 {
			parts, whole := s.join(&frames[n], used, ready)
			if parts == 0 {
				break // the rest of the frame is still to come, or there is no room
			}
			used += parts
			if whole {
				n++
			}
			continue
		}
		used++
		if chunk, ok := s.view(&frames[n], d, int(d.Len)); ok {
			if !s.lends {
				s.hold(chunk)
			}
			n++
		}
	}
	s.rx.consume(used)
	s.received.Store(s.received.Load() + uint64(n))
	return n
}

// view makes f a view of the frame, or of the first part of the frame, that d
// describes, and says which chunk it is in; total is its length over all parts. A
// descriptor that points outside UMEM is counted, not believed.
func (s *source) view(f *capture.Frame, d unix.XDPDesc, total int) (chunk uint64, ok bool) {
	at, chunk := s.umem.locate(d.Addr)
	size := uint64(len(s.umem.memory))
	if at < bpf.MetaSize || at >= size || uint64(d.Len) > size-at {
		s.invalid.Store(s.invalid.Load() + 1)
		return 0, false
	}
	s.stamper.Frame(f, s.umem.memory, int(at), int(d.Len), total)
	return chunk, true
}

// join makes f of the parts of one frame, from descriptor first on; at most
// ready descriptors are there. It returns how many parts there were: 0 while
// the last one is missing or there is no room to join them in. whole is false where a part is
// invalid.
func (s *source) join(f *capture.Frame, first, ready uint32) (parts uint32, whole bool) {
	total := 0
	for {
		if first+parts >= ready {
			return 0, false
		}
		d := s.rx.at(first + parts)
		total += int(d.Len)
		parts++
		if d.Options&unix.XDP_PKT_CONTD == 0 {
			break
		}
	}
	buffer := s.joins.room(total + tagLen)
	if buffer == nil {
		return 0, false // taken when frames have come home
	}
	start := len(buffer.bytes)
	chunk, ok := s.view(f, s.rx.at(first), total)
	if !ok {
		return parts, false
	}
	s.hold(chunk)
	buffer.bytes = append(buffer.bytes, f.Data...)
	var part capture.Frame
	for i := uint32(1); i < parts; i++ {
		if !s.part(&part, s.rx.at(first+i)) {
			buffer.bytes = buffer.bytes[:start]
			return parts, false
		}
		buffer.bytes = append(buffer.bytes, part.Data...)
	}
	end := len(buffer.bytes)
	if limit := s.stamper.snap; limit > 0 {
		end = min(end, start+limit)
	}
	buffer.frames++
	f.Data = buffer.bytes[start:end:end]
	return parts, true
}

// part makes f.Data a view of a later part of a frame: no metadata there.
func (s *source) part(f *capture.Frame, d unix.XDPDesc) bool {
	at, chunk := s.umem.locate(d.Addr)
	size := uint64(len(s.umem.memory))
	if at >= size || uint64(d.Len) > size-at {
		s.invalid.Store(s.invalid.Load() + 1)
		return false
	}
	s.hold(chunk)
	f.Data = s.umem.memory[at : at+uint64(d.Len)]
	return true
}

// hold notes that a chunk is to be lent again.
func (s *source) hold(chunk uint64) { s.held = append(s.held, chunk) }

// Release lends every frame received so far to the kernel again.
func (s *source) Release() {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed || len(s.held) == 0 {
		return
	}
	s.lend()
	s.joins.reset()
}

// lend gives the kernel the chunks held.
func (s *source) lend() {
	n := s.fill.put(s.held) // all of them: the ring has room for every frame
	s.held = s.held[:copy(s.held, s.held[n:])]
	if s.fill.needWakeup() {
		s.wake()
	}
}

// Lend says that frames come home one by one, by Return.
func (s *source) Lend() {
	s.lends = true
	s.joins.grow(lentBuffers)
}

// Return lends single frames to the kernel again.
func (s *source) Return(frames []capture.Frame) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return
	}
	for i := range frames {
		data := unsafe.SliceData(frames[i].Data)
		if at := offset(data, s.umem.memory); at < uint64(len(s.umem.memory)) {
			s.hold(s.umem.around(at))
		} else {
			s.joins.home(data)
		}
	}
	s.lend()
}

// Frames is how many chunks of memory there are.
func (s *source) Frames() int { return s.umem.chunks() }

// close ends the source: Receive returns capture.ErrClosed from now on. It
// waits for a Receive under way; frames received are no longer valid.
func (s *source) close() {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.closed = true
	s.umem, s.held = umem{}, nil
}
