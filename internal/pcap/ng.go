package pcap

import (
	"encoding/binary"
	"fmt"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng 4 and 12.1).
const (
	blockSection        = 0x0a0d0d0a
	blockInterface      = 1
	blockPacket         = 2 // obsolete
	blockSimplePacket   = 3
	blockNameResolution = 4
	blockStatistics     = 5
	blockEnhancedPacket = 6
	blockSecrets        = 10
	blockCustom         = 0x00000bad
	blockCustomNoCopy   = 0x40000bad
)

const (
	byteOrderMagic    = 0x1a2b3c4d
	blockOverhead     = 12 // type, length, length again
	sectionHeaderLen  = 28 // with overhead, without options
	interfaceLen      = 20
	enhancedPacketLen = 32
	simplePacketLen   = 16

	// maxInterfaces of one section and the bytes kept of a name bound the memory
	// that a file of nothing but interface blocks can take.
	maxInterfaces    = 1 << 17
	maxInterfaceName = 255
)

// Option codes (draft-ietf-opsawg-pcapng 3.5, 4.1, 4.2, 4.6).
const (
	optEnd         = 0
	optIfName      = 2
	optIfTSResol   = 9
	optIfTSOffset  = 14
	optSHBHardware = 2
	optSHBOS       = 3
	optSHBUserAppl = 4
	optIfOS        = 12
	optISBStart    = 2
	optISBEnd      = 3
	optISBIfRecv   = 4
	optISBIfDrop   = 5
)

// section is the pcapng section being read.
type section struct {
	interfaces []ngInterface
}

type ngInterface struct {
	name       string
	offset     int64 // if_tsoffset, seconds
	snapLen    uint32
	linkType   uint16
	resolution resolution
}

// isNG reports whether the stream starts with a section header block; its type
// reads the same in both byte orders.
func isNG(b []byte) bool { return binary.LittleEndian.Uint32(b) == blockSection }

// startNG reads the first section header, which alone tells whether this is a
// pcapng file at all.
func (r *Reader) startNG() error {
	b := r.win.peek(blockOverhead)
	if len(b) < blockOverhead {
		return r.cut("the section header", sectionHeaderLen)
	}
	if !r.setByteOrder(b[8:12]) {
		return r.final(8, fmt.Sprintf("not a pcap or pcapng file: byte-order magic % x", b[8:12]), ErrFormat)
	}
	b = r.win.peek(16)
	if len(b) == 16 && !r.knownVersion(b) {
		return r.final(12, r.versionReason(b), ErrFormat)
	}
	return nil
}

// setByteOrder sets the byte order of the section from its magic.
func (r *Reader) setByteOrder(magic []byte) bool {
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(magic):
		r.big = false
	case binary.BigEndian.Uint32(magic):
		r.big = true
	default:
		return false
	}
	return true
}

// knownVersion: 1.0, and 1.2, which some writers wrote and meant the same
// (draft-ietf-opsawg-pcapng 4.1). b starts at the block.
func (r *Reader) knownVersion(b []byte) bool {
	major, minor := r.u16(b[12:]), r.u16(b[14:])
	return major == 1 && (minor == 0 || minor == 2)
}

func (r *Reader) versionReason(b []byte) string {
	return fmt.Sprintf("pcapng section version %d.%d: only 1.0 can be read", r.u16(b[12:]), r.u16(b[14:]))
}

// nextNG reads blocks up to and with the next packet.
func (r *Reader) nextNG() (Packet, error) {
	for {
		b, err := r.block()
		if err != nil {
			return Packet{}, err
		}
		kind := r.u32(b)
		switch kind {
		case blockEnhancedPacket, blockPacket, blockSimplePacket:
			p, reason := r.ngPacket(kind, b)
			if reason != "" {
				return Packet{}, r.leaveOut(reason, len(b))
			}
			p.FileOffset = r.win.offset()
			r.win.skip(len(b))
			return p, nil
		case blockSection:
			if !r.knownVersion(b) {
				return Packet{}, r.resync(r.versionReason(b), r.soundSection)
			}
			if reason := r.ngSection(b); reason != "" {
				return Packet{}, r.leaveOut(reason, len(b))
			}
		case blockInterface:
			if reason := r.ngInterface(b); reason != "" {
				return Packet{}, r.leaveOut(reason, len(b))
			}
		}
		r.win.skip(len(b))
	}
}

