package afxdp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// address of memory that is mapped, not Go's: it does not move.
func address(memory []byte) uintptr { return uintptr(unsafe.Pointer(&memory[0])) }

// setsockopt sets a SOL_XDP option from a struct.
func setsockopt[T any](fd, option int, value *T) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option),
		uintptr(unsafe.Pointer(value)), unsafe.Sizeof(*value), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// getsockopt reads a SOL_XDP option into a struct and returns how many bytes of
// it the kernel knows.
func getsockopt[T any](fd, option int, value *T) (uint32, error) {
	size := uint32(unsafe.Sizeof(*value))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option),
		uintptr(unsafe.Pointer(value)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return size, nil
}
