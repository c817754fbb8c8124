package pcap

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Magic numbers of pcap files, as the writer's byte order has them
// (draft-ietf-opsawg-pcap 4; the third is Kuznetsov's "modified" pcap).
const (
	magicMicros   = 0xa1b2c3d4
	magicNanos    = 0xa1b23c4d
	magicModified = 0xa1b2cd34
)

const (
	classicFileHeaderLen    = 24
	classicRecordHeaderLen  = 16
	modifiedRecordHeaderLen = 24          // plus interface index, protocol, packet type
	linkTypeReservedBits    = 0x03ff0000  // draft-ietf-opsawg-pcap 4: reserved, must be 0
	maxTimeJump             = 366 * 86400 // seconds between plausible neighbours
)

// classic is what the header of a pcap file says.
type classic struct {
	linkType  uint16
	snapLen   uint32 // bytes; 0 and anything over MaxPacket mean no limit
	headerLen int    // of a record, bytes
	fraction  uint32 // units of the fraction field in a second
	unitNanos int64  // ns per unit
	minor     uint16 // version 2.minor; up to 2.3 the two lengths may be swapped
	// Times of the first and the last packet delivered, seconds, to judge
	// others by: two, since one of them may itself have been damaged.
	firstSeconds, lastSeconds uint32
	seen                      bool // they are set
}

// startClassic reads the file header. magic is its first four bytes.
func (r *Reader) startClassic(magic []byte) error {
	le, be := binary.LittleEndian.Uint32(magic), binary.BigEndian.Uint32(magic)
	c := &r.classic
	c.headerLen, c.fraction, c.unitNanos = classicRecordHeaderLen, 1e6, 1e3
	m := le
	if m != magicMicros && m != magicNanos && m != magicModified {
		m, r.big = be, true
	}
	switch m {
	case magicMicros:
	case magicNanos:
		c.fraction, c.unitNanos = 1e9, 1
	case magicModified:
		c.headerLen = modifiedRecordHeaderLen
	default:
		return r.final(0, fmt.Sprintf("not a pcap or pcapng file: it starts with % x", magic), ErrFormat)
	}
	h := r.win.peek(classicFileHeaderLen)
	if len(h) < classicFileHeaderLen {
		return r.cut("the file header", classicFileHeaderLen)
	}
	major := r.u16(h[4:])
	c.minor = r.u16(h[6:])
	if major != 2 {
		return r.final(4, fmt.Sprintf("pcap version %d.%d: only 2.x can be read", major, c.minor), ErrFormat)
	}
	c.snapLen = r.u32(h[16:])
	network := r.u32(h[20:])
	if network&linkTypeReservedBits != 0 {
		return r.final(20, fmt.Sprintf("pcap link type field %#08x has reserved bits set: written by a newer program, or damaged", network), ErrFormat)
	}
	c.linkType = uint16(network)
	r.win.skip(classicFileHeaderLen)
	return nil
}

func (r *Reader) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if r.big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (r *Reader) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if r.big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

// lengths reads captured and original length of a record header. Version 2.2
// and older have them the other way round, 2.3 was written both ways.
func (r *Reader) lengths(h []byte) (capLen, origLen uint32) {
	capLen, origLen = r.u32(h[8:]), r.u32(h[12:])
	if r.classic.minor < 3 || r.classic.minor == 3 && capLen > origLen {
		capLen, origLen = origLen, capLen
	}
	return capLen, origLen
}

