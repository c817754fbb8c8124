package afxdp

import "unsafe"

// joiner is the memory of frames that came in several parts, put together. One
// buffer does where all frames are released at once; where they come home one by
// one, a buffer is free again when its last frame is home.
type joiner struct {
	buffers []joinBuffer
	current int
}

type joinBuffer struct {
	bytes  []byte
	frames int // not home yet
}

// joinedSize is one buffer's: the longest frame is 18 parts (MAX_SKB_FRAGS + 1)
// of less than 4096 bytes. lentBuffers of them hold 450 frames of 9,000 bytes.
const (
	joinedSize  = 256 << 10
	lentBuffers = 16
)

// grow makes n buffers of the one that is there, if any.
func (j *joiner) grow(n int) {
	for len(j.buffers) > 0 && len(j.buffers) < n {
		j.buffers = append(j.buffers, joinBuffer{bytes: make([]byte, 0, joinedSize)})
	}
}

// room is the buffer for a frame of n bytes; nil: there is none before frames
// come home.
func (j *joiner) room(n int) *joinBuffer {
	for range j.buffers {
		b := &j.buffers[j.current]
		if len(b.bytes) == 0 || len(b.bytes)+n <= cap(b.bytes) {
			return b
		}
		if j.current++; j.current == len(j.buffers) {
			j.current = 0
		}
	}
	return nil
}

// home takes back one frame, whose bytes start at data, if it is of here.
func (j *joiner) home(data *byte) bool {
	for i := range j.buffers {
		b := &j.buffers[i]
		if liesIn(data, b.bytes[:cap(b.bytes)]) {
			if b.frames--; b.frames == 0 {
				b.bytes = b.bytes[:0]
			}
			return true
		}
	}
	return false
}

// reset takes back all frames.
func (j *joiner) reset() {
	for i := range j.buffers {
		j.buffers[i].bytes, j.buffers[i].frames = j.buffers[i].bytes[:0], 0
	}
}

// liesIn reports whether p points into memory.
func liesIn(p *byte, memory []byte) bool { return offset(p, memory) < uint64(len(memory)) }

// offset is how far behind the start of memory p points; beyond its end if it
// points elsewhere.
func offset(p *byte, memory []byte) uint64 {
	return uint64(uintptr(unsafe.Pointer(p)) - uintptr(unsafe.Pointer(unsafe.SliceData(memory))))
}
