package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what a figure is worth nothing without.
type machine struct {
	Kernel  string            `json:"kernel"`
	CPU     string            `json:"cpu"`
	Cores   []int             `json:"cores"` // those this process may use
	Memory  string            `json:"memory"`
	Go      string            `json:"go"`
	Version string            `json:"version"` // of xcapa
	Load    string            `json:"load"`    // /proc/loadavg at the start
	Tools   map[string]string `json:"tools"`   // peers that are programs of their own
}

func describeMachine(binary string) machine {
	m := machine{Go: runtime.Version(), Cores: allowedCPUs(), Tools: map[string]string{}}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	m.CPU = firstField("/proc/cpuinfo", "model name")
	m.Memory = firstField("/proc/meminfo", "MemTotal")
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.TrimSpace(string(b))
	}
	m.Version = firstLine(binary, "version")
	for name, args := range map[string][]string{
		"tcpdump": {"--version"}, "tshark": {"--version"}, "tcpreplay": {"--version"}, "java": {"-version"}, "mvn": {"-v"}, "python3": {"--version"},
	} {
		if v := firstLine(name, args...); v != "" {
			m.Tools[name] = v
		}
	}
	return m
}

func firstField(file, key string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// firstLine is what a program says first; "" when it is not there.
func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// allowedCPUs reads the affinity mask: runtime.NumCPU counts, it does not name.
func allowedCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var cpus []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// placement says which core does what: the generator's also does the receiving
// interface's softirq; what is measured has another one to itself.
type placement struct{ kernel, app, other int }

func place(cpus []int) (placement, error) {
	if len(cpus) < 2 {
		return placement{}, fmt.Errorf("%d core(s) allowed: generator and receiver need one each, on one core a receiver starves (results would say nothing)", len(cpus))
	}
	p := placement{kernel: cpus[0], app: cpus[1], other: cpus[0]}
	if len(cpus) > 2 {
		p.other = cpus[2]
	}
	return p, nil
}

// softirqTicks is how long cpu was in softirq so far, in seconds.
func softirqSeconds(cpu int) float64 {
	b, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(b)) {
		w := strings.Fields(line)
		if len(w) > 7 && w[0] == "cpu"+strconv.Itoa(cpu) {
			n, _ := strconv.ParseFloat(w[7], 64)
			return n / 100 // USER_HZ
		}
	}
	return 0
}
