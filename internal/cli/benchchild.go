package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"xcapa/bpf"
	"xcapa/internal/measure"
	"xcapa/internal/veth"
)

// spawnOn starts children inside end, on one core.
func (b *benchRun) spawnOn(core int, end *veth.End) func(*exec.Cmd) error {
	return func(cmd *exec.Cmd) error {
		cmd.Env = append(cmd.Env, measure.GoOnOneCore)
		return measure.On(core, func() error { return end.Start(cmd) })
	}
}

// generate runs `bench generate` at the wire's first end.
func (b *benchRun) generate(ctx context.Context, pair *veth.Pair, rate float64) (g generated, err error) {
	args := []string{"bench", "generate", "--config=", "-i", benchInterfaces[0], "--for", b.options.length.String(),
		"--flows", strconv.Itoa(b.options.flows), "--sizes", strconv.Itoa(b.options.size)}
	if b.options.imix {
		args = append(args, "--imix")
	}
	if rate > 0 {
		args = append(args, "--rate", strconv.FormatFloat(rate, 'f', 0, 64))
	}
	var out, words bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = "xcapa"
	cmd.Env = os.Environ()
	cmd.Stdout, cmd.Stderr = &out, &words
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.spawnOn(b.place.Kernel, pair.Ends[0])(cmd); err != nil {
		return g, fmt.Errorf("start the generator: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return g, ctx.Err()
		}
		return g, fmt.Errorf("the generator ended: %w: %s", err, lastLine(words.String()))
	}
	if err := json.Unmarshal(out.Bytes(), &g); err != nil || g.Frames == 0 {
		return g, fmt.Errorf("the generator said %q (%w)", out.String(), err)
	}
	return g, nil
}

// awaitRest waits until nothing moves in the capture's books any more, and says
// when that began.
func (b *benchRun) awaitRest(ctx context.Context, capture *stage) (time.Time, error) {
	var in, out uint64
	since := time.Now()
	for deadline := since.Add(15 * time.Second); time.Now().Before(deadline); {
		if l := capture.ledger(); l != nil && len(l.Rooms) > 0 {
			first, last := l.Rooms[0].In, l.Rooms[len(l.Rooms)-1].Out
			if first != in || last != out {
				in, out, since = first, last, l.Time
			}
		}
		// Two of its readings, and the linger of an open block.
		if time.Since(since) > 600*time.Millisecond {
			return since, nil
		}
		select {
		case <-capture.done:
			return since, fmt.Errorf("%w", capture.failure())
		case <-ctx.Done():
			return since, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return since, fmt.Errorf("the capture does not come to rest")
}

// stampOf is what --stamp makes the program write.
func stampOf(flag string) bpf.Stamp {
	if flag == "batch" {
		return bpf.StampNone
	}
	return bpf.StampClock
}
