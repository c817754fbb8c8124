package main

import (
	"fmt"
	"slices"

	"xcapa/internal/measure"
)

// queuePlan says which cores do what with some queues.
type queuePlan struct {
	senders []int // one a queue: veth gives what core c sends to queue c modulo their number
	app     []int
	other   int
	own     bool // no core sends and receives
}

// planQueues needs a core that sends for each of n queues.
func planQueues(cores []int, n int) (p queuePlan, ok bool) {
	rest := slices.Clone(cores)
	for q := range n {
		i := slices.IndexFunc(rest, func(c int) bool { return c%n == q })
		if i < 0 {
			return p, false
		}
		p.senders = append(p.senders, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) < n {
		p.app, p.other = cores, cores[0]
		return p, true
	}
	p.own, p.app, p.other = true, rest[:n], p.senders[0]
	if len(rest) > n {
		p.other = rest[n]
	}
	return p, true
}

// overQueues: all together at saturation, a generator for each queue.
func (h *harness) overQueues() []curve {
	cores := measure.AllowedCores()
	queues := curve{Title: "Throughput against RX queues", X: "queues", Y: "packets/s, all queues together",
		Note: "A generator for each queue, as fast as it goes."}
	perCore := curve{Title: "Throughput against cores", X: "cores", Y: "packets/s", Note: "Two cores a queue: the generator with the kernel's work, and the worker."}
	for _, n := range []named{{"ring", ours(), ""}, {"whole path, arrow", toKafka("arrow", "snappy"), ""}} {
		line, wide := series{Name: n.name}, series{Name: n.name}
		for _, q := range []int{1, 2, 4, 8} {
			plan, ok := planQueues(cores, q)
			if !ok {
				continue
			}
			s, ok := h.queuesPoint(n, q, plan)
			if !ok {
				continue
			}
			line.Points = append(line.Points, [2]float64{float64(q), s.Rate()})
			if plan.own {
				wide.Points = append(wide.Points, [2]float64{float64(2 * q), s.Rate()})
			}
		}
		queues.Series, perCore.Series = append(queues.Series, line), append(perCore.Series, wide)
	}
	for _, q := range []int{2, 4} {
		switch plan, ok := planQueues(cores, q); {
		case !ok:
			h.leaveOut("throughput with %d queues: a veth pair spreads frames over its queues by the core that sends, which takes %d cores; there are %d", q, q, len(cores))
		case !plan.own:
			queues.Note += fmt.Sprintf(" With %d queues the %d cores send and receive at once: the generators take from the workers what these would need, and it says nothing about a NIC with %d queues.", q, len(cores), q)
		}
	}
	if len(cores) <= 4 {
		h.leaveOut("throughput against cores: a queue takes two, one for the kernel with the generator and one for its worker; there are %d", len(cores))
		return []curve{queues}
	}
	return []curve{queues, perCore}
}

func (h *harness) queuesPoint(n named, queues int, plan queuePlan) (sample, bool) {
	limit := 0.0 // where cores are shared, waiting is the rule
	if plan.own {
		limit = blocking
	}
	return h.curvePoint(fmt.Sprintf("%s, %d queues", n.name, queues), limit, func() (s sample, err error) {
		w, err := openWire(h, queues)
		if err != nil {
			return s, err
		}
		defer w.close()
		w.senders, w.app, w.other = plan.senders, plan.app, plan.other
		return w.measure(n.r, small.flows(4096), h.length)
	})
}
