package afxdp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lingering is how long a queue can look taken after its socket was closed, be
// it one that asked, here or in another process.
const lingering = time.Second

// QueueWithoutSocket finds the first of n RX queues that no AF_XDP socket is
// bound to; -1 if all have one. It tries to bind another one to each, in copy
// mode: the kernel allows one per queue. Frames are not touched. The caller is
// in the interface's network namespace.
func QueueWithoutSocket(ifindex, n int) (int, error) {
	for again := false; ; again = true {
		for queue := range n {
			has, err := hasSocket(ifindex, queue)
			if err != nil || !has {
				return queue, err
			}
		}
		if again {
			return -1, nil
		}
		time.Sleep(lingering)
	}
}

func hasSocket(ifindex, queue int) (bool, error) {
	const frames, chunk = 2, 2048
	s := &socket{fd: -1, queue: queue}
	defer s.close()
	var err error
	if s.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return false, explainSocket(err)
	}
	if s.umem, err = newUMEM(frames, chunk, false); err != nil {
		return false, err
	}
	if err := registerUMEM(s.fd, s.umem); err != nil {
		return false, err
	}
	if err := s.mapRings(ringSizes{fill: unusedRing, complete: unusedRing, rx: unusedRing}); err != nil {
		return false, err
	}
	err = unix.Bind(s.fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY, Ifindex: uint32(ifindex), QueueID: uint32(queue)})
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return false, fmt.Errorf("ask for the AF_XDP socket of queue %d: %w", queue, err)
	}
	return err != nil, nil
}

// Leftovers lists the state files in dir whose capture is gone: what it changed
// is still so, and Restore, in this network namespace, changes it back.
func Leftovers(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for what a crashed capture left: %w", err)
	}
	var left []string
	for _, e := range entries {
		if isStateFile(e.Name()) && isLeftover(filepath.Join(dir, e.Name())) {
			left = append(left, e.Name())
		}
	}
	return left, nil
}

// isLeftover reports whether nobody holds a state file that Restore would take.
func isLeftover(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false // gone since, or not ours to read
	}
	defer file.Close()
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false // its owner lives
	}
	var state vlanState
	if err := json.NewDecoder(file).Decode(&state); err != nil || state.Boot != bootID() {
		return true
	}
	namespace, err := networkNamespace()
	return err == nil && namespace == state.Namespace
}

func isStateFile(name string) bool {
	return strings.HasPrefix(name, statePrefix) && strings.HasSuffix(name, stateSuffix)
}
