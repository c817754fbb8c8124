package host

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// NoAFXDP is the problem that this kernel has no AF_XDP sockets; nil if it has,
// or if only the privilege is missing.
func NoAFXDP() *Problem {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
		return nil
	}
	return SocketRefused(err)
}

// SocketRefused is the problem behind the error of opening an AF_XDP socket;
// nil if there is no more to say than the error does.
func SocketRefused(err error) *Problem {
	if !errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	return &Problem{
		Found: "this kernel is built without AF_XDP (CONFIG_XDP_SOCKETS)",
		Why:   "there is nothing to redirect frames to",
		Or:    "use --engine afpacket",
		Err:   fmt.Errorf("%w (%w)", err, errors.ErrUnsupported),
	}
}
