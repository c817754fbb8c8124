package afpacket

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what to capture. Zero values give the defaults.
type Config struct {
	Interface string
	// SnapLen is the most bytes held of a frame, cut in the kernel. 0: all.
	SnapLen int
	// BlockSize and Blocks are the ring of each worker, locked memory: bytes,
	// a multiple of the page size, and how many, at least 2. The kernel hands
	// over whole blocks; a frame longer than a block is cut to it. A pause of
	// Blocks x BlockTimeout fills the ring whatever the rate, since each block is
	// handed over at its timeout. Default 256 KiB and 128: 32 MiB, 1.3 s.
	BlockSize, Blocks int
	// BlockTimeout is after how long the kernel hands over a block that is not
	// full: the latency of a slow link. Whole milliseconds, default 10 ms.
	BlockTimeout time.Duration
	// Promiscuous takes frames for other stations too. The kernel undoes it
	// when this process ends, however it ends.
	Promiscuous bool
	// Workers is the number of sources that share the traffic by flow, both
	// directions of a flow on one. Default 1.
	Workers int
	// Why is put into Info: why this engine was taken and what changes it.
	Why string
}

const (
	defaultBlockSize    = 256 << 10
	defaultBlocks       = 128
	defaultBlockTimeout = 10 * time.Millisecond
	maxWorkers          = 256     // PACKET_FANOUT_MAX of kernels before 5.10
	wholeFrame          = 1 << 18 // over any frame, below any ring's limit
)

// withDefaults fills in the zero values and lists everything that cannot be.
func (c Config) withDefaults() (Config, error) {
	if c.BlockSize == 0 {
		c.BlockSize = defaultBlockSize
	}
	if c.Blocks == 0 {
		c.Blocks = defaultBlocks
	}
	if c.BlockTimeout == 0 {
		c.BlockTimeout = defaultBlockTimeout
	}
	if c.Workers == 0 {
		c.Workers = 1
	}
	if c.SnapLen == 0 {
		c.SnapLen = wholeFrame
	}
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if page := os.Getpagesize(); c.BlockSize < page || c.BlockSize%page != 0 || c.BlockSize > 1<<30 {
		refuse("block size %d: it must be a multiple of the page size %d", c.BlockSize, page)
	}
	if c.Blocks < 2 || c.Blocks > 1<<20 {
		refuse("%d blocks: at least 2 are needed, one to fill while the other is read", c.Blocks)
	}
	if c.BlockTimeout < time.Millisecond || c.BlockTimeout > 10*time.Second {
		refuse("block timeout %v: it must be 1ms to 10s", c.BlockTimeout)
	}
	if c.Workers < 1 || c.Workers > maxWorkers {
		refuse("%d workers: 1 to %d can share an interface", c.Workers, maxWorkers)
	}
	if c.SnapLen < 1 || c.SnapLen > wholeFrame {
		refuse("snap length %d: it must be 1 to %d bytes", c.SnapLen, wholeFrame)
	}
	return c, errors.Join(errs...)
}

// LINKTYPE numbers of what a raw packet socket delivers.
const (
	linkTypeEthernet = 1
	linkTypeRaw      = 101 // raw IP
)

// linkType turns the interface's hardware type (ARPHRD_ of linux/if_arp.h) into
// the LINKTYPE of what a raw packet socket delivers for it.
func linkType(name string, hardware uint16) (uint16, error) {
	switch hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return linkTypeEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		return linkTypeRaw, nil
	}
	return 0, fmt.Errorf("interface %s has hardware type %d: only Ethernet, loopback and raw IP (tun, ipip, sit) interfaces can be captured; "+
		"capture on the interface below or above it", name, hardware)
}
