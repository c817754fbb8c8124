package pcap

import "io"

// windowSize is the reading buffer: a packet of maxPacket bytes, its neighbours'
// headers and the step of a search fit, and it stays in a core's second-level
// cache or near it.
const windowSize = 512 << 10

// window is the part of a stream that is in memory. What peek returned is valid
// until the next peek; skip does not move anything.
type window struct {
	src  io.Reader
	buf  []byte
	r, w int   // buf[r:w] is unread
	base int64 // stream offset of buf[0]
	err  error // what src ended with; io.EOF at a plain end
}

func newWindow(src io.Reader) window {
	return window{src: src, buf: make([]byte, windowSize)}
}

// offset is the stream position of the next unread byte.
func (w *window) offset() int64 { return w.base + int64(w.r) }

// peek returns the next n bytes without consuming them: fewer only if the
// stream ends before (err says why).
func (w *window) peek(n int) []byte {
	if w.w-w.r < n && w.err == nil {
		w.fill(n)
	}
	if end := w.r + n; end <= w.w {
		return w.buf[w.r:end:end]
	}
	return w.buf[w.r:w.w:w.w]
}

// skip consumes n bytes, which must have been peeked.
func (w *window) skip(n int) { w.r += n }

// fill reads until n bytes are unread or the stream ends.
//
// The buffer doubles only when it is nearly full of unread bytes, so that a
// claimed length alone costs no memory; and bytes are moved only when an eighth
// of the buffer has been consumed, so that a file of many lengths that lie
// cannot make every record cost a move of the whole buffer.
func (w *window) fill(n int) {
	empty := 0
	for w.w-w.r < n && w.err == nil {
		if w.w == len(w.buf) {
			w.makeRoom()
		}
		got, err := w.src.Read(w.buf[w.w:])
		w.w += got
		w.err = err
		if got > 0 {
			empty = 0
		} else if empty++; empty == 100 && err == nil {
			w.err = io.ErrNoProgress
		}
	}
}

// makeRoom moves the unread bytes to the front of the buffer, or of one twice
// its size.
func (w *window) makeRoom() {
	to := w.buf
	if w.r < len(w.buf)/8 {
		to = make([]byte, 2*len(w.buf))
	}
	w.base += int64(w.r)
	w.w = copy(to, w.buf[w.r:w.w])
	w.r, w.buf = 0, to
}
