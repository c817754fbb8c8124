package afxdp

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"

	"xcapa/bpf"
)

// Mode says where the program runs. Native is in the driver, before the kernel
// makes an skb; generic works with every driver and is slower.
type Mode string

// The modes.
const (
	ModeAuto    Mode = "auto" // native, else generic with a note
	ModeNative  Mode = "native"
	ModeGeneric Mode = "generic"
)

// ZeroCopy says whether the NIC shall write into UMEM itself.
type ZeroCopy string

// The choices for zero copy.
const (
	ZeroCopyAuto    ZeroCopy = "auto" // where the driver can
	ZeroCopyRequire ZeroCopy = "require"
	ZeroCopyOff     ZeroCopy = "off"
)

// Stamp says where a frame's time and number come from.
type Stamp string

// The stamps.
const (
	StampPacket Stamp = "packet" // the XDP program, which reads the clock once for a few frames of a NAPI poll: bpf.ClockShare
	StampBatch  Stamp = "batch"  // one clock read for each batch; numbered on receipt
)

// Clock says which clock a packet time is read from.
type Clock string

// The clocks.
const (
	ClockSystem Clock = "system"
	ClockNIC    Clock = "nic" // while within 1 ms of the system's, else the system's
)

// Config says what Open opens. The zero value of every field but Interface is
// the default.
type Config struct {
	Interface string
	Mode      Mode     // default auto
	ZeroCopy  ZeroCopy // default auto
	Stamp     Stamp    // default packet
	Clock     Clock    // default system

	// RingSize is the number of entries of the RX ring, a power of two up to
	// 65536. Default 4096. ring / rate is the stall that loses nothing.
	RingSize int
	// Frames of UMEM for each queue. Default 8192. Memory: Frames times
	// ChunkSize for each queue, 32 MiB by default.
	Frames int
	// ChunkSize is the bytes of one UMEM frame, 2048 or 4096. Default 4096. 256
	// of them are the kernel's.
	ChunkSize int
	// Batch is how many frames are taken from the ring at once. Default 64.
	Batch int

	SnapLen     uint32   // bytes kept of a frame; 0: all
	HeadersOnly bool     // cut behind the transport header
	KeepARP     bool     // passed to the host, not captured
	KeepND      bool     // IPv6 neighbour discovery, likewise
	KeepPorts   []uint16 // TCP and UDP, either port, likewise

	Promiscuous bool // also take frames to other MAC addresses
	TakeOver    bool // go on although the interface has an address or the default route
	Replace     bool // detach an XDP program that somebody else attached
	Spin        bool // look at the ring without pause instead of napping

	// StateDir holds what must be undone after a crash. "": what the kernel
	// does not undo by itself is not touched.
	StateDir string
	// Why is why this engine was taken, for Info.
	Why    string
	Logger *slog.Logger // default: none
}

func (c Config) withDefaults() Config {
	setDefault(&c.Mode, ModeAuto)
	setDefault(&c.ZeroCopy, ZeroCopyAuto)
	setDefault(&c.Stamp, StampPacket)
	setDefault(&c.Clock, ClockSystem)
	setDefault(&c.RingSize, 4096)
	setDefault(&c.Frames, 8192)
	setDefault(&c.ChunkSize, 4096)
	setDefault(&c.Batch, 64)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Limits of the sizes.
const (
	maxRingSize = 1 << 16
	maxFrames   = 1 << 20
)

// Validate reports every setting that cannot be carried out.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Interface == "", "no interface: name one")
	refuse(c.Mode != ModeAuto && c.Mode != ModeNative && c.Mode != ModeGeneric, "mode %q: want auto, native or generic", c.Mode)
	refuse(c.ZeroCopy != ZeroCopyAuto && c.ZeroCopy != ZeroCopyRequire && c.ZeroCopy != ZeroCopyOff, "zero copy %q: want auto, require or off", c.ZeroCopy)
	refuse(c.ZeroCopy == ZeroCopyRequire && c.Mode == ModeGeneric, "zero copy and generic mode: there is no such thing; use native mode")
	refuse(c.Stamp != StampPacket && c.Stamp != StampBatch, "stamp %q: want packet or batch", c.Stamp)
	refuse(c.Clock != ClockSystem && c.Clock != ClockNIC, "clock %q: want system or nic", c.Clock)
	refuse(c.Clock == ClockNIC && c.Stamp == StampBatch, "the NIC's clock stamps packets: use it with stamp packet")
	refuse(!isPowerOfTwo(c.RingSize) || c.RingSize > maxRingSize, "ring size %d: want a power of two up to %d", c.RingSize, maxRingSize)
	refuse(c.Frames < 1 || c.Frames > maxFrames, "%d frames: want 1 to %d", c.Frames, maxFrames)
	refuse(c.ChunkSize != 2048 && c.ChunkSize != 4096, "chunk size %d: want 2048 or 4096 bytes", c.ChunkSize)
	refuse(c.Batch < 1 || c.Batch > maxRingSize, "batch of %d: want 1 to %d frames", c.Batch, maxRingSize)
	problems = append(problems, c.settings(false).Validate())
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("configure AF_XDP: %w", err)
	}
	return nil
}

func isPowerOfTwo(n int) bool { return n > 0 && bits.OnesCount(uint(n)) == 1 }

// settings are those of the XDP program.
func (c Config) settings(frags bool) bpf.Settings {
	return bpf.Settings{
		Stamp:       c.programStamp(),
		NICTime:     c.Clock == ClockNIC,
		SnapLength:  c.SnapLen,
		HeadersOnly: c.HeadersOnly,
		KeepARP:     c.KeepARP,
		KeepND:      c.KeepND,
		KeepPorts:   c.KeepPorts,
		Frags:       frags,
	}
}

// programStamp is what the program writes in front of a frame. Cut frames need
// the area for their original length even where time comes with the batch.
func (c Config) programStamp() bpf.Stamp {
	switch {
	case c.Stamp == StampPacket:
		return bpf.StampClock
	case c.SnapLen != 0 || c.HeadersOnly:
		return bpf.StampSequence
	}
	return bpf.StampNone
}
