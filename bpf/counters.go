package bpf

import "fmt"

// Counters are the verdicts of the program so far, in frames, summed over the
// CPUs. Frames redirected may still be lost in the socket's rings, which counts
// them itself; all others were passed to the host.
type Counters struct {
	Redirected uint64 // handed to the socket of the queue
	Kept       uint64 // on the keep list
	NoSocket   uint64 // no socket on this queue
	NoMetadata uint64 // no room in front of the frame for the metadata area
	SnapFailed uint64 // could not be cut to the snap length
}

// Total is every frame the program has seen.
func (c Counters) Total() uint64 {
	return c.Redirected + c.Kept + c.NoSocket + c.NoMetadata + c.SnapFailed
}

// Counters reads the verdicts. Each value is exact at some instant during the
// call; while frames arrive the five instants differ by microseconds.
func (o *Objects) Counters() (Counters, error) {
	var c Counters
	for which, sum := range map[xskRedirectXcapaCounter]*uint64{
		xskRedirectXcapaCounterXCAPA_REDIRECTED:  &c.Redirected,
		xskRedirectXcapaCounterXCAPA_KEPT:        &c.Kept,
		xskRedirectXcapaCounterXCAPA_NO_SOCKET:   &c.NoSocket,
		xskRedirectXcapaCounterXCAPA_NO_METADATA: &c.NoMetadata,
		xskRedirectXcapaCounterXCAPA_SNAP_FAILED: &c.SnapFailed,
	} {
		var perCPU []uint64
		if err := o.counters.Lookup(uint32(which), &perCPU); err != nil {
			return Counters{}, fmt.Errorf("read counter %d of %s: %w", which, o.program, err)
		}
		for _, n := range perCPU {
			*sum += n
		}
	}
	return c, nil
}