// block peeks the next whole block and checks its frame: a possible length,
// the same at both ends.
func (r *Reader) block() ([]byte, error) {
	h := r.win.peek(blockOverhead)
	if len(h) < blockOverhead {
		if len(h) == 0 {
			return nil, r.ended(0)
		}
		return nil, r.cut("a block header", blockOverhead)
	}
	if isNG(h) && !r.setByteOrder(h[8:]) {
		return nil, r.resync(fmt.Sprintf("a section header with byte-order magic % x", h[8:12]), r.soundBlock)
	}
	kind, total := r.u32(h), r.u32(h[4:])
	if total < blockOverhead || total%4 != 0 || total > maxBlock || kind == blockSection && total < sectionHeaderLen {
		return nil, r.resync(fmt.Sprintf("a block of type %#x claims %d bytes", kind, total), r.soundBlock)
	}
	b := r.win.peek(int(total))
	if len(b) < int(total) {
		if r.options.Resync && r.anyBlockBehind() {
			return nil, r.resync(fmt.Sprintf("a block of type %#x claims %d bytes, more than are left", kind, total), r.soundBlock)
		}
		return nil, r.cut(fmt.Sprintf("a block of type %#x", kind), int(total))
	}
	if end := r.u32(b[total-4:]); end != total {
		return nil, r.resync(fmt.Sprintf("a block of type %#x is %d bytes long by its start and %d by its end", kind, total, end), r.soundBlock)
	}
	return b, nil
}

// ngSection starts a new section: interfaces are numbered from 0 again. On
// damage it says why.
func (r *Reader) ngSection(b []byte) (reason string) {
	r.ng.interfaces = r.ng.interfaces[:0]
	return r.eachOption(b[sectionHeaderLen-4:len(b)-4], func(uint16, []byte) {})
}

// ngInterface adds the interface that block b describes.
func (r *Reader) ngInterface(b []byte) (reason string) {
	if len(b) < interfaceLen {
		return fmt.Sprintf("an interface block of %d bytes", len(b))
	}
	if len(r.ng.interfaces) == maxInterfaces {
		return fmt.Sprintf("more than %d interfaces in one section", maxInterfaces)
	}
	n := ngInterface{linkType: r.u16(b[8:]), snapLen: r.u32(b[12:]), resolution: defaultResolution}
	reason = r.eachOption(b[interfaceLen-4:len(b)-4], func(code uint16, v []byte) {
		switch {
		case code == optIfName:
			n.name = string(v[:min(len(v), maxInterfaceName)])
		case code == optIfTSResol && len(v) >= 1:
			n.resolution = resolution(v[0])
		case code == optIfTSOffset && len(v) >= 8:
			n.offset = int64(r.u64(v))
		}
	})
	// Even with damaged options the interface keeps its number, or every packet
	// behind it would be taken for another interface's.
	r.ng.interfaces = append(r.ng.interfaces, n)
	return reason
}

