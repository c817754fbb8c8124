package cli

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// The capabilities of the unit in docs are enough for a capture that keeps a
// port and cuts behind headers, for a user who has nothing else; and none of
// them can be left out.
func TestUnitCapabilities(t *testing.T) {
	testnet.RequireRoot(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("setpriv is not installed")
	}
	unit, err := os.ReadFile("../../docs/systemd/xcapa-capture@.service")
	if err != nil {
		t.Fatal(err)
	}
	ambient, bounding := unitCapabilities(string(unit), "AmbientCapabilities="), unitCapabilities(string(unit), "CapabilityBoundingSet=")
	if len(ambient) == 0 || !slices.Equal(ambient, bounding) {
		t.Fatalf("got the capabilities %v, bounded by %v; want the same, and some", ambient, bounding)
	}
	path, err := exec.LookPath("xcapa")
	if err != nil {
		t.Fatal(err)
	}
	program := openCopy(t, path)
	pair := testnet.Pair(t, veth.Options{})
	run := func(capabilities []string) (code int, words string) {
		list := ""
		for _, c := range capabilities {
			list += ",+" + c
		}
		cmd := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
			"--bounding-set=-all"+list, "--inh-caps=-all"+list, "--ambient-caps=-all"+list,
			// The limit of locked memory is the unit's to lift, not ours: few frames.
			program, "capture", "-q", "-i", pair.Ends[0].Name, "--frames", "256", "--rings", "256", "-c", "3", "--headers-only", "--keep", "22")
		var out, err bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &err
		if e := pair.Ends[0].Start(cmd); e != nil {
			t.Fatal(e)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = cmd.Wait()
		}()
		for deadline := time.Now().Add(20 * time.Second); ; {
			testnet.Send(t, pair.Ends[1], testnet.Numbered(1, 100, 0))
			select {
			case <-done:
				if lines := strings.Count(out.String(), "\n"); cmd.ProcessState.Success() && lines != 3 {
					t.Errorf("with %v: got %d lines, want 3: %s", capabilities, lines, out.String())
				}
				return cmd.ProcessState.ExitCode(), err.String()
			case <-time.After(20 * time.Millisecond):
				if time.Now().After(deadline) {
					_ = cmd.Process.Kill()
					<-done
					t.Fatalf("with %v: no end\n%s", capabilities, err.String())
				}
			}
		}
	}
	if code, words := run(ambient); code != exitOK {
		t.Fatalf("with %v: exit %d\n%s", ambient, code, words)
	}
	for i, c := range ambient {
		code, words := run(slices.Delete(slices.Clone(ambient), i, i+1))
		if want := "CAP_" + strings.ToUpper(c); code != exitPrivilege || !strings.Contains(words, want) {
			t.Errorf("without %s: exit %d, want %d with %s named\n%s", c, code, exitPrivilege, want, words)
		}
	}
}

// unitCapabilities are the capabilities of one setting of a unit, as setpriv
// spells them.
func unitCapabilities(unit, setting string) []string {
	for line := range strings.Lines(unit) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), setting); ok {
			words := strings.Fields(strings.ToLower(list))
			for i := range words {
				words[i] = strings.TrimPrefix(words[i], "cap_")
			}
			return words
		}
	}
	return nil
}
