package doctor

import (
	"fmt"
	"strings"

	"xcapa/internal/host"
)

// ownPrefix begins the names of the programs of this capture agent.
const ownPrefix = "xsk_redirect"

// ownProgram is the description of our own program on the interface; "" if it
// has none, or somebody else's.
func (s *subject) ownProgram() string {
	if !host.HasProgram(s.attrs) || !strings.HasPrefix(host.ProgramName(s.attrs.Xdp.ProgId), ownPrefix) {
		return ""
	}
	return host.DescribeProgram(s.attrs.Xdp.ProgId)
}

func (s *subject) program() Finding {
	p, err := s.Foreign()
	if err != nil {
		return skipped("%v", err)
	}
	if p == nil {
		return okay("none is attached")
	}
	if own := s.ownProgram(); own != "" {
		f := okay("a capture of xcapa is running here: XDP %s", own)
		if s.xdp() && !s.Replace { // nothing is wrong, but a second one cannot start
			p.Found, p.Why = fmt.Sprintf("another capture of xcapa is running on %s: XDP %s", s.Name, own), "an interface runs one"
			p.Mend, p.Or = "", "stop it, or take its interface away from it with --replace"
			f.Stops = p
		}
		return f
	}
	if s.Replace {
		return problem(Warn, p)
	}
	return s.stop(p)
}
