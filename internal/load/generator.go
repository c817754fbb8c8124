package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/bpf"
)

// Generator sends frames out of one interface. It is used by one goroutine.
type Generator struct {
	program  *bpf.Generator
	template *template
}

// Open loads a generator for an interface in the calling thread's network
// namespace. Run must be called in the same namespace.
func Open(name string, c Config) (*Generator, error) {
	t, err := newTemplate(c)
	if err != nil {
		return nil, fmt.Errorf("generate load: %w", err)
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("generate load on %s: %w", name, err)
	}
	if !c.Alone {
		t.settings.Interface = ifi.Index
	}
	program, err := bpf.LoadGenerator(t.settings)
	if err != nil {
		return nil, err
	}
	return &Generator{program, t}, nil
}

// fastest is more frames a second than any core makes: no run takes more turns
// than that, so that one which nobody ends does so by itself.
const fastest = 100e6

// Run sends for d, or until ctx ends, and returns how many frames it sent and
// how long that took from the first one on. On a core that others keep for all of
// d there is no such time, and no rate: that is an error.
func (g *Generator) Run(ctx context.Context, d time.Duration) (frames uint64, took time.Duration, err error) {
	asker := ctx
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := g.program.Sent()
	if err == nil {
		err = g.program.Begin()
	}
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	asked, ended := make(chan uint64, 1), make(chan struct{})
	go interrupt(ctx, unix.Gettid(), asked, ended)
	err = g.send(ctx, time.Now().Add(d))
	close(ended)
	end := <-asked
	after, err2 := g.program.Sent()
	first, err3 := g.program.First()
	if first > 0 && end > first {
		took = time.Duration(end - first)
	}
	if err = errors.Join(err, err2, err3); err == nil && took == 0 && asker.Err() == nil {
		err = fmt.Errorf("send live frames: none went out in the %v there were, the core is busy with something else: try again when it is not", d)
	}
	return after - before, took, err
}

// send keeps the program running until ctx ends: a signal that was not meant
// for it may end a call early.
func (g *Generator) send(ctx context.Context, end time.Time) error {
	for ctx.Err() == nil {
		repeat := min(max(fastest*time.Until(end).Seconds(), 1), math.MaxUint32)
		if err := g.program.Run(g.template.frame, uint32(repeat)); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("send live frames: %w", err)
		}
	}
	return nil
}

// interrupt ends the call under way in thread once ctx is over, and says when
// that was, in ns of CLOCK_MONOTONIC. The kernel looks for signals between
// batches; SIGURG is the runtime's own, which it ignores when it comes from
// outside. It is sent again until the thread is back: it may come between calls.
func interrupt(ctx context.Context, thread int, asked chan<- uint64, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
	}
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	asked <- uint64(now.Nano())
	for {
		select {
		case <-ended:
			return
		default:
		}
		_ = unix.Tgkill(unix.Getpid(), thread, unix.SIGURG)
		time.Sleep(time.Millisecond)
	}
}

// Close unloads the generator.
func (g *Generator) Close() { g.program.Close() }
