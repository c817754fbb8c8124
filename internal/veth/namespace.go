package veth

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace without a name, held by a descriptor.
type namespace struct {
	file *os.File
}

// threadNamespace is the namespace of the calling thread; /proc/self would be
// the main thread's.
func threadNamespace() (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
}

// newNamespace makes an empty namespace; the calling thread stays where it is.
func newNamespace() (*namespace, error) {
	var ns namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w (it takes root, or CAP_SYS_ADMIN)", err)
		}
		var err error
		ns.file, err = threadNamespace()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ns, nil
}

// do runs fn on a thread that is inside the namespace.
func (ns *namespace) do(fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return fn()
	})
}

func (ns *namespace) close() error { return ns.file.Close() }

// onThread runs fn on a locked thread and puts the thread's namespace back
// afterwards. A thread that cannot be put back is not used again: its goroutine
// ends locked, which ends the thread.
//
// A panic or runtime.Goexit (t.Fatal in a test) of fn passes through onThread
// with the namespace put back, so fn runs on the caller's own goroutine.
func onThread(fn func() error) error {
	runtime.LockOSThread()
	home, err := threadNamespace()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open this thread's network namespace: %w", err)
	}
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		home.Close()
	}()
	return fn()
}
