package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

// supervisor runs the stages of one machine as processes of their own: broker,
// capture, indexer. They are children of one thread that lives as long as the
// supervisor, so the kernel ends them if it dies in any way.
type supervisor struct {
	streams *streams
	dir     string // temporary: port file, stats files; removed by close
	spawn   func(*exec.Cmd) error
	failed  chan *stage // a stage that ended without being asked to
	threads chan func()
	before  *ledger.Ledger // what was sent into the run, by demo; nil: unknown
	report  *reporter      // of the stages together

	interval time.Duration // --batch-interval of the stages

	mu     sync.Mutex
	stages []*stage
}

// stage is one child process.
type stage struct {
	name     string
	cmd      *exec.Cmd
	started  time.Time
	status   string   // its status file; "": it keeps none
	place    int      // packets pass the stages in this order
	env      []string // NAME=VALUE beside our own environment
	asked    bool     // it was told to end
	done     chan struct{}
	err      error // valid after done
	complain *tailBuffer
	mu       sync.Mutex
}

// newSupervisor makes the supervisor's folder. spawn starts a command, nil: in
// this process's own network namespace.
func newSupervisor(s *streams, spawn func(*exec.Cmd) error) (*supervisor, error) {
	dir, err := os.MkdirTemp("", "xcapa-run-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the run: %w", err)
	}
	if spawn == nil {
		spawn = (*exec.Cmd).Start
	}
	v := &supervisor{streams: s, dir: dir, spawn: spawn, failed: make(chan *stage, 8), threads: make(chan func())}
	go func() {
		// Pdeathsig is sent when the *thread* that forked dies, so one thread
		// forks all children and stays.
		runtime.LockOSThread()
		for f := range v.threads {
			f()
		}
	}()
	return v, nil
}

// openReport makes the books of all stages together, and the page.
func (v *supervisor) openReport(command string, f *reportFlags) error {
	f.stages = v.statuses
	v.interval = f.page.interval
	var err error
	v.report, err = newReporter(v.streams, f, command, true, v.rooms)
	return err
}

// startStage is start for a command that keeps books: the supervisor reads its
// status file, and the page shows it. place is where packets pass it.
func (v *supervisor) startStage(name string, place int, args ...string) (*stage, error) {
	return v.startWith(name, place, nil, args...)
}

// startWith is startStage with something in the environment that must not stand
// on a command line.
func (v *supervisor) startWith(name string, place int, env []string, args ...string) (*stage, error) {
	file := filepath.Join(v.dir, name+".status")
	args = append(args, "--page", pageOff, "--stage", name, "--status-file", file, "--stats-file", "", "--stats-interval", "200ms",
		"--batch-interval", v.interval.String())
	return v.launch(&stage{name: name, status: file, place: place, env: env}, args)
}

// start runs `xcapa args...` as a child. Its words for people come behind its
// name on our standard error.
func (v *supervisor) start(name string, args ...string) (*stage, error) {
	return v.launch(&stage{name: name}, args)
}

func (v *supervisor) launch(st *stage, args []string) (*stage, error) {
	st.done, st.complain = make(chan struct{}), &tailBuffer{limit: 4 << 10}
	// What the configuration file says came to us as flags, and goes on as such.
	cmd := exec.Command("/proc/self/exe", append(args, "--config=")...)
	cmd.Args[0] = "xcapa" // what ps shows
	cmd.Env = append(os.Environ(), st.env...)
	cmd.Stdout = v.streams.err // children have no data of their own to give
	cmd.Stderr = io.MultiWriter(st.complain, &prefixWriter{prefix: st.name + ": ", to: v.streams.err})
	// A group of its own: Ctrl-C reaches the supervisor alone, which ends the
	// stages in the order in which packets pass them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	st.cmd = cmd
	started := make(chan error)
	v.threads <- func() { started <- v.spawn(cmd) }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", st.name, err)
	}
	st.started = time.Now()
	v.mu.Lock()
	v.stages = append(v.stages, st)
	v.mu.Unlock()
	go func() {
		st.err = cmd.Wait()
		close(st.done)
		st.mu.Lock()
		asked := st.asked
		st.mu.Unlock()
		if !asked {
			v.failed <- st
		}
	}()
	return st, nil
}

// ask tells the stage to end in good order.
func (st *stage) ask() {
	st.expectEnd()
	_ = st.cmd.Process.Signal(syscall.SIGTERM)
}

