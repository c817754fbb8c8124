package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xcapa/internal/host"
)

// A check that panics or hangs is a finding, in its place, and stops no other.
func TestRunSurvives(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	findings := Run(t.Context(), 50*time.Millisecond, []Check{
		{Name: "panics", Why: "a", Look: func(context.Context) Finding { panic("at the disco") }},
		{Name: "hangs", Why: "b", Look: func(context.Context) Finding { <-hang; return okay("late") }},
		{Name: "works", Interface: "eth1", Why: "c", Look: func(context.Context) Finding { return okay("%d", 7) }},
		{Name: "own_why", Why: "d", Look: func(context.Context) Finding { return Finding{State: Warn, Why: "e"} }},
	})
	want := []Finding{
		{Check: "panics", State: Skipped, Found: "the check itself failed: at the disco", Why: "a", Or: "report it, with the output of xcapa version"},
		{Check: "hangs", State: Skipped, Found: "no answer within 50ms", Why: "b"},
		{Check: "works", Interface: "eth1", State: OK, Found: "7", Why: "c"},
		{Check: "own_why", State: Warn, Why: "e"},
	}
	for n := range want {
		if findings[n] != want[n] {
			t.Errorf("got %+v\nwant %+v", findings[n], want[n])
		}
	}
	if n := Count(findings, Skipped); n != 2 {
		t.Errorf("got %d skipped, want 2", n)
	}
}

// Checks run side by side: two that wait for each other both end.
func TestRunSideBySide(t *testing.T) {
	a, b := make(chan struct{}), make(chan struct{})
	meet := func(mine, other chan struct{}) func(context.Context) Finding {
		return func(context.Context) Finding { close(mine); <-other; return okay("met") }
	}
	for _, f := range Run(t.Context(), 10*time.Second, []Check{{Name: "a", Look: meet(a, b)}, {Name: "b", Look: meet(b, a)}}) {
		if f.State != OK {
			t.Errorf("got %+v", f)
		}
	}
}

func eth1(engine string, mtu, queues int) *subject {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.EncapType = "eth1", mtu, "ether"
	return &subject{
		Interface: &host.Interface{Name: "eth1", Driver: "test"}, attrs: &attrs, queues: queues,
		Settings: Settings{Engine: engine, Chunk: 4096, Frames: 8192, StateDir: "/run/xcapa"},
	}
}

// nic is the offloads of a NIC that no test machine has, and understands
// `ethtool -K eth1 FEATURE on|off...`.
type nic map[string]bool

func (n nic) offloads() (map[string]bool, error) { return n, nil }

func (n nic) run(t *testing.T, command string) {
	t.Helper()
	words := strings.Fields(command)
	if len(words) < 5 || strings.Join(words[:3], " ") != "ethtool -K eth1" || len(words)%2 == 0 {
		t.Fatalf("got the command %q, want ethtool -K eth1 FEATURE on|off", command)
	}
	kernel := map[string]string{"lro": host.LRO, "gro": host.GRO, "rx-gro-hw": host.GROHW, "rxvlan": host.RXVLAN}
	for i := 3; i < len(words); i += 2 {
		name, ok := kernel[words[i]]
		if !ok {
			t.Fatalf("%q: ethtool has no feature %s", command, words[i])
		}
		n[name] = words[i+1] == "on"
	}
}

// What merges or strips frames is found, and the command mends it.
func TestOffloads(t *testing.T) {
	tests := []struct {
		name   string
		engine string
		nic    nic
		want   State
	}{
		{"lro_afxdp", "afxdp", nic{host.LRO: true, host.GRO: true}, Fail},
		{"lro_afpacket", "afpacket", nic{host.LRO: true}, Fail},
		{"gro_afxdp", "afxdp", nic{host.GRO: true}, OK},
		{"gro_hw_afxdp", "afxdp", nic{host.GRO: true, host.GROHW: true}, Warn},
		{"gro_afpacket", "afpacket", nic{host.GRO: true, host.GROHW: true}, Warn},
		{"all_off", "afpacket", nic{}, OK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := eth1(tt.engine, 1500, 1)
			f := s.merging(tt.nic.offloads)
			if f.State != tt.want {
				t.Fatalf("got %+v, want %s", f, tt.want)
			}
			for f.State != OK { // LRO first, then what is left
				tt.nic.run(t, f.Mend)
				again := s.merging(tt.nic.offloads)
				if again.Mend == f.Mend {
					t.Fatalf("%s mended nothing: %+v", f.Mend, again)
				}
				f = again
			}
		})
	}
	f := eth1("afxdp", 1500, 1).merging(func() (map[string]bool, error) { return nil, unix.EOPNOTSUPP })
	if f.State != Skipped {
		t.Errorf("no answer: got %+v, want skipped", f)
	}
}

