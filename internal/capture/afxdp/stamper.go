package afxdp

import (
	"encoding/binary"
	"sync/atomic"

	"xcapa/bpf"
	"xcapa/internal/capture"
)

// Stamper makes capture.Frames of what the XDP program left in memory: it reads
// the metadata area in front of the frame, converts the time, and puts a VLAN
// tag that the NIC took off back in its place.
//
// It belongs to one queue and one goroutine. It does not allocate.
type Stamper struct {
	area    bool // there is a metadata area
	batch   bool // times and numbers are made here
	snap    int  // bytes kept of a frame; 0: all
	clock   clock
	next    uint64 // number of the next frame, where they are made here
	refused atomic.Uint64
}

// NewStamper makes a Stamper for frames that a program with c's settings left.
func NewStamper(c Config) *Stamper {
	c = c.withDefaults()
	return &Stamper{
		area:  c.programStamp() != bpf.StampNone,
		batch: c.Stamp == StampBatch,
		snap:  int(c.SnapLen),
		clock: newClock(),
	}
}

// Begin starts a batch: frames without a time of their own get this moment.
func (s *Stamper) Begin() {
	s.clock.now = 0
	if s.batch {
		s.clock.system()
	}
}

// Refused is how many frames got the system's time because the NIC's clock did
// not agree with it. May be called from any goroutine.
func (s *Stamper) Refused() uint64 { return s.refused.Load() }

// Frame fills f with the frame of length bytes at memory[at:]. total is its
// length over all parts, the same as length for a frame in one part; f.Data is
// the first part alone.
//
// The bpf.MetaSize bytes in front of it are the program's; they are overwritten
// where a tag is put back.
func (s *Stamper) Frame(f *capture.Frame, memory []byte, at, length, total int) {
	if !s.area {
		f.Data = memory[at : at+length : at+length]
		f.OrigLen = uint32(total)
		f.TimestampNanos = s.clock.system()
		f.Sequence = s.count()
		return
	}
	meta := bpf.ReadMeta((*[bpf.MetaSize]byte)(memory[at-bpf.MetaSize : at]))
	f.OrigLen = meta.OriginalLength
	if meta.Flags&bpf.FlagVLAN != 0 && length >= 2*macLen {
		at, length = insertTag(memory, at, length, meta.VlanTpid, meta.VlanTci)
		f.OrigLen += tagLen
		if s.snap > 0 && length > s.snap {
			length = s.snap
		}
	}
	f.Data = memory[at : at+length : at+length]
	f.TimestampNanos = s.time(&meta)
	f.Sequence = meta.Sequence
	if s.batch {
		f.Sequence = s.count()
	}
}

func (s *Stamper) count() uint64 {
	n := s.next
	s.next++
	return n
}

// time is the frame's, ns since the Unix epoch.
func (s *Stamper) time(meta *bpf.Meta) int64 {
	switch {
	case s.batch || meta.Timestamp == 0:
		return s.clock.system()
	case meta.Flags&bpf.FlagNICTime == 0:
		return s.clock.fromTAI(meta.Timestamp)
	}
	nanos, ok := s.clock.fromNIC(meta.Timestamp)
	if !ok {
		s.refused.Add(1)
	}
	return nanos
}

// IEEE 802.3, 802.1Q, in bytes.
const (
	macLen = 6
	tagLen = 4
)

// insertTag puts a VLAN tag behind the MAC addresses of the frame at
// memory[at:], by moving them back over the end of the metadata area.
func insertTag(memory []byte, at, length int, tpid, tci uint16) (newAt, newLength int) {
	newAt = at - tagLen
	copy(memory[newAt:newAt+2*macLen], memory[at:at+2*macLen])
	binary.BigEndian.PutUint16(memory[newAt+2*macLen:], tpid)
	binary.BigEndian.PutUint16(memory[newAt+2*macLen+2:], tci)
	return newAt, length + tagLen
}
