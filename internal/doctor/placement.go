package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where CPUs and interrupts are looked up; the zero value is this
// one.
type machine struct {
	sysfs   string // of the interface, in place of its own
	nodes   string // default /sys/devices/system/node
	irqs    string // default /proc/irq
	allowed []int  // in place of the CPUs this process may run on
}

func (s *subject) placement(m machine) Finding {
	if m.sysfs == "" {
		m.sysfs = s.Sysfs()
	}
	if m.nodes == "" {
		m.nodes, m.irqs = "/sys/devices/system/node", "/proc/irq"
	}
	if m.allowed == nil {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			return skipped("ask for the allowed CPUs: %v", err)
		}
		for cpu := range len(set) * 64 {
			if set.IsSet(cpu) {
				m.allowed = append(m.allowed, cpu)
			}
		}
	}
	return s.placed(m)
}

func (s *subject) placed(m machine) Finding {
	where := fmt.Sprintf("%s allowed", cpuWords(m.allowed))
	node, local := m.node()
	if node >= 0 {
		where += fmt.Sprintf(", the NIC is on NUMA node %d (%s)", node, cpuWords(local))
		if !overlap(m.allowed, local) {
			return Finding{State: Warn, Found: where + ": none of them is near", Mend: fmt.Sprintf("taskset -c %s xcapa capture -i %s", cpuList(local), s.Name)}
		}
	}
	busy := m.interrupted()
	if len(busy) == 0 {
		return okay("%s; no interrupts of its own", where)
	}
	where += fmt.Sprintf(", its interrupts are on %s", cpuWords(busy))
	free := slices.DeleteFunc(slices.Clone(m.allowed), func(cpu int) bool { return slices.Contains(busy, cpu) })
	if len(free) == 0 {
		return Finding{State: Warn, Found: where + ": no core is left for the workers",
			Or: fmt.Sprintf("use fewer queues than cores (ethtool -L %s), or move interrupts (/proc/irq/N/smp_affinity_list)", s.Name)}
	}
	return okay("%s; %s left for the workers", where, cpuWords(free))
}

// node is the NUMA node of the NIC and its CPUs; -1 where it has none.
func (m machine) node() (int, []int) {
	b, err := os.ReadFile(filepath.Join(m.sysfs, "device/numa_node"))
	if err != nil {
		return -1, nil
	}
	node, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || node < 0 {
		return -1, nil
	}
	list, err := os.ReadFile(filepath.Join(m.nodes, fmt.Sprintf("node%d/cpulist", node)))
	if err != nil {
		return -1, nil
	}
	return node, parseCPUs(string(list))
}

// interrupted are the CPUs that take the NIC's interrupts.
func (m machine) interrupted() []int {
	device, err := filepath.EvalSymlinks(filepath.Join(m.sysfs, "device"))
	if err != nil {
		return nil // a virtual device
	}
	vectors, err := os.ReadDir(filepath.Join(device, "msi_irqs"))
	if err != nil { // virtio: they are the bus device's
		vectors, _ = os.ReadDir(filepath.Join(filepath.Dir(device), "msi_irqs"))
	}
	var cpus []int
	for _, v := range vectors {
		list, err := os.ReadFile(filepath.Join(m.irqs, v.Name(), "effective_affinity_list"))
		if err == nil {
			cpus = append(cpus, parseCPUs(string(list))...)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus)
}

// parseCPUs reads the kernel's list format: 0-3,8.
func parseCPUs(list string) (cpus []int) {
	for _, part := range strings.Split(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// cpuList is the inverse of parseCPUs, for sorted CPUs.
func cpuList(cpus []int) string {
	var parts []string
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.Itoa(cpus[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", cpus[i], cpus[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

func cpuWords(cpus []int) string {
	if len(cpus) == 1 {
		return "CPU " + cpuList(cpus)
	}
	return "CPUs " + cpuList(cpus)
}

func overlap(a, b []int) bool {
	return slices.ContainsFunc(a, func(n int) bool { return slices.Contains(b, n) })
}
