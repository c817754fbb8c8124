package cli

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// A reader that goes away ends a live capture cleanly: status 0 and books that
// balance, be it lines or a capture file on standard output.
func TestPipeCloses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		read int // bytes, then the reader goes
	}{
		{"lines", []string{"-l"}, 20},
		{"lines_ten_times_a_second", nil, 20},
		{"file", []string{"-w", "-"}, 24},
		{"file_pcap", []string{"-w", "-", "-F", "pcap"}, 24},
		{"afpacket", []string{"--engine", "afpacket", "-w", "-"}, 24},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{})
			cmd := exec.Command("xcapa", append([]string{"capture", "-i", pair.Ends[0].Name, "--rings", "1024", "--frames", "2048"}, tt.args...)...)
			var words bytes.Buffer
			cmd.Stderr = &words
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := pair.Ends[0].Start(cmd); err != nil {
				t.Fatal(err)
			}
			read := make(chan error, 1)
			go func() {
				_, err := io.ReadFull(stdout, make([]byte, tt.read))
				stdout.Close()
				read <- err
			}()
			ended := make(chan error, 1)
			go func() {
				if err := <-read; err != nil {
					t.Errorf("read standard output: %v", err)
				}
				ended <- cmd.Wait()
			}()
			for deadline := time.Now().Add(30 * time.Second); ; {
				testnet.Send(t, pair.Ends[1], testnet.Numbered(1, 200, 0))
				select {
				case err := <-ended:
					if err != nil || !strings.Contains(words.String(), "balanced: in = out") {
						t.Errorf("the capture ended with %v\n%s", err, words.String())
					}
					return
				case <-time.After(10 * time.Millisecond):
				}
				if time.Now().After(deadline) {
					_ = cmd.Process.Kill()
					t.Fatalf("the capture goes on after its reader has gone\n%s", words.String())
				}
			}
		})
	}
}
