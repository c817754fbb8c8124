package afxdp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"xcapa/internal/host"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// childEnv names the interface that the test binary, started as a child, opens
// and holds until it is killed.
const childEnv = "XCAPA_AFXDP_CHILD"

func runChild() {
	d, err := Open(Config{Interface: os.Getenv(childEnv), TakeOver: true, StateDir: os.Getenv("XCAPA_AFXDP_STATE"), Mode: Mode(os.Getenv("XCAPA_AFXDP_MODE"))})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin) // until killed, or the parent died
	d.Close()
}

// startChild runs a child in the end's namespace and waits until it captures.
func startChild(t *testing.T, end *veth.End, mode Mode, stateDir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+end.Name, "XCAPA_AFXDP_STATE="+stateDir, "XCAPA_AFXDP_MODE="+string(mode))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := end.Start(cmd); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if line != "ready\n" {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("child says %q, %v", line, err)
	}
	return cmd
}

func hasProgramAt(t *testing.T, end *veth.End) bool {
	t.Helper()
	var has bool
	testnet.Do(t, end, func() error {
		l, err := netlink.LinkByIndex(end.Index)
		if err != nil {
			return err
		}
		has = host.HasProgram(l.Attrs())
		return nil
	})
	return has
}

// connect tries a TCP connection from a to the listener.
func connect(a *veth.End, to string, patience time.Duration) error {
	return a.Do(func() error {
		c, err := net.DialTimeout("tcp", to, patience)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// After SIGKILL no program is left, and the host's traffic flows within 1 s.
func TestKill(t *testing.T) {
	a, b := netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("192.0.2.2/24")
	for _, mode := range []Mode{ModeNative, ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			pair := testnet.Pair(t, veth.Options{Addresses: [2][]netip.Prefix{{a}, {b}}})
			var l net.Listener
			testnet.Do(t, pair.Ends[1], func() (err error) {
				l, err = net.Listen("tcp", netip.AddrPortFrom(b.Addr(), 0).String())
				return err
			})
			defer l.Close()
			if err := connect(pair.Ends[0], l.Addr().String(), time.Second); err != nil {
				t.Fatalf("before: %v", err)
			}
			stateDir := t.TempDir()
			child := startChild(t, pair.Ends[0], mode, stateDir)
			attached := hasProgramAt(t, pair.Ends[0])
			taken := connect(pair.Ends[0], l.Addr().String(), 300*time.Millisecond)
			child.Process.Kill()
			killed := time.Now()
			child.Wait()
			if !attached || taken == nil {
				t.Errorf("while captured: program there %v (want true), connect %v (want a timeout)", attached, taken)
			}
			err := connect(pair.Ends[0], l.Addr().String(), time.Second)
			if took := time.Since(killed); err != nil || took > time.Second {
				t.Errorf("after SIGKILL: connect took %v: %v", took, err)
			}
			if hasProgramAt(t, pair.Ends[0]) {
				t.Error("after SIGKILL the program is still attached")
			}
		})
	}
}
