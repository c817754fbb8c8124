package cli

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"xcapa/internal/host"
)

// cpuList reads --cpus; nil where it is not given.
func (o *deviceOptions) cpuList() (host.CPUs, error) {
	if o.cpus == "" {
		return nil, nil
	}
	cpus, err := host.ParseCPUs(o.cpus)
	if err != nil {
		return nil, usageErrorf("--cpus: %w", err)
	}
	allowed, err := host.AllowedCPUs()
	if err != nil {
		return nil, err
	}
	if none := cpus.Without(allowed); len(none) > 0 {
		return nil, usageErrorf("--cpus %s: this process may not use %s, only %s", o.cpus, none.Words(), allowed.Words())
	}
	return cpus, nil
}

// place keeps the whole process on the CPUs of --cpus, or else off those that
// take the interfaces' interrupts, if enough are left: a thread of the runtime
// that waits behind the kernel's receive path holds up a worker that does not,
// which loses frames with the workers nearly idle. words says what was done, if
// anything.
func (o *deviceOptions) place() (words string, err error) {
	cpus, err := o.cpuList()
	if err != nil {
		return "", err
	}
	if cpus != nil {
		return fmt.Sprintf("on %s, by --cpus", cpus.Words()), host.RunOn(cpus)
	}
	allowed, err := host.AllowedCPUs()
	if err != nil {
		return "", err
	}
	busy, queues := interruptsOf(o.interfaces)
	free := freeCPUs(allowed, busy, queues)
	if free == nil {
		return "", nil
	}
	return fmt.Sprintf("on %s, off %s, which take the interrupts; --cpus chooses others", free.Words(), busy.Words()), host.RunOn(free)
}

// interruptsOf are the CPUs that take the interrupts of the interfaces, and how
// many RX queues those have. One that cannot be asked is left out: whoever opens
// it says why.
func interruptsOf(interfaces []string) (busy host.CPUs, queues int) {
	for _, name := range interfaces {
		i, err := host.OpenInterface(name)
		if err != nil {
			continue
		}
		busy = append(busy, host.InterruptCPUs(i.Sysfs(), host.Interrupts)...)
		n, _ := i.Queues()
		queues += n
		i.Close()
	}
	slices.Sort(busy)
	return slices.Compact(busy), queues
}

// freeCPUs are the CPUs to stay on: those allowed without the busy ones. nil:
// all, because none is busy, or because there would be fewer than queues.
func freeCPUs(allowed, busy host.CPUs, queues int) host.CPUs {
	free := allowed.Without(busy)
	if len(free) == len(allowed) || len(free) < queues {
		return nil
	}
	return free
}

// limitProcessors gives the Go runtime as many processors as there are threads
// that take or decode frames, and two for the rest (GOMAXPROCS), however many
// CPUs the machine has. Fewer lose frames: a nap is a system call, and its
// processor stands still until the runtime takes it away, up to 10 ms later.
// More would only have the garbage collector disturb more CPUs.
func limitProcessors(threads int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threads + 2)
	}
}
