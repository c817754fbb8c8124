package host

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// What the engines take. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, as
// in the kernel.
var (
	AFXDPNeeds    = []capability.Cap{capability.CAP_BPF, capability.CAP_NET_ADMIN, capability.CAP_NET_RAW}
	AFPacketNeeds = []capability.Cap{capability.CAP_NET_RAW}
	// LoopNeeds is what a program takes that keeps traffic or cuts behind
	// headers: without it the verifier allows fewer pointers.
	LoopNeeds = capability.CAP_PERFMON
)

// ForAFXDP is what an AF_XDP capture takes, and its name: one whose program
// walks the headers, to keep traffic or to cut behind them, takes more.
func ForAFXDP(loops bool) (what string, needs []capability.Cap) {
	if !loops {
		return "AF_XDP", AFXDPNeeds
	}
	return "AF_XDP with --keep or --headers-only", append(AFXDPNeeds[:len(AFXDPNeeds):len(AFXDPNeeds)], LoopNeeds)
}

// Has reports whether this process has a capability in effect. A kernel that
// does not say is taken to have given it: it will refuse in its own words.
func Has(c capability.Cap) bool {
	caps, err := capability.NewPid2(0)
	if err != nil || caps.Load() != nil {
		return true
	}
	has := func(c capability.Cap) bool { return caps.Get(capability.EFFECTIVE, c) }
	if c == capability.CAP_BPF || c == capability.CAP_PERFMON {
		return has(c) || has(capability.CAP_SYS_ADMIN)
	}
	return has(c)
}

// Lacks is the problem that this process has not all capabilities of needs; nil
// if it has. what takes them is named.
func Lacks(what string, needs ...capability.Cap) *Problem {
	var missing []string
	for _, c := range needs {
		if !Has(c) {
			missing = append(missing, CapabilityName(c))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &Problem{
		Found: "this process lacks " + strings.Join(missing, ", "),
		Why:   fmt.Sprintf("%s takes %s", what, plural(len(missing), "it", "them")),
		Mend:  "sudo setcap " + setcapList() + "+ep " + ownPath(),
		Or:    "run it as root (a unit: AmbientCapabilities=)",
		Err:   unix.EPERM,
	}
}

// CapabilityName is a capability's name as the kernel spells it.
func CapabilityName(c capability.Cap) string { return "CAP_" + strings.ToUpper(c.String()) }

// setcapList is everything that any command of ours takes, as setcap reads it.
func setcapList() string {
	names := make([]string, 0, 5)
	for _, c := range append(AFXDPNeeds[:len(AFXDPNeeds):len(AFXDPNeeds)], capability.CAP_IPC_LOCK, LoopNeeds) {
		names = append(names, "cap_"+strings.ToLower(c.String()))
	}
	return strings.Join(names, ",")
}

// ownPath is this program's file.
func ownPath() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "/usr/local/bin/xcapa"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