// expectEnd says that the stage will end by itself.
func (st *stage) expectEnd() {
	st.mu.Lock()
	st.asked = true
	st.mu.Unlock()
}

// wait waits for the stage's end, and kills it when limit is over.
func (st *stage) wait(limit time.Duration) error {
	select {
	case <-st.done:
	case <-time.After(limit):
		_ = st.cmd.Process.Kill()
		<-st.done
		return fmt.Errorf("%s did not end within %v and was killed", st.name, limit)
	}
	return st.failure()
}

// failure is how the stage ended, in words; nil for exit 0.
func (st *stage) failure() error {
	if st.err == nil {
		return nil
	}
	err := fmt.Errorf("%s ended: %w", st.name, st.err)
	if words := strings.TrimSpace(st.complain.String()); words != "" {
		err = fmt.Errorf("%w: %s", err, lastLine(words))
	}
	var ee *exec.ExitError
	if errors.As(st.err, &ee) && ee.ExitCode() > 0 {
		return withCode(ee.ExitCode(), err)
	}
	return err
}

// ledger is the last one the stage wrote; nil while there is none.
func (st *stage) ledger() *ledger.Ledger {
	now, err := status.ReadFile(st.status)
	if err != nil {
		return nil
	}
	return now.Ledger
}

// statuses are what the stages say of themselves, for the page. One that has
// not said anything yet is starting.
func (v *supervisor) statuses() []status.Status {
	var out []status.Status
	for _, st := range v.inOrder() {
		now, err := status.ReadFile(st.status)
		if err != nil {
			now = &status.Status{Stage: st.name, Version: version, PID: st.cmd.Process.Pid, Started: st.started, Time: time.Now()}
		}
		select {
		case <-st.done:
			if now.EndedWith = "in good order"; st.err != nil {
				now.EndedWith = st.failure().Error()
			}
		default:
		}
		out = append(out, *now)
	}
	return out
}

// inOrder are the stages that keep books, as packets pass them.
func (v *supervisor) inOrder() []*stage {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []*stage
	for _, st := range v.stages {
		if st.status != "" {
			out = append(out, st)
		}
	}
	slices.SortStableFunc(out, func(a, b *stage) int { return a.place - b.place })
	return out
}

// rooms are those of all stages, in the order in which packets pass them.
func (v *supervisor) rooms() []ledger.Room {
	var out []ledger.Room
	if v.before != nil {
		out = append(out, v.before.Rooms...)
	}
	for _, st := range v.inOrder() {
		if l := st.ledger(); l != nil {
			out = append(out, l.Rooms...)
		}
	}
	return out
}

// untilEnd waits until ctx ends or the time is over (nil; 0: no limit), or a stage
// ends by itself (why).
func (v *supervisor) untilEnd(ctx context.Context, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	select {
	case <-ctx.Done():
		return nil
	case failed := <-v.failed:
		return cmp.Or(failed.failure(), fmt.Errorf("%s ended by itself", failed.name))
	}
}

// close ends what still runs and removes the folder.
func (v *supervisor) close() {
	for i := len(v.stages) - 1; i >= 0; i-- {
		st := v.stages[i]
		select {
		case <-st.done:
		default:
			st.ask()
			_ = st.wait(5 * time.Second)
		}
	}
	close(v.threads)
	_ = os.RemoveAll(v.dir)
}

// waitForFile waits until path exists and returns what it holds; it gives up
// when ctx ends or a stage fails.
func (v *supervisor) waitForFile(ctx context.Context, path string) (string, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(b)), nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case st := <-v.failed:
			return "", errors.Join(st.failure(), fmt.Errorf("%s ended before it was ready", st.name))
		case <-tick.C:
		}
	}
}

// prefixWriter writes whole lines behind a prefix.
type prefixWriter struct {
	prefix string
	to     io.Writer
	part   []byte
}

func (w *prefixWriter) Write(b []byte) (int, error) {
	w.part = append(w.part, b...)
	for {
		i := bytes.IndexByte(w.part, '\n')
		if i < 0 {
			return len(b), nil
		}
		if _, err := fmt.Fprintf(w.to, "%s%s\n", w.prefix, w.part[:i]); err != nil {
			return len(b), err
		}
		w.part = w.part[i+1:]
	}
}

// tailBuffer keeps the last bytes written to it.
type tailBuffer struct {
	mu    sync.Mutex
	limit int
	buf   []byte
}

func (t *tailBuffer) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - t.limit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

func lastLine(s string) string {
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		return s[i+1:]
	}
	return s
}
