package testnet

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"xcapa/internal/veth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNumbered(t *testing.T) {
	for _, size := range []int{MinNumbered, 60, 61, 1514} {
		for _, n := range []uint64{0, 1, 255, 1 << 40} {
			f := Numbered(n, size, 3)
			if len(f) != size {
				t.Fatalf("got %d bytes, want %d", len(f), size)
			}
			if got, err := CheckNumbered(f); got != n || err != nil {
				t.Fatalf("size %d: got %d, %v; want %d", size, got, err, n)
			}
			for i := range f {
				f[i] ^= 0x10
				if _, err := CheckNumbered(f); err == nil {
					t.Fatalf("size %d, n %d: a change of byte %d went unseen in % x", size, n, i, f)
				}
				f[i] ^= 0x10
			}
		}
	}
	if _, err := CheckNumbered(make([]byte, 60)); !errors.Is(err, ErrNotNumbered) {
		t.Errorf("zeros: got %v, want ErrNotNumbered", err)
	}
}

func TestDue(t *testing.T) {
	tests := []struct {
		name    string
		load    Load
		sent    uint64
		elapsed time.Duration
		n       int
		pause   time.Duration
	}{
		{"flat_out", Load{}, 1000, 0, sendBatch, 0},
		{"last_ones", Load{Frames: 1010}, 1000, 0, 10, 0},
		{"all_sent", Load{Frames: 1000}, 1000, 0, 0, 0},
		{"behind", Load{Rate: 1000}, 90, 100 * time.Millisecond, 10, 0},
		{"ahead", Load{Rate: 10000}, 1000, 100 * time.Millisecond, 0, 100 * time.Microsecond},
		{"far_ahead", Load{Rate: 10}, 10, 100 * time.Millisecond, 0, time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, pause := tt.load.due(tt.sent, tt.elapsed)
			if n != tt.n || pause != tt.pause {
				t.Errorf("got %d, %v; want %d, %v", n, pause, tt.n, tt.pause)
			}
		})
	}
}

// receive reads n frames at end with a packet socket of its own.
func receive(t *testing.T, end *veth.End, send func(), n int) [][]byte {
	t.Helper()
	fd := -1
	Do(t, end, func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: end.Index, Protocol: 0x0300})
	})
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		t.Fatal(err)
	}
	send()
	var frames [][]byte
	for len(frames) < n {
		b := make([]byte, 2048)
		k, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			t.Fatalf("after %d frames: %v", len(frames), err)
		}
		frames = append(frames, b[:k])
	}
	return frames
}

func TestSendAndGenerate(t *testing.T) {
	pair := Pair(t, veth.Options{})
	const n = 100
	frames := receive(t, pair.Ends[0], func() {
		var all [][]byte
		for i := range n {
			all = append(all, Numbered(uint64(i), 60+i, 0))
		}
		Send(t, pair.Ends[1], all...)
	}, n)
	for i, f := range frames {
		if got, err := CheckNumbered(f); got != uint64(i) || err != nil || len(f) != 60+i {
			t.Fatalf("frame %d: got %d, %v, %d bytes", i, got, err, len(f))
		}
	}
	start := time.Now()
	frames = receive(t, pair.Ends[0], func() {
		sent, err := Generate(context.Background(), pair.Ends[1], Load{Frames: n, Rate: 1000, Flows: 4})
		if sent != n || err != nil {
			t.Fatalf("generate: got %d, %v; want %d", sent, err, n)
		}
	}, n)
	if took := time.Since(start); took < 90*time.Millisecond {
		t.Errorf("%d frames at 1000/s took %v", n, took)
	}
	for i, f := range frames {
		if got, err := CheckNumbered(f); got != uint64(i) || err != nil {
			t.Fatalf("frame %d: got %d, %v", i, got, err)
		}
	}
}

func TestRunDelay(t *testing.T) {
	before, err := RunDelay()
	if err != nil {
		t.Fatal(err)
	}
	if before < 0 {
		t.Errorf("got %v, want 0 or more", before)
	}
	if busy, delay := WasBusy(time.Hour, func() {}); busy || delay < 0 {
		t.Errorf("doing nothing: got busy %v, %v", busy, delay)
	}
}

func BenchmarkGenerate(b *testing.B) {
	pair := Pair(b, veth.Options{})
	b.ResetTimer()
	if _, err := Generate(context.Background(), pair.Ends[1], Load{Frames: uint64(b.N), Rate: 0}); err != nil {
		b.Fatal(err)
	}
}
