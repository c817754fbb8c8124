package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// vethPair puts the test into a network namespace of its own, with a veth pair
// of so many queues, both ends up. The namespace goes with the thread, which is
// never unlocked.
func vethPair(t *testing.T, queues int) (receiver, sender netlink.Link) {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	// Nothing but the test's frames: the host would announce itself.
	const disable = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
	if err := os.WriteFile(disable, []byte("1"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("silence IPv6: %v", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.NumRxQueues, attrs.NumTxQueues = "xcapa-rx", queues, queues
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "xcapa-tx"}); err != nil {
		t.Fatalf("add veth pair: %v", err)
	}
	var ends [2]netlink.Link
	for i, name := range []string{"xcapa-rx", "xcapa-tx"} {
		var err error
		if ends[i], err = netlink.LinkByName(name); err != nil {
			t.Fatalf("find %s: %v", name, err)
		}
		if err := netlink.LinkSetUp(ends[i]); err != nil {
			t.Fatalf("set %s up: %v", name, err)
		}
	}
	// Deleted here and now: the kernel takes a namespace apart in its own time.
	t.Cleanup(func() { netlink.LinkDel(ends[0]) })
	return ends[0], ends[1]
}

// send sends every frame from the interface, in order.
func send(t *testing.T, ifindex int, frames ...[]byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open packet socket: %v", err)
	}
	defer unix.Close(fd)
	for _, frame := range frames {
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ifindex}); err != nil {
			t.Fatalf("send %x: %v", frame, err)
		}
	}
}

// attach attaches the program in the given mode until the test ends.
func attach(t *testing.T, o *Objects, ifindex int, mode link.XDPAttachFlags) {
	t.Helper()
	l, err := link.AttachXDP(link.XDPOptions{Program: o.Program, Interface: ifindex, Flags: mode})
	if err != nil {
		t.Fatalf("attach %s: %v", o.program, err)
	}
	t.Cleanup(func() { l.Close() })
}

// waitCounters waits until the program has seen total frames.
func waitCounters(t *testing.T, o *Objects, total uint64) Counters {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		c := counters(t, o)
		if c.Total() >= total || time.Now().After(deadline) {
			return c
		}
	}
}

// vethFrames are frames that differ, at least 60 bytes each.
func vethFrames(t *testing.T, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		c := &frames[i%len(frames)]
		out[i] = append(c.bytes(t), bytes.Repeat([]byte{byte(i)}, 60)...)
	}
	return out
}

// TestVethRedirect is xsk_redirect on an interface, native and generic: what
// lies in the chunk is the frame, and the metadata in front of it.
func TestVethRedirect(t *testing.T) {
	for name, mode := range map[string]link.XDPAttachFlags{"native": link.XDPDriverMode, "generic": link.XDPGenericMode} {
		t.Run(name, func(t *testing.T) {
			receiver, sender := vethPair(t, 1)
			ifindex := receiver.Attrs().Index
			o, err := Load(Settings{Stamp: StampClock, SnapLength: 50, KeepPorts: []uint16{22, 53}}, false, ifindex)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			socket := openSocket(t, ifindex)
			if err := o.Sockets.Put(uint32(0), uint32(socket.fd)); err != nil {
				t.Fatal(err)
			}
			attach(t, o, ifindex, mode)
			data := vethFrames(t, 200)
			before := clockTAI(t)
			send(t, sender.Attrs().Index, data...)
			got := waitCounters(t, o, uint64(len(data)))
			i := uint64(0)
			for j, sent := range data {
				if frames[j%len(frames)].by == keptPort {
					continue
				}
				meta, frame := socket.receive(t)
				want := Meta{Timestamp: meta.Timestamp, Sequence: i, OriginalLength: uint32(len(sent))}
				if meta != want || meta.Timestamp < before || meta.Timestamp > clockTAI(t) {
					t.Errorf("%s: metadata\n got %+v\nwant %+v from %d on", frames[j%len(frames)].name, meta, want, before)
				}
				if !bytes.Equal(frame, sent[:50]) {
					t.Errorf("%s:\n got %x\nwant %x", frames[j%len(frames)].name, frame, sent[:50])
				}
				i++
			}
			if got != (Counters{Redirected: i, Kept: uint64(len(data)) - i}) {
				t.Errorf("counters: got %+v; %d of %d frames received", got, i, len(data))
			}
		})
	}
}

// pushVLAN makes the sender tag every frame the way a VLAN interface does: the
// tag travels beside the frame, as with a NIC that took it off.
func pushVLAN(t *testing.T, ifindex int, tci uint16) {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "push_vlan", Type: ebpf.SchedCLS, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R2, int32(binary.NativeEndian.Uint16([]byte{0x81, 0x00}))),
			asm.Mov.Imm(asm.R3, int32(tci)),
			asm.FnSkbVlanPush.Call(),
			asm.Mov.Imm(asm.R0, -1), // TCX_NEXT
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatalf("load push_vlan: %v", err)
	}
	defer program.Close()
	l, err := link.AttachTCX(link.TCXOptions{Program: program, Interface: ifindex, Attach: ebpf.AttachTCXEgress})
	if err != nil {
		t.Fatalf("attach push_vlan: %v", err)
	}
	t.Cleanup(func() { l.Close() })
}

