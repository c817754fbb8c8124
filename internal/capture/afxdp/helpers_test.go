package afxdp

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// TestMain runs the child of a test where the environment asks for one, and
// fails on goroutines left behind.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		runChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// open opens a device at end for the length of the test. The rings are small:
// less to pin.
func open(t testing.TB, end *veth.End, c Config) *Device {
	t.Helper()
	d, err := tryOpen(end, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func tryOpen(end *veth.End, c Config) (*Device, error) {
	c.Interface = end.Name
	if c.RingSize == 0 {
		c.RingSize = 1024
	}
	if c.Frames == 0 {
		c.Frames = 2 * c.RingSize
	}
	var d *Device
	err := end.Do(func() (err error) {
		d, err = Open(c)
		return err
	})
	return d, err
}

// got is one frame received, copied.
type got struct {
	capture.Frame
	queue int
}

// drain receives from all queues until each has been empty twice for quiet.
func drain(t testing.TB, d *Device, quiet time.Duration) []got {
	t.Helper()
	var all []got
	frames := make([]capture.Frame, 64)
	for _, s := range d.Sources() {
		for empty := 0; empty < 2; {
			n, err := s.Receive(frames, quiet)
			if err != nil {
				t.Fatalf("receive: %v", err)
			}
			if n == 0 {
				empty++
			}
			for _, f := range frames[:n] {
				f.Data = bytes.Clone(f.Data)
				all = append(all, got{f, s.Queue()})
			}
			s.Release()
		}
	}
	return all
}

// finish detaches, drains and checks the books: every room balanced, nothing in
// flight.
func finish(t testing.TB, d *Device) ([]got, map[string]ledger.Room) {
	t.Helper()
	if err := d.Detach(); err != nil {
		t.Fatalf("detach: %v", err)
	}
	frames := drain(t, d, 20*time.Millisecond)
	return frames, books(t, d)
}

// books checks that the final books balance and returns the rooms by name.
func books(t testing.TB, d *Device) map[string]ledger.Room {
	t.Helper()
	l := ledger.Ledger{Final: true, Rooms: d.Rooms()}
	l.Settle()
	if !l.Balanced {
		t.Errorf("books: %s", strings.Join(l.Imbalances(), "; "))
	}
	rooms := map[string]ledger.Room{}
	for _, r := range l.Rooms {
		rooms[r.Room] = r
	}
	return rooms
}

// numbered makes n frames of size bytes, numbered from 0, over flows.
func numbered(n, size, flows int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = testnet.Numbered(uint64(i), size, i%flows)
	}
	return frames
}
