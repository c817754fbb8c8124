package bpf

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestCeilingDrops: what Load's program redirects, LoadCeiling's drops, and
// counts the same.
func TestCeilingDrops(t *testing.T) {
	needRoot(t)
	o, err := LoadCeiling(Settings{Stamp: StampClock}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	frame := make([]byte, 60)
	if verdict, _ := run(t, o, frame); verdict != verdictPass {
		t.Errorf("without a socket: verdict %d, want %d", verdict, verdictPass)
	}
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := o.Sockets.Put(uint32(0), uint32(fd)); err != nil {
		t.Fatal(err)
	}
	const verdictDrop = 1
	if verdict, out := run(t, o, frame); verdict != verdictDrop || len(out) != len(frame)+MetaSize {
		t.Errorf("verdict %d with %d bytes, want %d with %d", verdict, len(out), verdictDrop, len(frame)+MetaSize)
	}
	if c := counters(t, o); c.Redirected != 1 || c.NoSocket != 1 {
		t.Errorf("counters %+v, want 1 redirected, 1 without a socket", c)
	}
}
