package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xcapa/internal/measure"
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
	m := machine{Go: runtime.Version(), Cores: measure.AllowedCores(), Tools: map[string]string{}}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	m.CPU = firstField("/proc/cpuinfo", "model name")
	m.Memory = firstField("/proc/meminfo", "MemTotal")
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.TrimSpace(string(b))
	}
	m.Version = strings.TrimPrefix(firstLine(binary, "version"), "xcapa ")
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

// escapes are the colours that some programs write even into a pipe.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// firstLine is what a program says first, on standard output if it says
// anything there; "" when it is not there.
func firstLine(name string, args ...string) string {
	var out, words bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil && out.Len()+words.Len() == 0 {
		return ""
	}
	if out.Len() == 0 { // java
		out = words
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return strings.TrimSpace(escapes.ReplaceAllString(line, ""))
}

// softirqSeconds is how long some cores were in softirq so far, in seconds.
func softirqSeconds(cores []int) (sum float64) {
	b, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(b)) {
		w := strings.Fields(line)
		if len(w) < 8 {
			continue
		}
		number, ok := strings.CutPrefix(w[0], "cpu")
		if core, err := strconv.Atoi(number); ok && err == nil && slices.Contains(cores, core) {
			n, _ := strconv.ParseFloat(w[7], 64)
			sum += n / 100 // USER_HZ
		}
	}
	return sum
}
