package bpf

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Shape is struct generate_shape: one length of generated frame and what
// follows from it. Sums are those of RFC 1071 over native-endian words, not
// folded; IpLength and UdpLength are in network byte order.
type Shape = generatorGenerateShape

// MaxShapes is how many frames of different length a Generator takes in turn.
const MaxShapes = 16

// GeneratorSettings say what frames a Generator makes. Offsets are bytes from
// the start of the frame, 0: there is no such field.
type GeneratorSettings struct {
	Interface     int     // index of the interface frames are sent out of
	Shapes        []Shape // 1 to MaxShapes, taken in turn
	Flows         uint32  // a power of two; source ports, then source addresses
	AtIPLength    uint32
	AtIPChecksum  uint32
	AtSource      uint32 // the last two bytes of the source address
	AtSourcePort  uint32
	AtUDPLength   uint32
	AtChecksum    uint32
	AtNumber      uint32 // eight bytes, big endian
	Gap           uint64 // ns between frames in 1/1024; 0: flat out
	MostLateNanos uint64 // frames late by more are not made up for
}

// Generator is a loaded load generator.
type Generator struct {
	collection *ebpf.Collection
}

// LoadGenerator loads the generator. Frames are only sent while Run runs.
func LoadGenerator(s GeneratorSettings) (*Generator, error) {
	if n := len(s.Shapes); n == 0 || n > MaxShapes {
		return nil, fmt.Errorf("load generator: %d shapes, want 1 to %d", n, MaxShapes)
	}
	spec, err := loadGenerator()
	if err != nil {
		return nil, fmt.Errorf("read generator: %w", err)
	}
	var shapes [MaxShapes]Shape
	copy(shapes[:], s.Shapes)
	for _, v := range []struct {
		name  string
		value any
	}{
		{generatorVarIfindex, uint32(s.Interface)},
		{generatorVarShapeCount, uint32(len(s.Shapes))},
		{generatorVarShapes, shapes},
		{generatorVarFlowMask, s.Flows - 1},
		{generatorVarAtIpLength, s.AtIPLength},
		{generatorVarAtIpChecksum, s.AtIPChecksum},
		{generatorVarAtSource, s.AtSource},
		{generatorVarAtSourcePort, s.AtSourcePort},
		{generatorVarAtUdpLength, s.AtUDPLength},
		{generatorVarAtChecksum, s.AtChecksum},
		{generatorVarAtNumber, s.AtNumber},
		{generatorVarGap, s.Gap},
		{generatorVarMostLate, s.MostLateNanos},
	} {
		if err := spec.Variables[v.name].Set(v.value); err != nil {
			return nil, fmt.Errorf("set %s of the generator: %w", v.name, err)
		}
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load generator: %w: it needs root and Linux 6.1 or later", err)
	}
	return &Generator{collection}, nil
}

// testRun is union bpf_attr as BPF_PROG_TEST_RUN takes it,
// include/uapi/linux/bpf.h.
type testRun struct {
	program               uint32
	verdict               uint32
	dataIn, dataOut       uint32
	data, dataOutPointer  uint64
	repeat, duration      uint32
	contextIn, contextOut uint32
	contextInPointer      uint64
	contextOutPointer     uint64
	flags, cpu, batch, _  uint32
}

const (
	cmdProgTestRun = 10     // BPF_PROG_TEST_RUN
	flagLiveFrames = 1 << 1 // BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18
)

// Run makes up to repeat turns, each of which sends one copy of template or
// finds that it is too early to. It returns when they are over, nil, or
// unix.EINTR when a signal came to the calling thread, which must stay locked.
// The interface is looked up in that thread's network namespace.
//
// A call costs 15 to 25 ms of the kernel's in which nothing is sent: make few.
func (g *Generator) Run(template []byte, repeat uint32) error {
	attr := testRun{
		program: uint32(g.collection.Programs[generatorProgGenerate].FD()), repeat: repeat, flags: flagLiveFrames,
		dataIn: uint32(len(template)), data: uint64(uintptr(unsafe.Pointer(&template[0]))),
	}
	_, _, errno := unix.Syscall(unix.SYS_BPF, cmdProgTestRun, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(template)
	if errno != 0 {
		return errno
	}
	return nil
}

// Sent is how many frames the generator handed to its interface so far.
func (g *Generator) Sent() (uint64, error) {
	var n uint64
	if err := g.collection.Variables[generatorVarNumber].Get(&n); err != nil {
		return 0, fmt.Errorf("read the number of frames generated: %w", err)
	}
	return n, nil
}

// Begin forgets when the run before began.
func (g *Generator) Begin() error {
	return g.collection.Variables[generatorVarFirst].Set(uint64(0))
}

// First is when the first frame since Begin was sent, ns of CLOCK_MONOTONIC; 0:
// none was.
func (g *Generator) First() (n uint64, err error) {
	if err := g.collection.Variables[generatorVarFirst].Get(&n); err != nil {
		return 0, fmt.Errorf("read when the generator began: %w", err)
	}
	return n, nil
}

// Close unloads the generator.
func (g *Generator) Close() { g.collection.Close() }
