package worker

import (
	"math/bits"
	"sync"

	"xcapa/internal/message"
)

// packetMessage is a message with the buffer that its records lie in.
type packetMessage struct {
	message.Message
	records message.Bundle
	buffer  *buffer
}

// resize gives m a buffer that has room for more bytes behind its records, and
// not much beyond.
func (m *packetMessage) resize(more int) {
	b := takeBuffer(len(m.records.Bytes) + more + recordFrame)
	m.records.Bytes = append(b.b[:0], m.records.Bytes...)
	giveBuffer(m.buffer)
	m.buffer = b
}

// recordFrame is what message.Bundle.Fits wants beside a record's own bytes.
const recordFrame = 64

// maxFreeMessages bounds the idle messages of one output; they have no buffer.
const maxFreeMessages = 1024

// freeMessages are the messages of one output that have come home. One lock a
// message, which is many packets.
type freeMessages struct {
	mu  sync.Mutex
	all []*packetMessage
}

func (f *freeMessages) get() (m *packetMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.all); n > 0 {
		m, f.all = f.all[n-1], f.all[:n-1]
	}
	return m
}

func (f *freeMessages) put(m *packetMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) < maxFreeMessages {
		f.all = append(f.all, m)
	}
}

// Buffers come in powers of two from 512 bytes to maxBytes, so that a message of
// one packet does not hold the memory of a thousand. All outputs share what is
// idle; the collector takes what stays so.
const (
	minShift = 9
	maxShift = 18
	maxBytes = 1 << maxShift
)

type buffer struct {
	b     []byte
	class int
}

var buffers [maxShift - minShift + 1]sync.Pool

// takeBuffer returns a buffer for n bytes.
func takeBuffer(n int) *buffer {
	class := max(bits.Len(uint(max(n, 1)-1))-minShift, 0)
	if class >= len(buffers) {
		return &buffer{make([]byte, 0, n), -1}
	}
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 0, 1<<(class+minShift)), class}
}

func giveBuffer(b *buffer) {
	if b.class >= 0 {
		buffers[b.class].Put(b)
	}
}
