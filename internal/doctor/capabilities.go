package doctor

import (
	"strings"

	"github.com/moby/sys/capability"

	"xcapa/internal/host"
)

// shown are the capabilities that captures have to do with.
var shown = []capability.Cap{
	capability.CAP_NET_RAW, capability.CAP_NET_ADMIN, capability.CAP_BPF,
	capability.CAP_PERFMON, capability.CAP_IPC_LOCK, capability.CAP_SYS_ADMIN,
}

func (s *subject) capabilities() Finding {
	engine, needs := host.ForAFXDP(s.Loops)
	if !s.xdp() {
		engine, needs = "AF_PACKET", host.AFPacketNeeds
	}
	if p := host.Lacks(engine, needs...); p != nil {
		return stopping(p)
	}
	var has, lacks []string
	for _, c := range shown {
		if host.Has(c) {
			has = append(has, host.CapabilityName(c))
		} else {
			lacks = append(lacks, host.CapabilityName(c))
		}
	}
	if len(lacks) > 0 {
		return okay("%s; not %s, which %s does without", strings.Join(has, ", "), strings.Join(lacks, ", "), engine)
	}
	return okay("%s", strings.Join(has, ", "))
}
