package afxdp

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"xcapa/internal/host"
)

// umem is the memory of one queue's frames: chunks that the kernel fills.
//
// A power of two from one chunk to the next would put the lines that every frame
// touches, its metadata and its headers, into the same few sets of each cache,
// and a cache would hold some hundred frames of the thousands lent. So, where
// chunks may lie anywhere, each is one cache line further on than the last: they
// are coloured.
type umem struct {
	memory []byte
	chunk  uint64 // bytes of a chunk that are the kernel's to fill
	stride uint64 // from one chunk to the next
}

// colour is how much further than its size the next chunk is: a cache line.
const colour = 64

// XSK_UNALIGNED_BUF_OFFSET_SHIFT: see locate. include/uapi/linux/if_xdp.h.
const offsetShift = 48

// newUMEM maps memory for a number of chunks. Where the kernel has pages of 2 MiB
// to spare they are taken: each of 65,536 frames is on an ordinary page of its
// own, and no core knows so many (BenchmarkColdFrames: -16 %; with 8,192 frames no
// difference).
func newUMEM(frames, chunk int, coloured bool) (umem, error) {
	u := umem{chunk: uint64(chunk), stride: uint64(chunk)}
	if coloured {
		u.stride += colour
	}
	size := frames * int(u.stride)
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return umem{}, fmt.Errorf("map %d MiB for frames: %w: use fewer frames", size>>20, err)
	}
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // refused by kernels without them
	u.memory = memory
	return u, nil
}

// coloured reports whether chunks lie at any address: XDP_UMEM_UNALIGNED_CHUNK_FLAG.
func (u *umem) coloured() bool { return u.stride != u.chunk }

// locate reads the address of a descriptor: where its bytes begin, and the chunk
// they are in. Where chunks lie anywhere the address is the chunk's, and the
// upper bits say how far behind its start the bytes begin.
func (u *umem) locate(addr uint64) (at, chunk uint64) {
	if !u.coloured() {
		return addr, addr &^ (u.chunk - 1)
	}
	chunk = addr & (1<<offsetShift - 1)
	return chunk + addr>>offsetShift, chunk
}

// around is the chunk that the byte at is in.
func (u *umem) around(at uint64) uint64 {
	if !u.coloured() {
		return at &^ (u.chunk - 1)
	}
	return at - at%u.stride
}

// chunks is how many there are.
func (u *umem) chunks() int { return len(u.memory) / int(u.stride) }

// registerUMEM tells the kernel which memory the socket's frames are in; it
// pins the pages.
func registerUMEM(fd int, u umem) error {
	memory := u.memory
	reg := unix.XDPUmemReg{Addr: uint64(address(memory)), Len: uint64(len(memory)), Size: uint32(u.chunk)}
	if u.coloured() {
		reg.Flags = unix.XDP_UMEM_UNALIGNED_CHUNK_FLAG
	}
	err := setsockopt(fd, unix.XDP_UMEM_REG, &reg)
	if errors.Is(err, unix.ENOBUFS) {
		return host.MemoryRefused(uint64(len(memory)))
	}
	if err != nil {
		return fmt.Errorf("register %d MiB of frames: %w", len(memory)>>20, err)
	}
	return nil
}
