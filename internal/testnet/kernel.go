package testnet

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// KernelBefore reports whether this kernel is older than Linux major.minor.
func KernelBefore(t testing.TB, major, minor int) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var a, b int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); err != nil {
		t.Fatalf("kernel release %q: %v", u.Release, err)
	}
	return a < major || a == major && b < minor
}

// RequireParts skips the test before Linux 6.6, where AF_XDP knows no frames of
// several parts.
func RequireParts(t testing.TB) {
	t.Helper()
	if KernelBefore(t, 6, 6) {
		t.Skip("kernel feature missing: AF_XDP frames of several parts (Linux 6.6)")
	}
}
