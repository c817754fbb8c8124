package e2e

import (
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// startWith starts cmd inside end with no other capabilities than keep. They are
// a thread's: this one ends with it.
func startWith(end *veth.End, cmd *exec.Cmd, keep ...int) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		result <- end.Do(func() error {
			for c := 0; c <= unix.CAP_LAST_CAP; c++ {
				if slices.Contains(keep, c) {
					continue
				}
				err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
				if err != nil && err != unix.EINVAL { // EINVAL: this kernel does not have it
					return err
				}
			}
			return cmd.Start()
		})
	}()
	return <-result
}

// TestLoopsTakePerfmon: the verifier wants CAP_PERFMON of a program that walks the
// headers, to keep traffic or to cut. Without it the capability is named, not the verifier's
// trouble; what does neither needs none.
func TestLoopsTakePerfmon(t *testing.T) {
	testnet.RequireRoot(t)
	const missing = "this process lacks CAP_PERFMON: AF_XDP with --keep or --headers-only takes it: sudo setcap "
	for _, tt := range []struct {
		flags  string
		refuse bool
	}{{"--headers-only", true}, {"--keep=arp,22", true}, {"--keep=arp,nd", true}, {"--snaplen=64", false}} {
		pair := testnet.Pair(t, veth.Options{})
		cmd := exec.Command(binary, "capture", "-i", pair.Ends[1].Name, tt.flags, "-c", "1")
		var words syncBuffer
		cmd.Stdout, cmd.Stderr = &words, &words
		if err := startWith(pair.Ends[1], cmd, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_BPF, unix.CAP_IPC_LOCK); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		await(t, 10e9, "the capture "+tt.flags+" has begun or ended", func() bool {
			testnet.Send(t, pair.Ends[0], testnet.Numbered(1, 100, 0)) // ends it
			select {
			case <-done:
				return true
			default:
				return false
			}
		})
		code := cmd.ProcessState.ExitCode()
		// Older verifiers (6.1, 6.12) want it for any cut; the error says so too.
		if testnet.Emulated && !tt.refuse && code == 4 && strings.Contains(words.String(), "run as root or with CAP_PERFMON too") {
			t.Logf("%s: this kernel's verifier wants CAP_PERFMON for it", tt.flags)
			continue
		}
		if tt.refuse != strings.Contains(words.String(), missing) || tt.refuse != (code == 4) || !tt.refuse && code != 0 {
			t.Errorf("%s: exit status %d, refused %v wanted:\n%s", tt.flags, code, tt.refuse, words.String())
		}
	}
}
