package veth

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("XCAPA_TEST_ROOT") == "1" {
		t.Fatal("XCAPA_TEST_ROOT=1 but not root")
	}
	t.Skip("network namespaces take root")
}

func open(t *testing.T, o Options) *Pair {
	t.Helper()
	requireRoot(t)
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// inside runs fn in e and fails the test on its error.
func inside(t *testing.T, e *End, fn func() error) {
	t.Helper()
	if err := e.Do(fn); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		queues  int
		mtu     int
	}{
		{"defaults", Options{}, 1, 1500},
		{"two_queues", Options{Queues: 2}, 2, 1500},
		{"jumbo", Options{MTU: 9000}, 1, 9000},
		{"spare_queues", Options{Queues: 1, SpareQueues: 3}, 1, 1500},
		{"names", Options{Names: [2]string{`"><b>x`, "b"}}, 1, 1500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, tt.options)
			for _, e := range p.Ends {
				inside(t, e, func() error {
					link, err := netlink.LinkByName(e.Name)
					if err != nil {
						return err
					}
					a := link.Attrs()
					if a.MTU != tt.mtu || a.OperState != netlink.OperUp || a.Index != e.Index || a.HardwareAddr.String() != e.MAC.String() {
						t.Errorf("%s: got MTU %d, state %s, index %d, MAC %s; want %d, up, %d, %s",
							e.Name, a.MTU, a.OperState, a.Index, a.HardwareAddr, tt.mtu, e.Index, e.MAC)
					}
					tool, err := ethtool.NewEthtool()
					if err != nil {
						return err
					}
					defer tool.Close()
					c, err := tool.GetChannels(e.Name)
					if err != nil {
						return err
					}
					if got := int(c.RxCount + c.CombinedCount); got != tt.queues {
						t.Errorf("%s: got %d queues, want %d", e.Name, got, tt.queues)
					}
					return nil
				})
			}
		})
	}
}

func TestOffloads(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep_%v", keep), func(t *testing.T) {
			p := open(t, Options{KeepOffloads: keep})
			for _, e := range p.Ends {
				inside(t, e, func() error {
					tool, err := ethtool.NewEthtool()
					if err != nil {
						return err
					}
					defer tool.Close()
					features, err := tool.Features(e.Name)
					if err != nil {
						return err
					}
					for _, f := range []string{"tx-checksum-ip-generic", "tx-vlan-hw-insert", "tx-tcp-segmentation"} {
						if features[f] != keep {
							t.Errorf("%s %s: got %v, want %v", e.Name, f, features[f], keep)
						}
					}
					return nil
				})
			}
		})
	}
}

// The kernel itself sends nothing over a pair without addresses.
func TestQuiet(t *testing.T) {
	p := open(t, Options{})
	time.Sleep(1500 * time.Millisecond)
	for _, e := range p.Ends {
		inside(t, e, func() error {
			link, err := netlink.LinkByIndex(e.Index)
			if err != nil {
				return err
			}
			if got := link.Attrs().Statistics.RxPackets; got != 0 {
				t.Errorf("%s received %d frames that nobody sent", e.Name, got)
			}
			return nil
		})
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		network string
		a, b    netip.Prefix
		gateway netip.Addr
	}{
		{"tcp4", netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("192.0.2.2/24"), netip.MustParseAddr("192.0.2.2")},
		{"tcp6", netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("2001:db8::2/64"), netip.MustParseAddr("2001:db8::2")},
	}
	for _, tt := range tests {
		t.Run(tt.network, func(t *testing.T) {
			p := open(t, Options{
				Addresses: [2][]netip.Prefix{{tt.a}, {tt.b}},
				Gateways:  [2]netip.Addr{tt.gateway},
			})
			var l net.Listener
			inside(t, p.Ends[1], func() (err error) {
				l, err = net.Listen(tt.network, netip.AddrPortFrom(tt.b.Addr(), 0).String())
				return err
			})
			defer l.Close()
			served := make(chan struct{})
			go func() {
				defer close(served)
				if c, err := l.Accept(); err == nil {
					io.WriteString(c, "hello")
					c.Close()
				}
			}()
			inside(t, p.Ends[0], func() error {
				c, err := net.DialTimeout(tt.network, l.Addr().String(), 2*time.Second)
				if err != nil {
					l.Close()
					return err
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(2 * time.Second))
				got, err := io.ReadAll(c)
				if string(got) != "hello" {
					t.Errorf("got %q, want %q (%v)", got, "hello", err)
				}
				routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Gw: tt.gateway.AsSlice()}, netlink.RT_FILTER_GW)
				if len(routes) != 1 {
					t.Errorf("got default routes %v (%v), want one by %s", routes, err, tt.gateway)
				}
				return nil
			})
			<-served
		})
	}
}

// A process started in an end sees that end's interface and no other.
func TestStart(t *testing.T) {
	p := open(t, Options{})
	for _, e := range p.Ends {
		var out strings.Builder
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestHelperInterfaces$", "-test.v")
		cmd.Env = append(os.Environ(), "XCAPA_HELPER=interfaces")
		cmd.Stdout = &out
		if err := e.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		if want := "interfaces: lo " + e.Name + "\n"; !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want it to hold %q", out.String(), want)
		}
	}
}

// TestHelperInterfaces is the child of TestStart.
func TestHelperInterfaces(t *testing.T) {
	if os.Getenv("XCAPA_HELPER") != "interfaces" {
		t.Skip("runs as a child of TestStart only")
	}
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"interfaces:"}
	for _, i := range list {
		names = append(names, i.Name)
	}
	fmt.Println(strings.Join(names, " "))
}

// Do puts the thread back, also when fn leaves by Goexit; Close leaves no
// descriptor.
func TestDoAndCloseLeaveNothing(t *testing.T) {
	requireRoot(t)
	fds := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	namespaceOf := func() string {
		s, err := os.Readlink(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before, home := fds(), namespaceOf()
	for range 3 {
		p, err := Open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Ends[0].Do(func() error { runtime.Goexit(); return nil })
		}()
		<-done
		inside(t, p.Ends[0], func() error {
			if got := namespaceOf(); got == home {
				t.Errorf("Do stayed in %s", got)
			}
			return nil
		})
		if got := namespaceOf(); got != home {
			t.Errorf("after Do: in %s, want %s", got, home)
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if got, err := os.Readlink(task); err == nil && got != home {
			t.Errorf("%s is left in %s, want %s", task, got, home)
		}
	}
	if got := fds(); got > before {
		t.Errorf("got %d descriptors after close, want %d", got, before)
	}
}

func TestOpenRefuses(t *testing.T) {
	requireRoot(t)
	for _, o := range []Options{
		{Names: [2]string{"same", "name-far-too-long-for-linux"}},
		{MTU: 10},
		{Queues: 100000},
	} {
		if p, err := Open(o); err == nil {
			p.Close()
			t.Errorf("Open(%+v): got no error", o)
		}
	}
}
