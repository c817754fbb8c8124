package capture

import (
	"testing"
	"time"
)

// Naps grow while they bring little, and are short again under load; a small
// ring allows small ones only.
func TestNaps(t *testing.T) {
	took := func(n *Naps, frames int) time.Duration {
		n.napped = true
		n.Took(frames)
		return n.next
	}
	n := NewNaps(64, time.Second)
	for step, tt := range []struct {
		frames int
		want   time.Duration
	}{
		{40, shortNap}, {10, 2 * shortNap}, {40, 2 * shortNap}, {1, longNap}, {1, longNap}, {64, 2 * shortNap}, {64, shortNap}, {64, shortNap},
	} {
		if got := took(&n, tt.frames); got != tt.want {
			t.Errorf("step %d: batch of %d: got %v, want %v", step, tt.frames, got, tt.want)
		}
	}
	n.Took(1)
	if n.next != shortNap {
		t.Errorf("a batch without a nap: got %v, want %v", n.next, shortNap)
	}
	small := NewNaps(64, 3*time.Microsecond)
	if got := took(&small, 1); got > 3*time.Microsecond {
		t.Errorf("at most 3µs: got a nap of %v", got)
	}
	start := time.Now()
	n.Nap(10 * time.Millisecond)
	if d := time.Since(start); d < shortNap {
		t.Errorf("a nap of %v took %v", shortNap, d)
	}
}