func TestClock(t *testing.T) {
	tests := []struct {
		name  string
		state clockState
		err   error
		want  State
		found string
	}{
		{"off", clockState{}, nil, Warn, "nobody synchronises"},
		{"on", clockState{synchronised: true, maxError: 250 * time.Microsecond}, nil, OK, "at most 250µs"},
		{"no_answer", clockState{}, unix.ENOSYS, Skipped, "not implemented"},
	}
	for _, tt := range tests {
		f := clock(func() (clockState, error) { return tt.state, tt.err })
		if f.State != tt.want || !strings.Contains(f.Found, tt.found) {
			t.Errorf("%s: got %+v, want %s, %q", tt.name, f, tt.want, tt.found)
		}
		if f.State == Warn && f.Mend != "timedatectl set-ntp true" {
			t.Errorf("got the command %q", f.Mend)
		}
	}
	if f := clock(readClock); f.State == Skipped {
		t.Errorf("this kernel's clock: %+v", f)
	}
}

func TestKernel(t *testing.T) {
	tests := []struct {
		release, engine string
		want            State
		found           string
		stops           bool
	}{
		{"5.10.0-28-amd64", "afxdp", Fail, "Linux 5.10.0-28-amd64", true},
		{"6.0.19", "", Fail, "Linux 6.0.19", true},
		{"5.10.0-28-amd64", "afpacket", Warn, "Linux 5.10", false},
		{"6.1.0-18-amd64", "afxdp", OK, "not in it: the NIC's time, and what a driver can do (6.3), frames in several parts (6.6), the NIC's VLAN tag (6.8)", false},
		{"6.6.1", "afxdp", OK, "not in it: the NIC's VLAN tag (6.8)", false},
		{"6.18.44", "afxdp", OK, "Linux 6.18.44", false},
		{"10.0", "afxdp", OK, "Linux 10.0", false},
		{"banana", "afxdp", Skipped, "banana", false},
	}
	for _, tt := range tests {
		f := eth1(tt.engine, 1500, 1).kernelVersion(tt.release)
		if f.State != tt.want || !strings.Contains(f.Found, tt.found) || (f.Stops != nil) != tt.stops {
			t.Errorf("%s: got %+v, want %s, %q, stops %v", tt.release, f, tt.want, tt.found, tt.stops)
		}
		if tt.stops && !errors.Is(Stops([]Finding{f}), errors.ErrUnsupported) {
			t.Errorf("%s: %v is not errors.ErrUnsupported", tt.release, f.Stops)
		}
	}
}

func TestJIT(t *testing.T) {
	if f := jitState("0"); f.State != Warn || f.Mend != "sysctl -w net.core.bpf_jit_enable=1" {
		t.Errorf("got %+v", f)
	}
	for _, on := range []string{"1", "2"} {
		if f := jitState(on); f.State != OK {
			t.Errorf("got %+v", f)
		}
	}
}

func TestMTU(t *testing.T) {
	scatter := host.Features{Known: true, XDP: host.XDPBasic | host.XDPRXScatter}
	plain := host.Features{Known: true, XDP: host.XDPBasic}
	tests := []struct {
		name     string
		engine   string
		mtu      int
		features host.Features
		want     State
		mend     string
	}{
		{"ordinary", "afxdp", 1500, plain, OK, ""},
		{"fits", "afxdp", 3818, plain, OK, ""},
		{"jumbo_in_parts", "afxdp", 9000, scatter, Warn, "ip link set dev eth1 mtu 3818"},
		{"jumbo", "afxdp", 9000, plain, Fail, "ip link set dev eth1 mtu 3818"},
		{"jumbo_generic_only", "afxdp", 9000, host.Features{Known: true}, Warn, "ip link set dev eth1 mtu 3818"},
		{"jumbo_afpacket", "afpacket", 9000, plain, OK, ""},
	}
	for _, tt := range tests {
		f := eth1(tt.engine, tt.mtu, 1).chunks(tt.features)
		if f.State != tt.want || f.Mend != tt.mend || (f.Stops != nil) != (tt.want == Fail) {
			t.Errorf("%s: got %+v, want %s, %q", tt.name, f, tt.want, tt.mend)
		}
	}
}

