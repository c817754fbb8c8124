package doctor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"

	"xcapa/internal/host"
)

func (s *subject) link() Finding {
	switch {
	case s.attrs.Flags&net.FlagUp == 0:
		return stopping(host.Down(s.Name))
	case s.attrs.OperState == netlink.OperDown, s.attrs.OperState == netlink.OperLowerLayerDown:
		return Finding{State: Fail, Found: fmt.Sprintf("%s is up, but its link is down", s.Name),
			Or: "look at the cable, and switch the other end on"}
	}
	speed := ""
	if dir := s.Sysfs(); dir != "" {
		if b, err := os.ReadFile(filepath.Join(dir, "speed")); err == nil && !strings.HasPrefix(string(b), "-") {
			speed = ", " + strings.TrimSpace(string(b)) + " Mbit/s"
		}
	}
	return okay("up%s", speed)
}
