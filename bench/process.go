package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/bench/peers"
	"xcapa/internal/measure"
)

// process is a child, pinned to one core.
type process struct {
	cmd    *exec.Cmd
	lines  chan string // standard output
	words  lockedBuffer
	done   chan struct{}
	err    error // valid after done
	killed bool
}

// lockedBuffer takes a child's standard error.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// spawner starts a command somewhere: in a namespace, or here.
type spawner func(*exec.Cmd) error

// startOn starts args as a child pinned to cpu. Two more threads than receive
// threads: the runtime needs them while the receiver is locked to its own.
func startOn(spawn spawner, cpu int, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(args[0], args[1:]...), lines: make(chan string, 1024), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), measure.GoOnOneCore)
	p.cmd.Stderr = &p.words
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// Not StdoutPipe: Wait would close it under the reader.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = w
	if err := measure.On(cpu, func() error { return spawn(p.cmd) }); err != nil {
		r.Close()
		w.Close()
		return nil, fmt.Errorf("start %s: %w", strings.Join(args, " "), err)
	}
	w.Close()
	goAhead(p.cmd.Process.Pid)
	go p.read(r)
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	return p, nil
}

// goAhead lets a session's processes go before all others of the machine: the
// scheduler shares cores among sessions, whatever the nice values within them.
// sched(7), the autogroup feature; where there is none, nothing is gained.
func goAhead(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte("-20"), 0)
}

// runTo runs cmd to its end, ahead of all others, on one core or on anyCore.
func runTo(core int, cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start := cmd.Start
	if core >= 0 {
		start = func() error { return measure.On(core, cmd.Start) }
	}
	if err := start(); err != nil {
		return err
	}
	goAhead(cmd.Process.Pid)
	return cmd.Wait()
}

// anyCore is runTo's word for all of them.
const anyCore = -1

func (p *process) read(r io.ReadCloser) {
	defer r.Close()
	defer close(p.lines)
	for s := bufio.NewScanner(r); s.Scan(); {
		p.lines <- s.Text()
	}
}

// line waits for the next line of standard output.
func (p *process) line(limit time.Duration) (string, error) {
	select {
	case l, ok := <-p.lines:
		if ok {
			return l, nil
		}
		<-p.done
		return "", p.ended()
	case <-time.After(limit):
		return "", fmt.Errorf("%s said nothing for %v\n%s", p.name(), limit, p.words.String())
	}
}

// result waits for the next line of a peer.
func (p *process) result(limit time.Duration) (r peers.Result, err error) {
	l, err := p.line(limit)
	if err == nil {
		err = json.Unmarshal([]byte(l), &r)
	}
	return r, err
}

// name is the command line, without the folder of the program: it goes into
// reports.
func (p *process) name() string {
	return strings.Join(append([]string{filepath.Base(p.cmd.Args[0])}, p.cmd.Args[1:]...), " ")
}

func (p *process) ended() error {
	return fmt.Errorf("%s ended: %v\n%s", p.name(), p.err, p.words.String())
}

func (p *process) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// wait waits for its end; exit 0 is wanted.
func (p *process) wait(limit time.Duration) error {
	select {
	case <-p.done:
		if p.err != nil {
			return p.ended()
		}
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%s did not end within %v\n%s", p.name(), limit, p.words.String())
	}
}

// kill ends the child and all it started.
func (p *process) kill() {
	if p == nil || p.killed {
		return
	}
	p.killed = true
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	<-p.done
}

// used is what the child used so far; nothing once it is gone.
func (p *process) used() measure.CPU {
	c, _ := measure.Used(p.cmd.Process.Pid)
	return c
}
