package doctor

import (
	"fmt"
	"slices"

	"xcapa/bpf"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/host"
)

// queuesServed looks at the RX queues: can all be served, are all served by the
// capture that is running, and does RSS use them.
func (s *subject) queuesServed() Finding {
	if !s.xdp() {
		return okay("%d RX, all in one packet socket", s.queues)
	}
	if s.queues > bpf.MaxQueues {
		return stopping(&host.Problem{
			Found: fmt.Sprintf("%s has %d RX queues, %d is the most", s.Name, s.queues, bpf.MaxQueues),
			Why:   "each has a place in the program's map",
			Mend:  s.QueuesCommand(bpf.MaxQueues),
		})
	}
	if s.ownProgram() != "" {
		return s.sockets()
	}
	return s.spread(s.Spread())
}

// sockets looks for a queue without a socket under a capture that is running.
func (s *subject) sockets() Finding {
	queue, err := afxdp.QueueWithoutSocket(s.Index, s.queues)
	switch {
	case err != nil:
		return skipped("%v", err)
	case queue < 0:
		return okay("%d RX, each with a socket of the capture that is running", s.queues)
	}
	f := Finding{State: Fail,
		Found: fmt.Sprintf("queue %d of %d has no socket: frames that arrive there go to the host", queue, s.queues),
		Or:    "start the capture again: it takes the queues there are then"}
	if queue > 0 {
		f.Mend = s.QueuesCommand(queue)
	}
	return f
}

// spread looks at the RSS indirection table.
func (s *subject) spread(slots map[int]int) Finding {
	if s.queues == 1 {
		return okay("1 RX: one worker; more queues make more workers, where the NIC has them (ethtool -l %s)", s.Name)
	}
	if len(slots) == 0 {
		return okay("%d RX, the driver shows no RSS table", s.queues)
	}
	var idle []int
	for queue := range s.queues {
		if slots[queue] == 0 {
			idle = append(idle, queue)
		}
	}
	if len(idle) > 0 {
		return Finding{State: Warn,
			Found: fmt.Sprintf("%d RX, but RSS sends nothing to %v: their workers idle", s.queues, idle),
			Mend:  fmt.Sprintf("ethtool -X %s equal %d", s.Name, s.queues)}
	}
	sizes := make([]int, 0, len(slots))
	for _, n := range slots {
		sizes = append(sizes, n)
	}
	return okay("%d RX, RSS gives each %d to %d slots", s.queues, slices.Min(sizes), slices.Max(sizes))
}
