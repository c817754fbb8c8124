package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// latencyOverRate: how old packets are, by the kernel's stamp on arrival, when a
// broker that stores has acknowledged them, and when a consumer has them.
func (h *harness) latencyOverRate() []curve {
	c := latencyCurve("Latency against rate", "From the kernel's stamp on arrival, of packets that were not dropped. *Acknowledged*: the parts of `xcapa capture` with a clock where the broker's answer comes in. *Consumer*: `xcapa capture`, and a reader in another process on the same core. A block waits for 1,024 packets or its linger of 100 ms, which is what is seen at low rates.",
		"acknowledged", "consumer")
	for _, rate := range []float64{1e3, 10e3, 100e3, 300e3, 600e3, 1e6} {
		c.addLatency(0, rate, func() ([3]float64, error) { return h.onWire(rate, (*wire).untilAcknowledged) })
		c.addLatency(1, rate, func() ([3]float64, error) { return h.onWire(rate, (*wire).untilConsumed) })
	}
	return []curve{c}
}

func latencyCurve(title, note string, ends ...string) curve {
	c := curve{Title: title, Note: note, X: "packets/s", Y: "ms", LogX: true, LogY: true}
	for _, end := range ends {
		for _, p := range []string{"p50", "p99", "p99.9"} {
			c.Series = append(c.Series, series{Name: end + " " + p})
		}
	}
	return c
}

// addLatency adds the three quantiles of the which-th end at a rate.
func (c *curve) addLatency(which int, rate float64, f func() ([3]float64, error)) {
	q, err := f()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: latency at %s/s: %v\n", si(rate), err)
		return
	}
	fmt.Fprintf(os.Stderr, "  curve %-60s p50 %.2f, p99 %.2f, p99.9 %.2f ms\n", fmt.Sprintf("latency at %s/s, %s", si(rate), c.Series[3*which].Name), q[0], q[1], q[2])
	for i := range q {
		s := &c.Series[3*which+i]
		s.Points = append(s.Points, [2]float64{rate, q[i]})
	}
}

// onWire is f on a wire of its own with a broker that stores.
func (h *harness) onWire(rate float64, f func(*wire, float64) ([3]float64, error)) (q [3]float64, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return q, err
	}
	defer w.close()
	if err := w.startBroker("--limit", "2GiB"); err != nil {
		return q, err
	}
	return f(w, rate)
}

// untilAcknowledged is the age of packets at their acknowledgement: p50, p99 and
// p99.9 in ms.
func (w *wire) untilAcknowledged(rate float64) (q [3]float64, err error) {
	if err := w.startReceiver(peer("acknowledged", "-brokers", "{broker}")); err != nil {
		return q, err
	}
	defer w.rx.kill()
	if _, _, err := w.generate(small.flows(4096).at(rate), 2*time.Second); err != nil {
		return q, err
	}
	return w.rx.ages()
}

// untilConsumed is the same when a consumer has them.
func (w *wire) untilConsumed(rate float64) (q [3]float64, err error) {
	if err := w.startReceiver(toKafka("arrow", "snappy")); err != nil {
		return q, err
	}
	reader, err := startOn(w.pair.Ends[1].Start, w.h.place.App, w.h.self, "peer", "latency", "-brokers", w.addr)
	if err != nil {
		return q, err
	}
	defer reader.kill()
	if _, err := reader.result(20 * time.Second); err != nil {
		return q, err
	}
	if _, _, err := w.generate(small.flows(4096).at(rate), 2*time.Second); err != nil {
		return q, err
	}
	return reader.ages()
}

// ages lets what is on its way arrive, asks a peer to end and reads its answer.
func (p *process) ages() (q [3]float64, err error) {
	time.Sleep(500 * time.Millisecond)
	p.terminate()
	line, err := p.line(60 * time.Second)
	if err != nil {
		return q, err
	}
	var r struct{ P50, P99, P999 float64 }
	err = json.Unmarshal([]byte(line), &r)
	return [3]float64{r.P50, r.P99, r.P999}, err
}
