package doctor

import (
	"fmt"
	"strings"

	"xcapa/internal/host"
)

// offloads are those of an interface by the kernel's name: host.Interface's.
type offloads func() (map[string]bool, error)

// merging looks for LRO, which no engine can undo, and for GRO, which XDP comes
// before (in generic mode the kernel switches it off itself).
func (s *subject) merging(read offloads) Finding {
	if s.attrs.EncapType == "loopback" {
		return okay("nothing is merged on the loopback")
	}
	on, err := read()
	if err != nil {
		return skipped("ask for the offloads of %s: %v", s.Name, err)
	}
	if on[host.LRO] {
		return Finding{State: Fail, Found: "LRO is on: the NIC makes one frame of several, and drivers refuse native XDP",
			Mend: fmt.Sprintf("ethtool -K %s lro off", s.Name)}
	}
	var commands []string
	for _, feature := range []struct{ kernel, ethtool string }{{host.GRO, "gro"}, {host.GROHW, "rx-gro-hw"}} {
		if on[feature.kernel] {
			commands = append(commands, feature.ethtool+" off")
		}
	}
	switch {
	case len(commands) == 0:
		return okay("LRO and GRO are off")
	case s.xdp() && !on[host.GROHW]:
		return okay("LRO is off; GRO is on, and XDP comes before it")
	}
	return Finding{State: Warn, Found: "GRO is on: a packet socket gets several frames as one",
		Mend: fmt.Sprintf("ethtool -K %s %s", s.Name, strings.Join(commands, " "))}
}

// rxvlan looks for tags that are taken off before a program sees them.
func (s *subject) rxvlan(read offloads) Finding {
	on, err := read()
	switch {
	case err != nil:
		return skipped("ask for the offloads of %s: %v", s.Name, err)
	case !on[host.RXVLAN]:
		return okay("off: tags are in the frames")
	case !s.xdp():
		return okay("on: a packet socket is told the tag, and it is put back")
	case s.Features().RXMetadata&host.MetadataVLAN != 0 && !s.Generic:
		return okay("on: the program is told the tag, and it is put back")
	case s.StateDir != "":
		return okay("on: a capture switches it off, and on again when it ends")
	}
	return Finding{State: Warn, Found: "rx-vlan-offload is on: the tags are lost", Mend: fmt.Sprintf("ethtool -K %s rxvlan off", s.Name)}
}
