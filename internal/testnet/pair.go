package testnet

import (
	"os"
	"testing"

	"xcapa/internal/veth"
)

// RootEnv set to 1 says that the run has root: tests that need it then fail
// instead of skipping.
const RootEnv = "XCAPA_TEST_ROOT"

// Emulated says that this machine is an emulator (internal/kernels): it computes
// right and slowly, and its clock is no clock to measure with.
var Emulated = os.Getenv("XCAPA_TEST_EMULATED") == "1"

// RequireRoot skips the test without root, or fails it if RootEnv is 1.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv(RootEnv) == "1" {
		t.Fatalf("%s=1, but this process is not root", RootEnv)
	}
	t.Skip("network namespaces and AF_XDP take root")
}

// Pair is a veth pair that lives as long as the test.
func Pair(t testing.TB, options veth.Options) *veth.Pair {
	t.Helper()
	RequireRoot(t)
	pair, err := veth.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pair.Close(); err != nil {
			t.Errorf("close veth pair: %v", err)
		}
	})
	return pair
}

// Do runs fn inside the namespace of end and fails the test on its error.
func Do(t testing.TB, end *veth.End, fn func() error) {
	t.Helper()
	if err := end.Do(fn); err != nil {
		t.Fatal(err)
	}
}
