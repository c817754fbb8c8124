package main

import "testing"

// What core c sends reaches queue c modulo their number: each queue has one, and
// shares it only where there are too few.
func TestPlanQueues(t *testing.T) {
	for _, tt := range []struct {
		cores   []int
		queues  int
		ok, own bool
	}{
		{[]int{0, 1}, 1, true, true}, {[]int{0, 1}, 2, true, false}, {[]int{0, 1}, 4, false, false},
		{[]int{2, 4}, 2, false, false}, {[]int{0, 1, 2, 3}, 2, true, true}, {[]int{3, 4, 5, 6, 8, 9, 10, 11, 12}, 4, true, true},
	} {
		p, ok := planQueues(tt.cores, tt.queues)
		if ok != tt.ok || p.own != tt.own {
			t.Errorf("%d queues on %v: %+v, %v", tt.queues, tt.cores, p, ok)
		}
		if !ok {
			continue
		}
		reached, used := map[int]bool{}, map[int]bool{}
		for _, c := range p.senders {
			reached[c%tt.queues], used[c] = true, true
		}
		if len(reached) != tt.queues || len(p.app) < tt.queues {
			t.Errorf("%d queues on %v: %+v", tt.queues, tt.cores, p)
		}
		for _, c := range p.app {
			if p.own && used[c] {
				t.Errorf("core %d sends and receives: %+v", c, p)
			}
		}
	}
}
