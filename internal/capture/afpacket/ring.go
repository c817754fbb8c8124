package afpacket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"xcapa/internal/capture"
)

// vlanTagLen is what putting a tag back takes in front of the frame.
const vlanTagLen = 4

// ringFrameSize only has to divide a block for the kernel; TPACKET_V3 packs
// frames of any length.
const ringFrameSize = 2048

// ring is a TPACKET_V3 receive ring (Documentation/networking/packet_mmap.rst):
// blocks that belong in turn to the kernel, which fills them with frames, and
// to us. It is used by one goroutine.
type ring struct {
	memory    []byte
	blockSize int
	blocks    int
	linkType  uint16
	snapLen   int

	current int // block being read, or the next to be
	left    int // frames of it not delivered yet
	at      int // offset of the next of them in memory
	first   int // oldest block not given back
	held    int // blocks from first on that are read and not given back
}

// newRing sets up the ring of socket fd and maps it.
func newRing(fd int, c Config, linkType uint16) (*ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("ask for TPACKET_V3: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, vlanTagLen); err != nil {
		return nil, fmt.Errorf("reserve room for VLAN tags: %w", err)
	}
	request := unix.TpacketReq3{
		Block_size:     uint32(c.BlockSize),
		Block_nr:       uint32(c.Blocks),
		Frame_size:     ringFrameSize,
		Frame_nr:       uint32(c.BlockSize / ringFrameSize * c.Blocks),
		Retire_blk_tov: uint32(c.BlockTimeout.Milliseconds()),
	}
	size := c.BlockSize * c.Blocks
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		if errors.Is(err, unix.ENOMEM) {
			return nil, fmt.Errorf("make a ring of %d blocks of %d bytes: %w: ask for a smaller one", c.Blocks, c.BlockSize, err)
		}
		return nil, fmt.Errorf("make a ring of %d blocks of %d bytes: %w", c.Blocks, c.BlockSize, err)
	}
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the ring of %d bytes: %w", size, err)
	}
	return &ring{memory: memory, blockSize: c.BlockSize, blocks: c.Blocks, linkType: linkType, snapLen: c.SnapLen}, nil
}

func (r *ring) close() error {
	err := unix.Munmap(r.memory)
	r.memory = nil
	return err
}

// header is the head of block n behind version and private offset.
func (r *ring) header(n int) *unix.TpacketHdrV1 {
	block := (*unix.TpacketBlockDesc)(unsafe.Pointer(&r.memory[n*r.blockSize]))
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&block.Hdr))
}

// peek fills frames with what the kernel has handed over and returns how many.
// sequence is the number of the first.
func (r *ring) peek(frames []capture.Frame, sequence uint64) int {
	n := 0
	for n < len(frames) {
		if r.left == 0 && !r.nextBlock() {
			break
		}
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.memory[r.at]))
		r.fill(&frames[n], h)
		frames[n].Sequence = sequence + uint64(n)
		r.at += int(h.Next_offset)
		n++
		if r.left--; r.left == 0 {
			r.blockRead()
		}
	}
	return n
}

// nextBlock starts reading the current block if it is ours.
func (r *ring) nextBlock() bool {
	for r.held < r.blocks {
		h := r.header(r.current)
		// The kernel writes the status last: what it covers is visible behind
		// this load.
		if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
			return false
		}
		if h.Num_pkts > 0 {
			r.left = int(h.Num_pkts)
			r.at = r.current*r.blockSize + int(h.Offset_to_first_pkt)
			return true
		}
		r.blockRead() // handed over empty by the block timer
	}
	return false
}

// blockRead notes that the current block was read to its end.
func (r *ring) blockRead() {
	r.current = (r.current + 1) % r.blocks
	r.held++
}

// release gives every block that was read to its end back to the kernel.
func (r *ring) release() {
	for ; r.held > 0; r.held-- {
		// Our reads of the block must be over before the kernel may write it:
		// the store is a release.
		atomic.StoreUint32(&r.header(r.first).Block_status, unix.TP_STATUS_KERNEL)
		r.first = (r.first + 1) % r.blocks
	}
}

// fill makes f a view of the frame behind h, VLAN tag put back.
func (r *ring) fill(f *capture.Frame, h *unix.Tpacket3Hdr) {
	start := r.at + int(h.Mac)
	end := start + int(h.Snaplen)
	f.OrigLen = h.Len
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && r.linkType == linkTypeEthernet && h.Snaplen >= 12 {
		start -= vlanTagLen
		putTagBack(r.memory[start:end], h)
		f.OrigLen += vlanTagLen
		end = min(end, start+r.snapLen)
	}
	f.Data = r.memory[start:end:end]
	f.TimestampNanos = int64(h.Sec)*1e9 + int64(h.Nsec)
}

// putTagBack writes the tag that was kept beside the frame behind its two
// addresses, which move to the front: b has 4 free bytes there.
func putTagBack(b []byte, h *unix.Tpacket3Hdr) {
	copy(b, b[vlanTagLen:vlanTagLen+12])
	tpid := uint16(unix.ETH_P_8021Q)
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = h.Hv1.Vlan_tpid
	}
	binary.BigEndian.PutUint16(b[12:], tpid)
	binary.BigEndian.PutUint16(b[14:], uint16(h.Hv1.Vlan_tci))
}

func nativeIsLittle() bool {
	return binary.NativeEndian.Uint16([]byte{1, 0}) == 1
}
