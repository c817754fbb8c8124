package doctor

import (
	"strings"

	"xcapa/internal/host"
)

// named are the bits of host.Features in words, in the order of the kernel's.
var named = []struct {
	bit  uint64
	name string
}{
	{host.XDPBasic, "native"}, {host.XDPRedirect, "redirect"}, {host.XDPZeroCopy, "zero-copy"}, {host.XDPRXScatter, "frames in several parts"},
}

var namedMetadata = []struct {
	bit  uint64
	name string
}{
	{host.MetadataTimestamp, "time"}, {host.MetadataHash, "hash"}, {host.MetadataVLAN, "VLAN tag"},
}

func (s *subject) features() Finding {
	return s.featureWords(s.Features())
}

func (s *subject) featureWords(f host.Features) Finding {
	if !f.Known {
		return skipped("this kernel does not say what the driver can do (Linux 6.3 does)")
	}
	if f.NoNative() && s.xdp() && s.Native {
		return stopping(host.NoNativeMode(s.Name))
	}
	if f.NoNative() {
		found := s.Name + " has no native XDP"
		if !s.xdp() {
			return okay("%s; a packet socket does not need it", found)
		}
		return Finding{State: Warn, Found: found + ": generic mode, which costs the kernel more for each frame",
			Or: "capture on an interface whose driver has it"}
	}
	var has, meta []string
	for _, n := range named {
		if f.XDP&n.bit != 0 {
			has = append(has, n.name)
		}
	}
	for _, n := range namedMetadata {
		if f.RXMetadata&n.bit != 0 {
			meta = append(meta, n.name)
		}
	}
	if len(meta) > 0 {
		has = append(has, "the NIC's "+strings.Join(meta, " and "))
	}
	return okay("%s", strings.Join(has, ", "))
}
