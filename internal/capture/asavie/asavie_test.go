package asavie

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// childEnv makes the test binary a child that captures. The package opens a
// queue once per process, so each capture has a process of its own.
const childEnv = "XCAPA_ASAVIE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := captureAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Sizes of the frames sent, in bytes: one of each.
const shortest, longest = 60, 1514

// captureAll captures one frame of each size on a pair of its own and compares
// them and the books.
func captureAll() error {
	pair, err := veth.Open(veth.Options{})
	if err != nil {
		return err
	}
	defer pair.Close()
	var d *Device
	err = pair.Ends[0].Do(func() (err error) {
		d, err = Open(afxdp.Config{Interface: pair.Ends[0].Name, RingSize: 2048, Frames: 4096, Mode: afxdp.Mode(os.Getenv(childEnv))})
		return err
	})
	if err != nil {
		return err
	}
	defer d.Close()
	sender, err := testnet.OpenSender(pair.Ends[1])
	if err != nil {
		return err
	}
	defer sender.Close()
	var sent [][]byte
	for size := shortest; size <= longest; size++ {
		sent = append(sent, testnet.Numbered(uint64(size), size, 0))
	}
	before := time.Now()
	if _, err := sender.Send(sent); err != nil {
		return err
	}
	if err := d.Detach(); err != nil {
		return err
	}
	if err := compare(d.Sources()[0], sent, before); err != nil {
		return err
	}
	for range 2 { // before Close and after it
		l := ledger.Ledger{Final: true, Rooms: d.Rooms()}
		l.Settle()
		if l.Rooms[1].Out != uint64(len(sent)) || !l.Balanced {
			return fmt.Errorf("books: %+v: %s", l.Rooms, strings.Join(l.Imbalances(), "; "))
		}
		if err := d.Close(); err != nil {
			return err
		}
	}
	if _, err := d.Sources()[0].Receive(make([]capture.Frame, 1), 0); !errors.Is(err, capture.ErrClosed) {
		return fmt.Errorf("receive after close: got %v, want ErrClosed", err)
	}
	return nil
}

// compare receives as many frames as were sent and compares each.
func compare(s capture.Source, sent [][]byte, before time.Time) error {
	frames := make([]capture.Frame, 64)
	for at := 0; at < len(sent); {
		n, err := s.Receive(frames, time.Second)
		if err != nil || n == 0 {
			return fmt.Errorf("got %d of %d frames: %w", at, len(sent), err)
		}
		for _, f := range frames[:n] {
			want := sent[at]
			if !bytes.Equal(f.Data, want) || int(f.OrigLen) != len(want) || f.Sequence != uint64(at) {
				return fmt.Errorf("frame %d: got %x (original %d, sequence %d), want %x", at, f.Data, f.OrigLen, f.Sequence, want)
			}
			if late := time.Unix(0, f.TimestampNanos).Sub(before); late < 0 || late > 5*time.Second {
				return fmt.Errorf("frame %d: time is %v behind the start", at, late)
			}
			at++
		}
		s.Release()
	}
	return nil
}

func TestCapture(t *testing.T) {
	testnet.RequireRoot(t)
	for _, mode := range []afxdp.Mode{afxdp.ModeNative, afxdp.ModeGeneric} {
		t.Run(string(mode), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
			cmd.Env = append(os.Environ(), childEnv+"="+string(mode))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestZeroCopyIsRefused(t *testing.T) {
	_, err := Open(afxdp.Config{Interface: "lo", ZeroCopy: afxdp.ZeroCopyRequire})
	if err == nil || !strings.Contains(err.Error(), "use --engine afxdp") {
		t.Errorf("got %v, want the engine that can", err)
	}
}
