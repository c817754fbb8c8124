package codec

import (
	"encoding/binary"
	"unsafe"
)

// blockWriter appends the body of a record batch to dst and patches, as it
// goes, the nodes and buffers of the metadata in front of it.
type blockWriter struct {
	dst           []byte
	meta          []byte // framed metadata, in dst
	body          int    // where the body starts in dst
	n             int    // rows
	node, buffer  int    // where the next of each stands in meta
	zeros, zeroed int    // where a stretch of zeros stands in dst, and how long it is
}

func pad8(n int) int { return (n + 7) &^ 7 }

func put64(b []byte, at, v int) { binary.LittleEndian.PutUint64(b[at:], uint64(v)) }

// addNode sets the next column's row and null counts.
func (w *blockWriter) addNode(nulls int) {
	put64(w.meta, w.node, w.n)
	put64(w.meta, w.node+8, nulls)
	w.node += 16
}

// addBuffer sets the next buffer: size bytes from here.
func (w *blockWriter) addBuffer(size int) { w.addBufferAt(len(w.dst), size) }

// addBufferAt sets the next buffer: size bytes from place at in dst.
func (w *blockWriter) addBufferAt(at, size int) {
	put64(w.meta, w.buffer, at-w.body)
	put64(w.meta, w.buffer+8, size)
	w.buffer += 16
}

// addZeros adds a buffer of size zero bytes. Columns that are null in every row
// are half of most blocks: they share one stretch, long enough for the widest of
// them but addresses. A buffer is a place and a length to every reader (Arrow
// IPC, Message.fbs); none has to be its own.
func (w *blockWriter) addZeros(size int) {
	if size > w.zeroed {
		w.zeros, w.zeroed = len(w.dst), pad8(max(size, 8*w.n))
		w.dst = w.dst[:w.zeros+w.zeroed]
		clear(w.dst[w.zeros:])
	}
	w.addBufferAt(w.zeros, size)
}

// pad appends the zeros that size bytes lack to a multiple of 8.
func (w *blockWriter) pad(size int) {
	var zeros [8]byte
	w.dst = append(w.dst, zeros[:pad8(size)-size]...)
}

// bytesOf views values as the bytes they are in memory.
func bytesOf(v []uint32) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
}
