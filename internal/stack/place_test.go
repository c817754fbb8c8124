//go:build stack

package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// place is where servers and stages run: a network namespace with an interface
// to capture, or (not root) the host's own.
type place struct {
	wire   *veth.Pair // nil: none
	source string     // interface or file the packets come from
	http   *http.Client
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{}
	if os.Getuid() == 0 {
		p.wire = testnet.Pair(t, veth.Options{})
		testnet.Do(t, p.near(), func() error {
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			return netlink.LinkSetUp(lo)
		})
	}
	transport := &http.Transport{DialContext: p.dial}
	t.Cleanup(transport.CloseIdleConnections)
	p.http = &http.Client{Transport: transport, Timeout: time.Minute}
	return p
}

// near is the end that is captured, far the one that sends.
func (p *place) near() *veth.End { return p.wire.Ends[0] }
func (p *place) far() *veth.End  { return p.wire.Ends[1] }

func (p *place) dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	var d net.Dialer
	if p.wire == nil {
		return d.DialContext(ctx, network, addr)
	}
	err = p.near().Do(func() error {
		c, err = d.DialContext(ctx, network, addr)
		return err
	})
	return c, err
}

func (p *place) run(cmd *exec.Cmd) error {
	if p.wire == nil {
		return cmd.Start()
	}
	return p.near().Start(cmd)
}

// server starts a server with its script and returns the variables it prints.
// It is stopped, and its data removed, with the test.
func (p *place) server(t *testing.T, script string, args ...string) map[string]string {
	t.Helper()
	name := fmt.Sprint(namePrefix, os.Getpid())
	run := func(verb, name string, args ...string) ([]byte, error) {
		cmd := exec.Command("./"+script, append([]string{verb, "--name", name}, args...)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := p.run(cmd)
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w: %s", script, verb, err, errs.Bytes())
		}
		return out.Bytes(), nil
	}
	t.Cleanup(func() {
		if _, err := run("wipe", name); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	out, err := run("start", name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s start: %s", script, time.Since(began).Round(100*time.Millisecond))
	env := map[string]string{}
	for _, word := range strings.Fields(string(out)) {
		if k, v, ok := strings.Cut(word, "="); ok {
			env[k] = v
		}
	}
	for _, dead := range leftOver(env) {
		t.Logf("remove what an interrupted run left: %s %s", script, dead)
		if _, err := run("wipe", dead); err != nil {
			t.Error(err)
		}
	}
	return env
}

// namePrefix is the name of a server of ours, up to the pid of its test.
const namePrefix = "stack-"

// leftOver are the names of servers beside the one described by env whose test
// is not there any more: it was killed, or ran into its timeout.
func leftOver(env map[string]string) (names []string) {
	for key, dir := range env {
		if !strings.HasSuffix(key, "_DIR") {
			continue
		}
		server, _, _ := strings.Cut(filepath.Base(dir), "-"+namePrefix)
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), server+"-"+namePrefix+"*"))
		for _, f := range found {
			pid := strings.TrimPrefix(filepath.Base(f), server+"-"+namePrefix)
			if _, err := os.Stat("/proc/" + pid); errors.Is(err, fs.ErrNotExist) {
				names = append(names, namePrefix+pid)
			}
		}
	}
	return names
}

// stage is a running xcapa command.
type stage struct {
	name  string
	cmd   *exec.Cmd
	stats string
	errs  *bytes.Buffer
	done  chan error
}

// builtBinary is the xcapa under test.
func builtBinary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("XCAPA_BIN")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "xcapa")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make build`, or name the binary with XCAPA_BIN", err)
	}
	return path
}

// xcapa starts a command that writes its ledger twice a second.
func (p *place) xcapa(t *testing.T, name string, args ...string) *stage {
	t.Helper()
	s := &stage{name: name, stats: filepath.Join(t.TempDir(), "stats"), errs: &bytes.Buffer{}, done: make(chan error, 1)}
	s.cmd = exec.Command(builtBinary(t), append([]string{name, "--stats-file", s.stats, "--stats-interval", "500ms"}, args...)...)
	s.cmd.Stderr = s.errs
	s.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	if err := p.run(s.cmd); err != nil {
		t.Fatalf("start xcapa %s: %v", name, err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // no-op once it has ended
	})
	return s
}

// await waits until the command's ledger satisfies ok.
func (s *stage) await(t *testing.T, what string, limit time.Duration, ok func(l *ledger.Ledger) bool) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		l, err := ledger.ReadLast(s.stats)
		if err == nil && ok(l) {
			return
		}
		select {
		case err := <-s.done:
			s.done <- err
			t.Fatalf("xcapa %s ended while waiting for %s: %v\n%s", s.name, what, err, s.errs)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("xcapa %s: waited %s for %s; ledger %+v\n%s", s.name, limit, what, l, s.errs)
		}
	}
}

// end stops the command with SIGTERM and returns its last ledger, which must
// be final and balanced.
func (s *stage) end(t *testing.T) *ledger.Ledger {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	return s.wait(t)
}

// wait waits for the command to end by itself.
func (s *stage) wait(t *testing.T) *ledger.Ledger {
	t.Helper()
	select {
	case err := <-s.done:
		if err != nil {
			t.Fatalf("xcapa %s: %v\n%s", s.name, err, s.errs)
		}
	case <-time.After(time.Minute):
		t.Fatalf("xcapa %s did not end within a minute of SIGTERM\n%s", s.name, s.errs)
	}
	l, err := ledger.ReadLast(s.stats)
	if err != nil {
		t.Fatal(err)
	}
	if !l.Final || !l.Balanced {
		t.Fatalf("last ledger of xcapa %s is not final and balanced: %+v: %v", s.name, l, l.Imbalances())
	}
	return l
}

// room is a room of a ledger by name.
func room(l *ledger.Ledger, name string) ledger.Room {
	for _, r := range l.Rooms {
		if r.Room == name {
			return r
		}
	}
	return ledger.Room{}
}
