package doctor

import "xcapa/internal/host"

func (s *subject) zeroCopy() Finding {
	f := s.Features()
	switch {
	case !f.Known:
		return skipped("this kernel does not say (Linux 6.3 does); a capture finds out when it binds")
	case f.XDP&host.XDPZeroCopy == 0:
		return okay("not with this driver: frames are copied once")
	}
	return okay("the driver can")
}