func TestSpread(t *testing.T) {
	tests := []struct {
		queues int
		slots  map[int]int
		want   State
		found  string
		mend   string
	}{
		{1, nil, OK, "1 RX", ""},
		{4, nil, OK, "no RSS table", ""},
		{2, map[int]int{0: 64, 1: 64}, OK, "64 to 64", ""},
		{4, map[int]int{0: 64, 1: 64}, Warn, "[2 3]", "ethtool -X eth1 equal 4"},
	}
	for _, tt := range tests {
		f := eth1("afxdp", 1500, tt.queues).spread(tt.slots)
		if f.State != tt.want || !strings.Contains(f.Found, tt.found) || f.Mend != tt.mend {
			t.Errorf("%d queues, %v: got %+v", tt.queues, tt.slots, f)
		}
	}
}

// A NIC on node 1 of a machine with two, its interrupts on some cores.
func TestPlacement(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("net/device/numa_node", "1\n")
	write("node/node1/cpulist", "4-7\n")
	write("irq/60/effective_affinity_list", "4\n")
	write("irq/61/effective_affinity_list", "5\n")
	write("net/device/msi_irqs/60", "msix\n")
	write("net/device/msi_irqs/61", "msix\n")
	tests := []struct {
		name    string
		allowed host.CPUs
		want    State
		found   string
		mend    string
	}{
		{"all", host.CPUs{0, 1, 2, 3, 4, 5, 6, 7}, OK, "interrupts are on CPUs 4-5; CPUs 0-3,6-7 left", ""},
		{"other_node", host.CPUs{0, 1}, Warn, "NUMA node 1 (CPUs 4-7): none of them is near", "taskset -c 4-7 xcapa capture -i eth1"},
		{"no_core_left", host.CPUs{4, 5}, Warn, "no core is left for the workers", ""},
	}
	for _, tt := range tests {
		m := machine{sysfs: filepath.Join(dir, "net"), nodes: filepath.Join(dir, "node"), irqs: filepath.Join(dir, "irq"), allowed: tt.allowed}
		s := eth1("afxdp", 1500, 2)
		f := s.placed(m)
		if f.State != tt.want || !strings.Contains(f.Found, tt.found) || f.Mend != tt.mend {
			t.Errorf("%s: got %+v, want %s, %q, %q", tt.name, f, tt.want, tt.found, tt.mend)
		}
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := disk(filepath.Join(dir, "not", "there", "yet")); f.State == Fail || !strings.Contains(f.Found, dir+" has") {
		t.Errorf("a folder that would be made: got %+v", f)
	}
	if f := disk(file); f.State != Fail || !strings.Contains(f.Found, "is a file") {
		t.Errorf("a file: got %+v", f)
	}
	const gib = 1 << 30
	for _, tt := range []struct {
		free, inodes uint64
		want         State
	}{{100 * gib, 1000, OK}, {gib / 2, 1000, Warn}, {gib / 100, 1000, Fail}, {100 * gib, 0, Fail}} {
		if f := space("/data", tt.free, 200*gib, tt.inodes, 1e6); f.State != tt.want {
			t.Errorf("%d bytes, %d inodes free: got %+v, want %s", tt.free, tt.inodes, f, tt.want)
		}
	}
}

func TestFeatureWords(t *testing.T) {
	s := eth1("afxdp", 1500, 1)
	all := host.Features{Known: true, XDP: host.XDPBasic | host.XDPRedirect | host.XDPZeroCopy, RXMetadata: host.MetadataTimestamp | host.MetadataVLAN}
	if f := s.featureWords(all); f.State != OK || f.Found != "native, redirect, zero-copy, the NIC's time and VLAN tag" {
		t.Errorf("got %+v", f)
	}
	if f := s.featureWords(host.Features{Known: true}); f.State != Warn {
		t.Errorf("got %+v", f)
	}
	if f := s.featureWords(host.Features{}); f.State != Skipped {
		t.Errorf("got %+v", f)
	}
	none := host.Features{Known: true}
	s.Native, s.ZeroCopy = true, true
	if f := s.featureWords(none); f.State != Fail || f.Stops == nil || f.Or != "use --xdp-mode generic" {
		t.Errorf("native mode required: got %+v", f)
	}
	if f := s.canZeroCopy(none); f.State != Fail || f.Stops == nil || f.Or != "use --zero-copy auto" {
		t.Errorf("zero copy required: got %+v", f)
	}
	if f := s.canZeroCopy(host.Features{Known: true, XDP: host.XDPBasic | host.XDPZeroCopy}); f.State != OK {
		t.Errorf("zero copy required and there: got %+v", f)
	}
	if f := s.canZeroCopy(host.Features{}); f.State != Skipped {
		t.Errorf("zero copy required, the kernel does not say: got %+v", f)
	}
}
