package transmit

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"xcapa/internal/ledger"
)

// stuckPort takes so many frames and then no more, and finishes so many.
type stuckPort struct {
	room     int
	used     int
	finishes uint64
}

func (p *stuckPort) put([]byte) bool {
	if p.used == p.room {
		return false
	}
	p.used++
	return true
}
func (p *stuckPort) kick() (int, error)     { return 0, nil }
func (p *stuckPort) done() (uint64, uint64) { return p.finishes, 0 }
func (p *stuckPort) close() error           { return nil }

func stuckSender(t *testing.T, p *stuckPort) *Sender {
	t.Helper()
	l, err := openLink("lo")
	if err != nil {
		t.Skipf("no loopback interface that is up: %v", err)
	}
	s := &Sender{link: l, port: p}
	t.Cleanup(func() { s.Close() })
	return s
}

// A wire that takes nothing for five seconds is an error that says so, and a
// wait for it ends with ctx; the frame is counted either way.
func TestStuck(t *testing.T) {
	s := stuckSender(t, &stuckPort{room: 2, finishes: 2})
	frame := make([]byte, 60)
	for range 2 {
		if err := s.Send(context.Background(), frame); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Send(ctx, frame); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	s.stuck.since = s.stuck.since.Add(-stuckAfter)
	err := s.Send(context.Background(), frame)
	if err == nil || !strings.Contains(err.Error(), "has taken no frame for 5s") {
		t.Errorf("got %v, want it to say that nothing moves", err)
	}
	if err := s.Drain(); err != nil {
		t.Error(err)
	}
	checkRoom(t, s, 4, 2, map[ledger.Reason]uint64{ledger.Shutdown: 1, ledger.SendFailed: 1})
}

// What the kernel is not done with in time counts as not sent.
func TestDrainGivesUp(t *testing.T) {
	s := stuckSender(t, &stuckPort{room: 10, finishes: 3})
	for range 5 {
		if err := s.Send(context.Background(), make([]byte, 60)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if err := s.Drain(); err == nil || !strings.Contains(err.Error(), "2 frames were still on their way") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took < drainAtMost || took > drainAtMost+10*time.Second {
		t.Errorf("took %v", took)
	}
	checkRoom(t, s, 5, 3, map[ledger.Reason]uint64{ledger.SendFailed: 2})
}
