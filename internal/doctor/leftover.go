package doctor

import (
	"fmt"
	"strings"

	"xcapa/internal/capture/afxdp"
)

func (s *subject) leftover() Finding {
	left, err := afxdp.Leftovers(s.StateDir)
	switch {
	case err != nil:
		return skipped("%v", err)
	case len(left) > 0:
		return Finding{State: Warn, Found: fmt.Sprintf("a capture was killed and left %s in %s", strings.Join(left, ", "), s.StateDir),
			Mend: "xcapa cleanup", Or: "start a capture, which does the same"}
	}
	return okay("nothing is left of a capture that was killed")
}
