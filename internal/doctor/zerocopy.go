package doctor

import "xcapa/internal/host"

func (s *subject) zeroCopy() Finding { return s.canZeroCopy(s.Features()) }

func (s *subject) canZeroCopy(f host.Features) Finding {
	switch {
	case !f.Known:
		return skipped("this kernel does not say (Linux 6.3 does); a capture finds out when it binds")
	case f.XDP&host.XDPZeroCopy == 0 && s.xdp() && s.ZeroCopy:
		return stopping(host.NoZeroCopy(s.Name))
	case f.XDP&host.XDPZeroCopy == 0:
		return okay("not with this driver: frames are copied once")
	}
	return okay("the driver can")
}
