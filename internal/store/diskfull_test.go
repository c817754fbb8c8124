package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xcapa/internal/record"
)

// A real full disk: a tmpfs of 1 MiB in a mount namespace of its own.
func TestFullDiskWaitsAndLosesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("XCAPA_TEST_ROOT") == "1" {
			t.Fatal("not root")
		}
		t.Skip("mounting a tmpfs needs root")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=diskfull", "STORE_DIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	settles
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// fillDisk runs in the child.
func fillDisk(dir string) error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := fill(ballast); err != nil {
		return err
	}

	var log lockedBuffer
	s, err := New(dir, Options{WindowBytes: int64(2000 * rowWidth), retryMax: 50 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Assigned("t", 0, 0); err != nil {
		return err
	}
	const last = 2999
	ctx := context.Background()
	wrote := make(chan error, 1)
	go func() {
		for o := range int64(last + 1) {
			if err := s.Write(ctx, testMessage("t", 0, o), plainRows(0, o), func() { log.add(o) }); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	if err := waitFor("Write waits", func() bool { return s.Room().Counts["retries"] > 3 }); err != nil {
		return fmt.Errorf("%w: %s", err, log.String())
	}
	select {
	case err := <-wrote:
		return fmt.Errorf("Write went on with the disk full: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if n := len(log.all()); n != 0 {
		return fmt.Errorf("%d messages settled with the disk full", n)
	}
	if text := log.String(); strings.Count(text, "cannot store") > 2 || !strings.Contains(text, "make room") || !strings.Contains(text, "no space left") {
		return fmt.Errorf("the log should say once per window what is wrong and what to do: %s", text)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, incomingDir, "*.parquet*")); len(left) > 2 {
		return fmt.Errorf("unfinished files fill the disk: %v", left)
	}

	if err := os.Remove(ballast); err != nil {
		return err
	}
	if err := <-wrote; err != nil {
		return err
	}
	if err := s.Flush(ctx); err != nil {
		return err
	}
	if n := len(log.all()); n != last+1 {
		return fmt.Errorf("%d messages settled, want %d", n, last+1)
	}
	d, err := Open(dir)
	if err != nil {
		return err
	}
	ids, err := d.Distinct(ctx, Query{}, record.NameID)
	if err != nil {
		return err
	}
	if n, err := d.Count(ctx, Query{}); err != nil || n != rowsOf(0, last) || ids != n {
		return fmt.Errorf("%d rows, %d ids, %v; want %d", n, ids, err, rowsOf(0, last))
	}
	return nil
}

// fill writes until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, unix.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func waitFor(what string, ok func() bool) error {
	for range 500 {
		if ok() {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("waited 5 s for: %s", what)
}
