package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// Limits of the programs; from headers/xcapa.h.
const (
	MaxQueues    = 256 // RX queues that can have a socket
	MaxKeepPorts = 16
	// MinSnapLength is an Ethernet header: the kernel cuts no frame shorter.
	MinSnapLength = 14
)

// Stamp says what the program writes in front of each redirected frame.
type Stamp uint32

// The values are those of enum xcapa_stamp.
const (
	StampNone     Stamp = iota // no metadata area
	StampSequence              // the area, Timestamp 0 unless the NIC gives one
	StampClock                 // the area, Timestamp from CLOCK_TAI unless the NIC gives one
)

// ClockShare is how many frames get the same reading of the clock with
// Settings.ShareClock, at most: the last of them is stamped as early as it took to
// work through the others.
const ClockShare = 8

// Settings of a program. The zero value redirects every frame whole and writes
// nothing in front of it.
type Settings struct {
	Stamp       Stamp
	NICTime     bool     // prefer the NIC's timestamp; xsk_redirect_meta only
	SnapLength  uint32   // bytes kept of a frame, at least MinSnapLength; 0: all
	HeadersOnly bool     // cut behind the transport header; with SnapLength: what comes first
	KeepARP     bool     // leave ARP to the host
	KeepND      bool     // leave IPv6 neighbour discovery (ICMPv6 133-137) to the host
	KeepPorts   []uint16 // leave TCP and UDP with one of these ports, either side, to the host
	ShareClock  bool     // with StampClock: one reading for up to ClockShare frames of a NAPI poll
	Frags       bool     // accept frames of several buffers (MTU above a page)
}

// Validate reports every setting that no program can carry out.
func (s Settings) Validate() error {
	var problems []error
	if s.Stamp > StampClock {
		problems = append(problems, fmt.Errorf("stamp %d: give 0 (none), 1 (sequence) or 2 (clock)", s.Stamp))
	}
	if s.SnapLength != 0 && s.SnapLength < MinSnapLength {
		problems = append(problems, fmt.Errorf("snap length %d: give at least %d bytes, or 0 for whole frames", s.SnapLength, MinSnapLength))
	}
	if len(s.KeepPorts) > MaxKeepPorts {
		problems = append(problems, fmt.Errorf("%d ports to keep: give at most %d", len(s.KeepPorts), MaxKeepPorts))
	}
	return errors.Join(problems...)
}

// apply writes the settings into the program's constants.
func (s Settings) apply(spec *ebpf.CollectionSpec) error {
	var share uint32
	if s.ShareClock {
		share = ClockShare - 1
	}
	var ports [MaxKeepPorts]uint16
	copy(ports[:], s.KeepPorts)
	for _, v := range []struct {
		name  string
		value any
	}{
		{xskRedirectVarStamp, uint32(s.Stamp)},
		{xskRedirectVarClockShare, share},
		{xskRedirectVarNicTime, s.NICTime},
		{xskRedirectVarSnapLength, s.SnapLength},
		{xskRedirectVarHeadersOnly, s.HeadersOnly},
		{xskRedirectVarKeepArp, s.KeepARP},
		{xskRedirectVarKeepNd, s.KeepND},
		{xskRedirectVarKeepPortCount, uint32(len(s.KeepPorts))},
		{xskRedirectVarKeepPorts, ports},
	} {
		variable, ok := spec.Variables[v.name]
		if !ok { // the compiler left it out: this program does not use it
			continue
		}
		if err := variable.Set(v.value); err != nil {
			return fmt.Errorf("set %s: %w", v.name, err)
		}
	}
	return nil
}
