package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"xcapa/internal/host"
)

// machine is where CPUs and interrupts are looked up; the zero value is this
// one.
type machine struct {
	sysfs   string    // of the interface, in place of its own
	nodes   string    // default /sys/devices/system/node
	irqs    string    // default /proc/irq
	allowed host.CPUs // in place of the CPUs this process may run on
}

func (s *subject) placement(m machine) Finding {
	if m.sysfs == "" {
		m.sysfs = s.Sysfs()
	}
	if m.nodes == "" {
		m.nodes, m.irqs = "/sys/devices/system/node", host.Interrupts
	}
	if m.allowed == nil {
		var err error
		if m.allowed, err = host.AllowedCPUs(); err != nil {
			return skipped("%v", err)
		}
	}
	return s.placed(m)
}

func (s *subject) placed(m machine) Finding {
	where := fmt.Sprintf("%s allowed", m.allowed.Words())
	node, local := m.node()
	if node >= 0 {
		where += fmt.Sprintf(", the NIC is on NUMA node %d (%s)", node, local.Words())
		if len(m.allowed.Without(local)) == len(m.allowed) {
			return Finding{State: Warn, Found: where + ": none of them is near", Mend: fmt.Sprintf("taskset -c %s xcapa capture -i %s", local, s.Name)}
		}
	}
	busy := host.InterruptCPUs(m.sysfs, m.irqs)
	if len(busy) == 0 {
		return okay("%s; no interrupts of its own", where)
	}
	where += fmt.Sprintf(", its interrupts are on %s", busy.Words())
	free := m.allowed.Without(busy)
	if len(free) == 0 {
		return Finding{State: Warn, Found: where + ": no core is left for the workers",
			Or: fmt.Sprintf("use fewer queues than cores (ethtool -L %s), or move interrupts (/proc/irq/N/smp_affinity_list)", s.Name)}
	}
	return okay("%s; %s left for the workers", where, free.Words())
}

// node is the NUMA node of the NIC and its CPUs; -1 where it has none.
func (m machine) node() (int, host.CPUs) {
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
	cpus, err := host.ParseCPUs(string(list))
	if err != nil { // a node of memory alone
		return -1, nil
	}
	return node, cpus
}
