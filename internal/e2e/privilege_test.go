package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// TestLoopsTakePerfmon: the verifier wants CAP_PERFMON of a program that walks the
// headers, to keep traffic or to cut. Without it the capability is named, not the verifier's
// trouble; what does neither needs none.
func TestLoopsTakePerfmon(t *testing.T) {
	testnet.RequireRoot(t)
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("no setpriv (util-linux) to drop capabilities with; an emulated kernel has none: kernel feature not looked at")
	}
	const missing = "this process lacks CAP_PERFMON: AF_XDP with --keep or --headers-only takes it: sudo setcap "
	for _, tt := range []struct {
		flags  string
		refuse bool
	}{{"--headers-only", true}, {"--keep=arp,22", true}, {"--keep=arp,nd", true}, {"--snaplen=64", false}} {
		pair := testnet.Pair(t, veth.Options{})
		cmd := exec.Command(setpriv, "--bounding-set=-all,+net_admin,+net_raw,+bpf,+ipc_lock", "--inh-caps=-all",
			binary, "capture", "-i", pair.Ends[1].Name, tt.flags, "-c", "1")
		var words syncBuffer
		cmd.Stdout, cmd.Stderr = &words, &words
		if err := pair.Ends[1].Start(cmd); err != nil {
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
		if tt.refuse != strings.Contains(words.String(), missing) || tt.refuse != (code == 4) || !tt.refuse && code != 0 {
			t.Errorf("%s: exit status %d, refused %v wanted:\n%s", tt.flags, code, tt.refuse, words.String())
		}
	}
}
