package doctor

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"xcapa/internal/host"
)

// What a later kernel adds: reported, never required.
var kernelAdds = []struct {
	major, minor int
	what         string
}{
	{6, 3, "the NIC's time, and what a driver can do"},
	{6, 6, "frames in several parts"},
	{6, 8, "the NIC's VLAN tag"},
}

func (s *subject) kernel() Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return skipped("ask for the kernel's version: %v", err)
	}
	return s.kernelVersion(unix.ByteSliceToString(u.Release[:]))
}

func (s *subject) kernelVersion(release string) Finding {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return skipped("Linux %s: not a version that can be read", release)
	}
	before := func(a, b int) bool { return major < a || major == a && minor < b }
	if before(6, 1) {
		return s.stop(&host.Problem{
			Found: "this is Linux " + release,
			Why:   "AF_XDP as used here begins with Linux 6.1",
			Or:    "boot a newer kernel (Debian: apt install linux-image-amd64), or use --engine afpacket",
			Err:   errors.ErrUnsupported,
		})
	}
	var lacks []string
	for _, a := range kernelAdds {
		if before(a.major, a.minor) {
			lacks = append(lacks, fmt.Sprintf("%s (%d.%d)", a.what, a.major, a.minor))
		}
	}
	if len(lacks) > 0 {
		return okay("Linux %s; not in it: %s", release, strings.Join(lacks, ", "))
	}
	return okay("Linux %s", release)
}
