package afxdp

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"xcapa/internal/host"
)

// hugePage is the size of a huge page on amd64, and a multiple of it elsewhere
// does no harm.
const hugePage = 2 << 20

// newUMEM maps memory for the frames of one queue: frames times chunk bytes,
// rounded up to whole pages. note says if huge pages were asked for in vain.
func newUMEM(frames, chunk int, huge bool) (memory []byte, note string, err error) {
	size := frames * chunk
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	if huge {
		rounded := (size + hugePage - 1) &^ (hugePage - 1)
		memory, err = unix.Mmap(-1, 0, rounded, unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_HUGETLB)
		if err == nil {
			return memory, "", nil
		}
		note = fmt.Sprintf("no huge pages for %d MiB of frames (%v): ordinary ones are used; reserve some with sysctl vm.nr_hugepages", size>>20, err)
	}
	page := unix.Getpagesize()
	size = (size + page - 1) &^ (page - 1)
	memory, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		return nil, "", fmt.Errorf("map %d MiB for frames: %w: use fewer frames", size>>20, err)
	}
	return memory, note, nil
}

// registerUMEM tells the kernel which memory the socket's frames are in; it
// pins the pages.
func registerUMEM(fd int, memory []byte, chunk int) error {
	reg := unix.XDPUmemReg{Addr: uint64(address(memory)), Len: uint64(len(memory)), Size: uint32(chunk)}
	err := setsockopt(fd, unix.XDP_UMEM_REG, &reg)
	if errors.Is(err, unix.ENOBUFS) {
		return host.MemoryRefused(uint64(len(memory)))
	}
	if err != nil {
		return fmt.Errorf("register %d MiB of frames: %w", len(memory)>>20, err)
	}
	return nil
}