func (r *Reader) u64(b []byte) uint64 {
	if r.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// eachOption calls found for each option of a block; b ends where the block's
// trailing length starts.
func (r *Reader) eachOption(b []byte, found func(code uint16, value []byte)) (reason string) {
	for len(b) >= 4 {
		code, n := r.u16(b), int(r.u16(b[2:]))
		if code == optEnd {
			return ""
		}
		padded := 4 + (n+3)&^3
		if padded > len(b) {
			return fmt.Sprintf("option %d of %d bytes reaches beyond its block", code, n)
		}
		found(code, b[4:4+n])
		b = b[padded:]
	}
	return ""
}

// ngPacket reads a packet block of any of the three kinds. On damage it says
// why.
func (r *Reader) ngPacket(kind uint32, b []byte) (p Packet, reason string) {
	if kind == blockSimplePacket {
		return r.ngSimplePacket(b)
	}
	if len(b) < enhancedPacketLen {
		return p, fmt.Sprintf("a packet block of %d bytes", len(b))
	}
	p.Interface = r.u32(b[8:])
	if kind == blockPacket {
		p.Interface = uint32(r.u16(b[8:])) // the other half counts drops
	}
	if p.Interface >= uint32(len(r.ng.interfaces)) {
		return p, fmt.Sprintf("a packet of interface %d, of which there are %d", p.Interface, len(r.ng.interfaces))
	}
	capLen := r.u32(b[20:])
	if capLen > MaxPacket || int(capLen) > len(b)-enhancedPacketLen {
		return p, fmt.Sprintf("a packet claims %d bytes in a block of %d", capLen, len(b))
	}
	n := &r.ng.interfaces[p.Interface]
	ticks := uint64(r.u32(b[12:]))<<32 | uint64(r.u32(b[16:]))
	p.TimestampNanos, p.HasTime = ticksToNanos(ticks, n.resolution, n.offset), true
	p.OrigLen = r.u32(b[24:])
	end := 28 + int(capLen)
	p.Data = b[28:end:end]
	p.LinkType, p.InterfaceName = n.linkType, n.name
	return p, ""
}

// ngSimplePacket: the packet belongs to interface 0, has no time, and its
// captured length is whatever snap length and block leave of the original.
func (r *Reader) ngSimplePacket(b []byte) (p Packet, reason string) {
	if len(b) < simplePacketLen {
		return p, fmt.Sprintf("a simple packet block of %d bytes", len(b))
	}
	if len(r.ng.interfaces) == 0 {
		return p, "a simple packet before any interface"
	}
	n := &r.ng.interfaces[0]
	p.OrigLen = r.u32(b[8:])
	capLen := p.OrigLen
	if n.snapLen != 0 {
		capLen = min(capLen, n.snapLen)
	}
	if capLen > MaxPacket || int(capLen) > len(b)-simplePacketLen {
		return p, fmt.Sprintf("a simple packet of %d bytes in a block of %d", capLen, len(b))
	}
	end := 12 + int(capLen)
	p.Data = b[12:end:end]
	p.LinkType, p.InterfaceName = n.linkType, n.name
	return p, ""
}

// soundBlock reports whether a block starts at b: a type we know and the same
// possible length at both ends.
func (r *Reader) soundBlock(b []byte) bool {
	if len(b) < blockOverhead {
		return false
	}
	if isNG(b) {
		return r.soundSection(b)
	}
	switch r.u32(b) {
	case blockInterface, blockPacket, blockSimplePacket, blockNameResolution, blockStatistics,
		blockEnhancedPacket, blockSecrets, blockCustom, blockCustomNoCopy:
		return sameLengths(b, r.u32)
	}
	return false
}

// soundSection is soundBlock for a section header, whose byte order is its own.
func (r *Reader) soundSection(b []byte) bool {
	if len(b) < sectionHeaderLen || !isNG(b) {
		return false
	}
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(b[8:]):
		return sameLengths(b, binary.LittleEndian.Uint32)
	case binary.BigEndian.Uint32(b[8:]):
		return sameLengths(b, binary.BigEndian.Uint32)
	}
	return false
}

func sameLengths(b []byte, u32 func([]byte) uint32) bool {
	total := u32(b[4:])
	return total >= blockOverhead && total%4 == 0 && int(total) <= min(len(b), searchReach) && u32(b[total-4:]) == total
}

// anyBlockBehind reports whether a block starts soon behind the window's
// position.
func (r *Reader) anyBlockBehind() bool {
	b := r.win.peek(searchStep + searchReach)
	for i := 1; i < len(b); i++ {
		if r.soundBlock(b[i:]) {
			return true
		}
	}
	return false
}
