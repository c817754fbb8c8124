package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/host"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// TestCPUs wants every thread of a capture on the CPU that it was given, the
// workers' and the Kafka client's too.
func TestCPUs(t *testing.T) {
	testnet.RequireRoot(t)
	allowed, err := host.AllowedCPUs()
	if err != nil {
		t.Fatal(err)
	}
	one := allowed[len(allowed)-1:]
	pair := testnet.Pair(t, veth.Options{})
	addr := startBroker(t, pair.Ends[1], "1")
	capture := startCapture(t, pair.Ends[1], addr, "--cpus", one.String())
	capture.says(t, "on "+one.Words()+", by --cpus")
	testnet.Send(t, pair.Ends[0], testnet.Numbered(1, 100, 0))
	await(t, 10e9, "the record is in Kafka", func() bool {
		l := capture.books()
		return l.Rooms[len(l.Rooms)-1].Out == 1
	})
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", capture.cmd.Process.Pid))
	if err != nil || len(files) < 3 {
		t.Fatalf("the capture has %d threads, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err == nil && !strings.Contains(string(b), "\nCpus_allowed_list:\t"+one.String()+"\n") {
			t.Errorf("%s: it may run elsewhere than on %s", file, one.Words())
		}
	}
	capture.stop(t)
	capture.final(t)
}
