package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/safchain/ethtool"
)

// The offloads that change what is captured, as the kernel names them.
const (
	// RXVLAN takes the VLAN tag off a frame, where no XDP program sees it.
	// `ethtool -k` calls it rx-vlan-offload.
	RXVLAN = "rx-vlan-hw-parse"
	// LRO and GRO make one frame of several: the NIC, and the kernel.
	LRO   = "rx-lro"
	GRO   = "rx-gro"
	GROHW = "rx-gro-hw"
)

// Offloads are the interface's offloads by the kernel's name, on or off.
func (i *Interface) Offloads() (map[string]bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tool.Features(i.Name)
}

// Details are driver, firmware and bus address.
func (i *Interface) Details() (ethtool.DrvInfo, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tool.DriverInfo(i.Name)
}

// Spread is the RSS indirection table: of how many slots each RX queue has
// how many. Nil where the driver has none.
func (i *Interface) Spread() map[int]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	table, err := i.tool.GetIndir(i.Name)
	if err != nil || table.Size == 0 {
		return nil
	}
	spread := map[int]int{}
	for _, queue := range table.RingIndex[:min(int(table.Size), len(table.RingIndex))] {
		spread[int(queue)]++
	}
	return spread
}

// QueuesCommand is the shell command that gives the interface n RX queues.
func (i *Interface) QueuesCommand(n int) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c, err := i.tool.GetChannels(i.Name); err == nil && c.MaxCombined == 0 && c.MaxRx > 0 {
		return fmt.Sprintf("ethtool -L %s rx %d", i.Name, n)
	}
	return fmt.Sprintf("ethtool -L %s combined %d", i.Name, n)
}

// Sysfs is the interface's folder below /sys/class/net; "" where sysfs is not
// mounted or shows another network namespace.
func (i *Interface) Sysfs() string {
	dir := filepath.Join("/sys/class/net", i.Name)
	index, err := os.ReadFile(filepath.Join(dir, "ifindex"))
	if err != nil || strings.TrimSpace(string(index)) != strconv.Itoa(i.Index) {
		return ""
	}
	return dir
}
