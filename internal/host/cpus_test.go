package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCPULists(t *testing.T) {
	for list, want := range map[string]string{"0": "0", "0-3\n": "0-3", "6-9,0-1,4": "0-1,4,6-9", "3,5,3,4": "3-5", "7-7": "7"} {
		got, err := ParseCPUs(list)
		if err != nil || got.String() != want {
			t.Errorf("%q: got %s, %v; want %s", list, got, err, want)
		}
	}
	for _, list := range []string{"", "x", "1-", "-1", "3-1", "1,,2", "1-2-3", "99999999"} {
		if got, err := ParseCPUs(list); err == nil {
			t.Errorf("%q: got %s, want an error", list, got)
		}
	}
	if got := (CPUs{0, 1, 2, 3}).Without(CPUs{1, 2, 9}); got.String() != "0,3" {
		t.Errorf("0-3 without 1,2,9: got %s", got)
	}
}

// A NIC with two vectors, one of them not in use, and a virtio NIC, whose
// vectors are its bus device's.
func TestInterruptCPUs(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("irq/60/effective_affinity_list", "4-5\n")
	write("irq/61/effective_affinity_list", "\n")
	write("irq/62/effective_affinity_list", "1\n")
	write("nic/device/msi_irqs/60", "msix\n")
	write("nic/device/msi_irqs/61", "msix\n")
	write("bus/msi_irqs/62", "msix\n")
	write("bus/virtio3/uevent", "")
	write("virtio/ifindex", "2\n")
	if err := os.Symlink(filepath.Join(dir, "bus/virtio3"), filepath.Join(dir, "virtio/device")); err != nil {
		t.Fatal(err)
	}
	for nic, want := range map[string]string{"nic": "4-5", "virtio": "1", "veth": ""} {
		if got := InterruptCPUs(filepath.Join(dir, nic), filepath.Join(dir, "irq")); got.String() != want {
			t.Errorf("%s: got %s, want %s", nic, got, want)
		}
	}
}

// Threads that are there and threads that come later run where they were told.
func TestRunOn(t *testing.T) {
	allowed, err := AllowedCPUs()
	if err != nil || len(allowed) == 0 {
		t.Fatalf("allowed: %v, %v", allowed, err)
	}
	defer RunOn(allowed)
	release := make(chan struct{})
	defer close(release)
	held := make(chan int)
	hold := func() { // a thread of its own, until the test ends
		runtime.LockOSThread()
		held <- unix.Gettid()
		<-release
	}
	for range 3 {
		go hold()
		<-held
	}
	one := CPUs{allowed[len(allowed)-1]}
	if err := RunOn(one); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		go hold()
		<-held
	}
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(tasks) < 6 {
		t.Fatalf("threads: %v, %v", tasks, err)
	}
	for _, task := range tasks {
		var tid int
		fmt.Sscan(filepath.Base(task), &tid)
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		} else if err == nil && (set.Count() != 1 || !set.IsSet(one[0])) {
			t.Errorf("thread %d may run on %d CPUs, want %s alone", tid, set.Count(), one.Words())
		}
	}
	if got, err := AllowedCPUs(); err != nil || !slices.Equal(got, one) {
		t.Errorf("allowed now: %v, %v; want %v", got, err, one)
	}
	if err := RunOn(CPUs{1000}); err == nil {
		t.Error("CPU 1000: got no error")
	}
}
