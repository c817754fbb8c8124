package afxdp

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is the part that the rings of a socket share: a queue with one producer
// and one consumer, one of them the kernel. Indices run over all of uint32;
// index & mask is the entry. include/uapi/linux/if_xdp.h, net/xdp/xsk_queue.h.
//
// The other side's index is loaded (acquire) only when the copy kept here says
// that there is nothing left, and ours is stored (release) once per batch: each
// load or store of a shared index moves a cache line between two cores.
type ring struct {
	producer *uint32 // shared
	consumer *uint32 // shared
	flags    *uint32 // shared; XDP_RING_NEED_WAKEUP
	size     uint32  // entries, a power of two
	mask     uint32

	cachedProducer uint32
	cachedConsumer uint32

	memory []byte // the mapping that holds it all
}

// newRing finds the indices of a mapped ring.
func newRing(memory []byte, at unix.XDPRingOffset, size uint32) ring {
	return ring{
		producer: (*uint32)(unsafe.Pointer(&memory[at.Producer])),
		consumer: (*uint32)(unsafe.Pointer(&memory[at.Consumer])),
		flags:    (*uint32)(unsafe.Pointer(&memory[at.Flags])),
		size:     size,
		mask:     size - 1,
		memory:   memory,
	}
}

// needWakeup reports whether the kernel waits for a system call before it goes
// on: on the receiving side only zero-copy drivers ask for one, on the sending
// side copy mode always does.
func (r *ring) needWakeup() bool {
	return atomic.LoadUint32(r.flags)&unix.XDP_RING_NEED_WAKEUP != 0
}

// fillRing lends frames to the kernel; this process produces.
type fillRing struct {
	ring
	addrs []uint64 // offset of a chunk in UMEM, bytes
}

func newFillRing(memory []byte, at unix.XDPRingOffset, size uint32) fillRing {
	return fillRing{
		ring:  newRing(memory, at, size),
		addrs: unsafe.Slice((*uint64)(unsafe.Pointer(&memory[at.Desc])), size),
	}
}

// put lends the chunks at addrs to the kernel and returns how many there was
// room for, from the first on.
func (r *fillRing) put(addrs []uint64) int {
	free := r.size - (r.cachedProducer - r.cachedConsumer)
	if free < uint32(len(addrs)) {
		r.cachedConsumer = atomic.LoadUint32(r.consumer)
		free = r.size - (r.cachedProducer - r.cachedConsumer)
	}
	n := min(free, uint32(len(addrs)))
	for _, addr := range addrs[:n] {
		r.addrs[r.cachedProducer&r.mask] = addr
		r.cachedProducer++
	}
	// Stored last: a kernel that saw the index before the entries would
	// receive into whatever chunks those entries named the last time.
	atomic.StoreUint32(r.producer, r.cachedProducer)
	return int(n)
}

// rxRing brings filled frames; this process consumes.
type rxRing struct {
	ring
	descs []unix.XDPDesc
}

func newRXRing(memory []byte, at unix.XDPRingOffset, size uint32) rxRing {
	return rxRing{
		ring:  newRing(memory, at, size),
		descs: unsafe.Slice((*unix.XDPDesc)(unsafe.Pointer(&memory[at.Desc])), size),
	}
}

// available is how many descriptors can be read. The kernel is asked only if
// fewer than want are known of.
func (r *rxRing) available(want uint32) uint32 {
	n := r.cachedProducer - r.cachedConsumer
	if n < want {
		r.cachedProducer = atomic.LoadUint32(r.producer)
		n = r.cachedProducer - r.cachedConsumer
	}
	return n
}

// at is descriptor i of those available.
func (r *rxRing) at(i uint32) unix.XDPDesc {
	return r.descs[(r.cachedConsumer+i)&r.mask]
}

// consume gives the entries of the first n descriptors back to the kernel. The
// frames they named stay ours.
func (r *rxRing) consume(n uint32) {
	r.cachedConsumer += n
	// Stored after the entries were read: the kernel overwrites them from
	// this moment on.
	atomic.StoreUint32(r.consumer, r.cachedConsumer)
}

// txRing takes frames to be sent; this process produces.
type txRing struct {
	ring
	descs []unix.XDPDesc
}

func newTXRing(memory []byte, at unix.XDPRingOffset, size uint32) txRing {
	return txRing{
		ring:  newRing(memory, at, size),
		descs: unsafe.Slice((*unix.XDPDesc)(unsafe.Pointer(&memory[at.Desc])), size),
	}
}

// room is for how many descriptors there is room. The kernel is asked only if
// less than want is known of.
func (r *txRing) room(want uint32) uint32 {
	free := r.size - (r.cachedProducer - r.cachedConsumer)
	if free < want {
		r.cachedConsumer = atomic.LoadUint32(r.consumer)
		free = r.size - (r.cachedProducer - r.cachedConsumer)
	}
	return free
}

// put adds a descriptor, for which there must be room; submit shows it to the
// kernel.
func (r *txRing) put(d unix.XDPDesc) {
	r.descs[r.cachedProducer&r.mask] = d
	r.cachedProducer++
}

// submit shows the kernel what was put, whole frames at once: it must not see
// the first part of one without the last.
func (r *txRing) submit() { atomic.StoreUint32(r.producer, r.cachedProducer) }

// waiting is how many of the descriptors submitted the kernel has not taken.
func (r *txRing) waiting() uint32 {
	r.cachedConsumer = atomic.LoadUint32(r.consumer)
	return r.cachedProducer - r.cachedConsumer
}

// completionRing brings home chunks that were sent; this process consumes.
type completionRing struct {
	ring
	addrs []uint64 // offset of a chunk in UMEM, bytes
}

func newCompletionRing(memory []byte, at unix.XDPRingOffset, size uint32) completionRing {
	return completionRing{
		ring:  newRing(memory, at, size),
		addrs: unsafe.Slice((*uint64)(unsafe.Pointer(&memory[at.Desc])), size),
	}
}

// take appends the chunks that came home to addrs.
func (r *completionRing) take(addrs []uint64) []uint64 {
	r.cachedProducer = atomic.LoadUint32(r.producer)
	for ; r.cachedConsumer != r.cachedProducer; r.cachedConsumer++ {
		addrs = append(addrs, r.addrs[r.cachedConsumer&r.mask])
	}
	// Stored after the entries were read: the kernel overwrites them from
	// this moment on.
	atomic.StoreUint32(r.consumer, r.cachedConsumer)
	return addrs
}
