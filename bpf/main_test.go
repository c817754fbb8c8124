package bpf

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestMain fails when a program, map or link outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	runtime.GC()
	if left := kernelObjects(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "left open: %s\n", strings.Join(left, ", "))
		code = 1
	}
	os.Exit(code)
}

// kernelObjects lists the open descriptors that hold BPF objects or sockets.
func kernelObjects() []string {
	var found []string
	descriptors, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range descriptors {
		target, err := os.Readlink(fd)
		if err == nil && (strings.Contains(target, "bpf") || strings.HasPrefix(target, "socket:")) {
			found = append(found, target)
		}
	}
	return found
}

// needRoot skips a test without root, and fails it where the run says that it
// has root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("XCAPA_TEST_ROOT") == "1" {
		t.Fatal("XCAPA_TEST_ROOT=1, but not root")
	}
	t.Skip("needs root")
}
