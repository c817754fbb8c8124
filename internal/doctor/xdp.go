package doctor

import (
	"errors"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"xcapa/internal/host"
)

// xdpNeeds are the parts that the programs are made of.
var xdpNeeds = []struct {
	name string
	have func() error
}{
	{"XDP programs", func() error { return features.HaveProgramType(ebpf.XDP) }},
	{"XSKMAP", func() error { return features.HaveMapType(ebpf.XSKMap) }},
	{"redirect", func() error { return features.HaveProgramHelper(ebpf.XDP, asm.FnRedirectMap) }},
	{"metadata area", func() error { return features.HaveProgramHelper(ebpf.XDP, asm.FnXdpAdjustMeta) }},
	{"cutting", func() error { return features.HaveProgramHelper(ebpf.XDP, asm.FnXdpAdjustTail) }},
	{"TAI clock", func() error { return features.HaveProgramHelper(ebpf.XDP, asm.FnKtimeGetTaiNs) }},
}

func (s *subject) xdpParts() Finding {
	if p := host.NoAFXDP(); p != nil {
		return s.stop(p)
	}
	names := []string{"AF_XDP sockets"}
	for _, n := range xdpNeeds {
		switch err := n.have(); {
		case err == nil:
			names = append(names, n.name)
		case errors.Is(err, ebpf.ErrNotSupported):
			return s.stop(&host.Problem{
				Found: "this kernel has no " + n.name + " for XDP",
				Why:   "the capture's program needs it",
				Or:    "boot Linux 6.1 or later with BPF, or use --engine afpacket",
				Err:   err,
			})
		default: // no clear answer
			return skipped("ask the kernel for %s: %v", n.name, brief(err))
		}
	}
	return okay("%s", strings.Join(names, ", "))
}

// brief is the last of a chain of reasons: the kernel's word.
func brief(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
