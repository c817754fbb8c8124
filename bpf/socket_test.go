package bpf

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The least AF_XDP socket that shows what a program put into the chunks: one
// queue, copy mode, every chunk offered once and never again.
const (
	testChunks    = 256
	testChunkSize = 4096
)

type testSocket struct {
	fd       int
	umem     []byte
	fill, rx []byte // mapped rings
	offsets  unix.XDPMmapOffsets
	consumed uint32
}

// openSocket binds a socket to queue 0 of the interface.
func openSocket(t *testing.T, ifindex int) *testSocket {
	t.Helper()
	s := &testSocket{}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	var err error
	s.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must("open AF_XDP socket", err)
	t.Cleanup(func() { s.close() })
	s.umem, err = unix.Mmap(-1, 0, testChunks*testChunkSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	must("map UMEM", err)
	registration := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&s.umem[0]))), Len: uint64(len(s.umem)), Size: testChunkSize}
	must("register UMEM", setOption(s.fd, unix.XDP_UMEM_REG, bytesOf(&registration)[:24])) // as far as Linux 6.1 knows it
	for _, ring := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_RX_RING} {
		must(fmt.Sprintf("make ring %d", ring), unix.SetsockoptInt(s.fd, unix.SOL_XDP, ring, testChunks))
	}
	size := uint32(unsafe.Sizeof(s.offsets))
	if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS,
		uintptr(unsafe.Pointer(&s.offsets)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		t.Fatalf("read ring offsets: %v", errno)
	}
	s.fill, err = unix.Mmap(s.fd, unix.XDP_UMEM_PGOFF_FILL_RING, int(s.offsets.Fr.Desc)+testChunks*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must("map fill ring", err)
	s.rx, err = unix.Mmap(s.fd, unix.XDP_PGOFF_RX_RING, int(s.offsets.Rx.Desc)+testChunks*16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must("map RX ring", err)
	for i := range testChunks {
		*(*uint64)(unsafe.Pointer(&s.fill[int(s.offsets.Fr.Desc)+i*8])) = uint64(i * testChunkSize)
	}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&s.fill[s.offsets.Fr.Producer])), testChunks)
	must("bind AF_XDP socket", unix.Bind(s.fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY, Ifindex: uint32(ifindex)}))
	return s
}

// receive returns the next frame with the metadata area in front of it.
func (s *testSocket) receive(t *testing.T) (Meta, []byte) {
	t.Helper()
	producer := (*uint32)(unsafe.Pointer(&s.rx[s.offsets.Rx.Producer]))
	for deadline := time.Now().Add(5 * time.Second); atomic.LoadUint32(producer) == s.consumed; {
		if time.Now().After(deadline) {
			t.Fatalf("no frame after the first %d", s.consumed)
		}
		time.Sleep(time.Millisecond)
	}
	slot := int(s.consumed % testChunks)
	desc := *(*unix.XDPDesc)(unsafe.Pointer(&s.rx[int(s.offsets.Rx.Desc)+slot*16]))
	s.consumed++
	return ReadMeta((*[MetaSize]byte)(s.umem[desc.Addr-MetaSize:])), s.umem[desc.Addr:][:desc.Len]
}

func (s *testSocket) close() {
	unix.Close(s.fd)
	for _, mapping := range [][]byte{s.fill, s.rx, s.umem} {
		if mapping != nil {
			unix.Munmap(mapping)
		}
	}
}

func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

func setOption(fd, option int, value []byte) error {
	return unix.SetsockoptString(fd, unix.SOL_XDP, option, string(value))
}
