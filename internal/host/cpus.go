package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CPUs are numbers of CPUs, sorted, none twice.
type CPUs []int

// ParseCPUs reads the kernel's list format, as in 0-3,8.
func ParseCPUs(list string) (CPUs, error) {
	var cpus CPUs
	for _, part := range strings.Split(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err != nil || err2 != nil || a > b {
			return nil, fmt.Errorf("CPU list %q: want numbers and ranges, as in 0-3,8", list)
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// String is the list as ParseCPUs reads it.
func (c CPUs) String() string {
	var parts []string
	for i := 0; i < len(c); {
		j := i
		for j+1 < len(c) && c[j+1] == c[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.Itoa(c[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", c[i], c[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Words is the list with what it is of in front.
func (c CPUs) Words() string {
	if len(c) == 1 {
		return "CPU " + c.String()
	}
	return "CPUs " + c.String()
}

// Without is c but for those of other.
func (c CPUs) Without(other CPUs) CPUs {
	return slices.DeleteFunc(slices.Clone(c), func(cpu int) bool { return slices.Contains(other, cpu) })
}

// AllowedCPUs are those that this process may run on, by its affinity mask; a
// container's or a service's may be few of the machine's.
func AllowedCPUs() (CPUs, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for the CPUs of this process: %w", err)
	}
	var cpus CPUs
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// RunOn keeps every thread of this process, and those to come, on cpus.
func RunOn(cpus CPUs) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	// A thread has the mask of the one that started it: once a look at all
	// finds none with another mask, none can come.
	for {
		changed, err := setAll(&set)
		if err != nil {
			return fmt.Errorf("run on %s: %w", cpus.Words(), err)
		}
		if !changed {
			return nil
		}
	}
}

// setAll gives the mask to the threads that have another one.
func setAll(set *unix.CPUSet) (changed bool, err error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false, err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return false, err
		}
		var has unix.CPUSet
		if err = unix.SchedGetaffinity(tid, &has); err == nil && has != *set {
			changed = true
			err = unix.SchedSetaffinity(tid, set)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // the thread has just ended
			return changed, err
		}
	}
	return changed, nil
}

// Interrupts is the folder of this machine's interrupts.
const Interrupts = "/proc/irq"

// InterruptCPUs are those that take the interrupts of a NIC, and so run its
// receive path; none for a virtual interface. sysfs is Interface.Sysfs, irqs the
// folder Interrupts.
func InterruptCPUs(sysfs, irqs string) (all CPUs) {
	if sysfs == "" {
		return nil
	}
	device, err := filepath.EvalSymlinks(filepath.Join(sysfs, "device"))
	if err != nil {
		return nil // a virtual device
	}
	vectors, err := os.ReadDir(filepath.Join(device, "msi_irqs"))
	if err != nil { // virtio: they are the bus device's
		vectors, _ = os.ReadDir(filepath.Join(filepath.Dir(device), "msi_irqs"))
	}
	for _, v := range vectors {
		list, err := os.ReadFile(filepath.Join(irqs, v.Name(), "effective_affinity_list"))
		if err != nil {
			continue
		}
		cpus, _ := ParseCPUs(string(list)) // empty: the interrupt is not in use
		all = append(all, cpus...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
