package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xcapa/internal/testnet"
)

func TestDemo(t *testing.T) {
	testnet.RequireRoot(t)
	temp := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), patience(40*time.Second))
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("got %v, want exit 0:\n%s", err, out)
	}
	text := string(out)
	if !strings.Contains(text, "balanced: in = out") || strings.Contains(text, "NOT BALANCED") {
		t.Errorf("the demo did not say that it balanced:\n%s", out)
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("the demo left %s behind", e.Name())
	}
	exes, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, exe := range exes {
		if to, err := os.Readlink(exe); err == nil && to == binary {
			t.Errorf("the demo left a process behind: %s", exe)
		}
	}
}