// nextClassic reads one record.
func (r *Reader) nextClassic() (Packet, error) {
	c := &r.classic
	h := r.win.peek(c.headerLen)
	if len(h) < c.headerLen {
		if len(h) == 0 {
			return Packet{}, r.ended(0)
		}
		return Packet{}, r.cut("a record header", c.headerLen)
	}
	capLen, origLen := r.lengths(h)
	if capLen > MaxPacket {
		return Packet{}, r.resync(fmt.Sprintf("a record claims %d bytes, the limit is %d", capLen, MaxPacket), r.soundRecord)
	}
	if capLen|origLen|r.u32(h) == 0 && r.zeros() {
		return Packet{}, r.resync("zeros instead of records", r.soundRecord)
	}
	need := c.headerLen + int(capLen)
	b := r.win.peek(need)
	if r.options.Resync && r.misled(b, need, capLen, origLen) {
		return Packet{}, r.resync(fmt.Sprintf("a record claims %d of %d bytes, and no other follows it there", capLen, origLen), r.soundRecord)
	}
	b = r.win.peek(need) // misled may have moved the window
	if len(b) < need {
		return Packet{}, r.cut("a record", need)
	}
	p := Packet{
		Data:           b[c.headerLen:need:need],
		TimestampNanos: int64(r.u32(b))*1e9 + int64(r.u32(b[4:]))*c.unitNanos,
		HasTime:        true,
		LinkType:       c.linkType,
		OrigLen:        origLen,
		FileOffset:     r.win.offset(),
	}
	if c.lastSeconds = r.u32(b); !c.seen {
		c.firstSeconds, c.seen = c.lastSeconds, true
	}
	r.win.skip(need)
	return p, nil
}

// zeros reports whether nothing but zeros comes for a page. (Fewer are read as
// records of 0 bytes, as other readers do.)
func (r *Reader) zeros() bool {
	b := r.win.peek(4096)
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return len(b) == 4096
}

// misled reports whether a record's captured length is wrong: no header follows
// where it says, and one does where the original length says; or it leads beyond
// the end of the file, and other records are there before. Without such a better
// reading the record is taken as it is.
func (r *Reader) misled(b []byte, need int, capLen, origLen uint32) bool {
	if len(b) < need {
		return r.anyRecordBehind()
	}
	c := &r.classic
	other := min(origLen, MaxPacket)
	if c.snapLen > 0 {
		other = min(other, c.snapLen)
	}
	if capLen == other {
		return false
	}
	next := r.win.peek(need + c.headerLen)[need:]
	if len(next) == 0 || len(next) == c.headerLen && r.plausible(next) {
		return false
	}
	end := c.headerLen + int(other)
	rest := r.win.peek(end + searchReach)
	return len(rest) == end || len(rest) > end && r.soundRecord(rest[end:])
}

// anyRecordBehind reports whether a chain of records starts somewhere between
// here and the end of the file, which is within one packet's reach.
func (r *Reader) anyRecordBehind() bool {
	b := r.win.peek(searchReach)
	for i := 1; i < len(b); i++ {
		if r.soundRecord(b[i:]) {
			return true
		}
	}
	return false
}

// plausible reports whether h looks like a record header: possible lengths, a
// fraction within its second, not a year away from the packet before.
func (r *Reader) plausible(h []byte) bool {
	capLen, origLen := r.lengths(h)
	if capLen > MaxPacket || capLen > origLen || origLen > 16<<20 || r.u32(h[4:]) >= r.classic.fraction {
		return false
	}
	c, t := &r.classic, r.u32(h)
	return !c.seen || near(t, c.lastSeconds) || near(t, c.firstSeconds)
}

func near(a, b uint32) bool { return max(a, b)-min(a, b) < maxTimeJump }

// soundRecord reports whether a record starts at b: a plausible header, bytes
// in it, and another plausible header or the end of the file behind it.
func (r *Reader) soundRecord(b []byte) bool {
	n := r.classic.headerLen
	if len(b) < n || !r.plausible(b) {
		return false
	}
	capLen, _ := r.lengths(b)
	end := n + int(capLen)
	if capLen == 0 || end > len(b) {
		return false
	}
	rest := b[end:]
	return len(rest) == 0 || len(rest) >= n && r.plausible(rest) && near(r.u32(rest), r.u32(b))
}
