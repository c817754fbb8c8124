package replay

import "xcapa/internal/pcap"

// chunkSize is the arena's unit: a batch of 256 full Ethernet frames fits, and
// so does the largest packet of a file.
const chunkSize = 4 * pcap.MaxPacket

// arena holds the bytes of the frames between Receive and Release. It grows by
// whole chunks to what one batch has needed and then stays.
type arena struct {
	chunks [][]byte
	chunk  int // in use
	used   int // bytes of it
}

// keep copies b and returns the copy.
func (a *arena) keep(b []byte) []byte {
	if len(a.chunks) == 0 || a.used+len(b) > chunkSize {
		a.turn()
	}
	end := a.used + len(b)
	dst := a.chunks[a.chunk][a.used:end:end]
	a.used = end
	copy(dst, b)
	return dst
}

// turn goes on to the next chunk, making it if need be.
func (a *arena) turn() {
	if len(a.chunks) > 0 {
		a.chunk++
	}
	if a.chunk == len(a.chunks) {
		a.chunks = append(a.chunks, make([]byte, chunkSize))
	}
	a.used = 0
}

// reset makes all bytes free again.
func (a *arena) reset() { a.chunk, a.used = 0, 0 }
