package e2e

import (
	"context"
	"testing"
	"time"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// underLoad generates at pair until the test calls the function returned, which
// gives the number of frames sent.
func underLoad(t *testing.T, pair *veth.Pair) (stop func() uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience(20*time.Second))
	sent := make(chan uint64, 1)
	go func() {
		n, err := testnet.Generate(ctx, pair.Ends[0], testnet.Load{Rate: sized(50_000, 1_000), Flows: 4})
		if err != nil {
			t.Errorf("generate: %v", err)
		}
		sent <- n
	}()
	return func() uint64 { cancel(); return <-sent }
}

func TestSIGTERMUnderLoad(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	to := pair.Ends[1]
	addr := startBroker(t, to, "4")
	capture := startCapture(t, to, addr, "--engine", "afxdp")
	if !attached(t, to) {
		t.Fatal("no XDP program on the interface of a running capture")
	}
	stop := underLoad(t, pair)
	time.Sleep(500 * time.Millisecond)
	capture.stop(t)
	sent := stop()
	l := capture.final(t)
	if in := l.Rooms[0].In; in == 0 || in >= sent {
		t.Errorf("capture saw %d of %d frames, want some but not those after its end", in, sent)
	}
	if attached(t, to) {
		t.Error("an XDP program is still on the interface after SIGTERM")
	}
}

func TestSIGKILLUnderLoad(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	to := pair.Ends[1]
	addr := startBroker(t, to, "4")
	capture := startCapture(t, to, addr, "--engine", "afxdp")
	if !attached(t, to) {
		t.Fatal("no XDP program on the interface of a running capture")
	}
	stop := underLoad(t, pair)
	defer stop()
	time.Sleep(300 * time.Millisecond)
	capture.kill()
	await(t, time.Second, "no XDP program is left after SIGKILL", func() bool { return !attached(t, to) })
}
