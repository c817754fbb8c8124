package doctor

import (
	"os"
	"strings"
)

// jitSwitch is the kernel's switch, shown in the first network namespace only.
const jitSwitch = "/proc/sys/net/core/bpf_jit_enable"

func jit() Finding {
	b, err := os.ReadFile(jitSwitch)
	if err != nil {
		return skipped("%v", err)
	}
	return jitState(strings.TrimSpace(string(b)))
}

func jitState(value string) Finding {
	if value == "0" {
		return Finding{State: Warn, Found: "the BPF compiler is off", Mend: "sysctl -w net.core.bpf_jit_enable=1"}
	}
	return okay("the BPF compiler is on (net.core.bpf_jit_enable is %s)", value)
}
