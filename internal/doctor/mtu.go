package doctor

import (
	"fmt"

	"xcapa/internal/host"
)

func (s *subject) mtu() Finding { return s.chunks(s.Features()) }

func (s *subject) chunks(f host.Features) Finding {
	if !s.xdp() {
		return okay("%d; a packet socket takes any", s.attrs.MTU)
	}
	c := host.Chunks{Interface: s.Name, Driver: s.Driver, MTU: s.attrs.MTU, Size: s.Chunk, Features: f, Generic: s.Generic || f.NoNative()}
	plan, p := c.Parts()
	switch {
	case p != nil:
		return stopping(p)
	case plan[len(plan)-1]: // parts, or nothing
		return Finding{State: Warn,
			Found: fmt.Sprintf("the MTU is %d, a chunk of %d bytes holds %d: longer frames come in several parts, which cost more", c.MTU, c.Size, c.LargestMTU()),
			Mend:  fmt.Sprintf("ip link set dev %s mtu %d", s.Name, c.LargestMTU()),
			Or:    "leave it, if longer frames do come"}
	}
	return okay("%d fits a chunk of %d bytes (up to %d)", c.MTU, c.Size, c.LargestMTU())
}