// TestVethMeta is xsk_redirect_meta bound to a veth, whose driver tells hash
// and tag (its timestamp is empty).
func TestVethMeta(t *testing.T) {
	receiver, sender := vethPair(t, 1)
	ifindex := receiver.Attrs().Index
	o, err := Load(Settings{Stamp: StampClock, NICTime: true}, true, ifindex)
	if errors.Is(err, ErrNoMetadata) {
		t.Skipf("kernel feature missing: XDP metadata kfuncs of veth (Linux 6.3): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if !o.Kfuncs.Timestamp {
		t.Errorf("kfuncs: got %+v, want the timestamp", o.Kfuncs)
	}
	if _, err := o.Program.Run(&ebpf.RunOptions{Data: make([]byte, 64)}); err == nil {
		t.Error("a device-bound program was test-run: use that in place of this test")
	}
	socket := openSocket(t, ifindex)
	if err := o.Sockets.Put(uint32(0), uint32(socket.fd)); err != nil {
		t.Fatal(err)
	}
	attach(t, o, ifindex, link.XDPDriverMode)
	if o.Kfuncs.VLAN {
		pushVLAN(t, sender.Attrs().Index, 0x6064)
	} else {
		t.Log("kernel feature missing: bpf_xdp_metadata_rx_vlan_tag (Linux 6.8): tag not tested")
	}
	data := vethFrames(t, 50)
	before := clockTAI(t)
	send(t, sender.Attrs().Index, data...)
	redirected := waitCounters(t, o, uint64(len(data))).Redirected
	for i := range redirected {
		meta, frame := socket.receive(t)
		if !bytes.Equal(frame, data[i]) {
			t.Errorf("frame %d\n got %x\nwant %x", i, frame, data[i])
		}
		want := Meta{Timestamp: meta.Timestamp, Sequence: i, OriginalLength: uint32(len(data[i]))}
		if o.Kfuncs.VLAN {
			want.Flags, want.VlanTpid, want.VlanTci = FlagVLAN, 0x8100, 0x6064
		}
		if meta != want {
			t.Errorf("frame %d: metadata\n got %+v\nwant %+v", i, meta, want)
		}
		if meta.Timestamp < before || meta.Timestamp > clockTAI(t) {
			t.Errorf("frame %d: timestamp %d, want after %d", i, meta.Timestamp, before)
		}
	}
	if redirected != uint64(len(data)) {
		t.Errorf("%d of %d frames redirected", redirected, len(data))
	}
}

// TestMetaRefused: no device that tells, no program; the error says to do
// without.
func TestMetaRefused(t *testing.T) {
	needRoot(t)
	loopback := 1
	if o, err := Load(Settings{Stamp: StampClock}, true, loopback); !errors.Is(err, ErrNoMetadata) {
		t.Errorf("load for the loopback device: got %v, %v, want %v", o, err, ErrNoMetadata)
	}
	if o, err := Load(Settings{}, true, loopback); err == nil || errors.Is(err, ErrNoMetadata) {
		t.Errorf("load without a stamp: got %v, %v, want another error", o, err)
	}
}

// TestQueues: each queue has its own sequence, and only a queue with a socket.
func TestQueues(t *testing.T) {
	receiver, _ := vethPair(t, 2)
	ifindex := uint32(receiver.Attrs().Index)
	o := loadForRun(t, Settings{Stamp: StampSequence}, true) // queue 0
	data := frames[0].bytes(t)
	for i := range 6 {
		queue := uint32(i % 2)
		opts := ebpf.RunOptions{Data: data, DataOut: make([]byte, len(data)+MetaSize),
			Context: xdpMD{DataEnd: uint32(len(data)), IngressIfindex: ifindex, RxQueueIndex: queue}}
		verdict, err := o.Program.Run(&opts)
		if err != nil {
			t.Fatal(err)
		}
		if want := []uint32{verdictRedirect, verdictPass}[queue]; verdict != want {
			t.Errorf("queue %d: verdict %d, want %d", queue, verdict, want)
		}
	}
	if got, want := counters(t, o), (Counters{Redirected: 3, NoSocket: 3}); got != want {
		t.Errorf("counters: got %+v, want %+v", got, want)
	}
	if a, b := nextSequence(t, o, 0), nextSequence(t, o, 1); a != 3 || b != 0 {
		t.Errorf("sequences: got %d and %d, want 3 and 0", a, b)
	}
}

// Frames share a reading of the clock, so many and no more, and none from before
// the end of a poll.
func TestFramesOfAPollShareTheClock(t *testing.T) {
	_, sender := vethPair(t, 1)
	pin(t) // where a poll ends is where it is noted
	o := loadForRun(t, Settings{Stamp: StampClock, ShareClock: true}, true)
	if !o.SharesClock() {
		t.Fatal("the clock is not shared, as root")
	}
	frame := frames[0].bytes(t)
	stamp := func() uint64 {
		_, out := run(t, o, frame)
		return binary.NativeEndian.Uint64(out)
	}
	shared, same, last := 0, 0, uint64(0)
	for range 15 {
		// A NAPI poll, of the kernel's backlog: what it brings has no program here.
		send(t, sender.Attrs().Index, frame)
		before := tai(t)
		for i := range 3 * ClockShare {
			got := stamp()
			if i == 0 && got < before {
				t.Fatalf("the first frame after a poll has the time %d, %d ns before it came", got, before-got)
			}
			switch {
			case got < last:
				t.Fatalf("time went back, from %d to %d", last, got)
			case got == last:
				same++
				shared++
			default:
				same = 1
			}
			if last = got; same > ClockShare {
				t.Fatalf("%d frames have the same time, want %d at most", same, ClockShare)
			}
		}
	}
	if shared == 0 {
		t.Error("no two frames shared a reading")
	}

	o = loadForRun(t, Settings{Stamp: StampClock}, true)
	for range 20 {
		if first, second := stamp(), stamp(); first == second {
			t.Fatal("two frames have the same time, with nothing shared")
		}
	}
}

// pin keeps the test, whose thread is its own, on the core it is on.
func pin(t *testing.T) {
	t.Helper()
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if allowed.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
}

func tai(t *testing.T) uint64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_TAI, &now); err != nil {
		t.Fatal(err)
	}
	return uint64(now.Nano())
}
