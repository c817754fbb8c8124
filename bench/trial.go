package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/safchain/ethtool"

	"xcapa/internal/ledger"
	"xcapa/internal/measure"
	"xcapa/internal/veth"
)

// sample is what one trial gave.
type sample struct {
	Offered   uint64            `json:"offered,omitempty"`   // frames sent
	Delivered uint64            `json:"delivered"`           // frames counted, records acknowledged, documents answered
	Seconds   float64           `json:"seconds"`             // from the first frame until the last was settled
	Bytes     float64           `json:"bytes,omitempty"`     // of one frame, on average, without FCS
	CPU       float64           `json:"cpu_ns"`              // of the measured process, per delivered unit
	Other     float64           `json:"other_ns,omitempty"`  // of its broker or sink
	Kernel    float64           `json:"kernel_ns,omitempty"` // softirq of the generator's core, per offered frame
	Core      float64           `json:"core_ns,omitempty"`   // wall time of the generator's core per offered frame
	Delay     float64           `json:"run_delay"`           // share of the time its threads waited for a core
	Lost      map[string]uint64 `json:"lost,omitempty"`      // frames, by room and reason
	Allocs    float64           `json:"allocs,omitempty"`    // of memory, per operation
	Size      float64           `json:"size,omitempty"`      // bytes a unit takes where it ends up
	Repeated  bool              `json:"repeated,omitempty"`  // the first try was disturbed
}

// Rate is delivered units a second.
func (s sample) Rate() float64 { return float64(s.Delivered) / s.Seconds }

// LostShare is the share of what was offered that was not delivered.
func (s sample) LostShare() float64 {
	if s.Offered == 0 {
		return 0
	}
	return max(0, 1-float64(s.Delivered)/float64(s.Offered))
}

// traffic is what the generator sends.
type traffic struct {
	name  string
	flags []string
	bytes float64 // of a frame, on average
	rate  float64 // a second; 0: as many as it goes
}

var (
	small  = traffic{"60 B", []string{"--sizes", "60"}, 60, 0}
	medium = traffic{"512 B", []string{"--sizes", "512"}, 512, 0}
	large  = traffic{"1514 B", []string{"--sizes", "1514"}, 1514, 0}
	imix   = traffic{"IMIX", []string{"--imix"}, (7*60 + 4*590 + 1514) / 12., 0}
)

// at is t with a rate.
func (t traffic) at(rate float64) traffic {
	t.rate = rate
	return t
}

// flows is t with that many flows.
func (t traffic) flows(n int) traffic {
	t.flags = append(append([]string(nil), t.flags...), "--flows", strconv.Itoa(n))
	return t
}

// receiver is what stands at the other end of the wire.
type receiver struct {
	args   []string // "{if}": the interface, "{broker}": the broker's address
	kind   receiverKind
	broker bool // starts one that keeps nothing
	spins  bool
}

type receiverKind int

const (
	kindXcapa   receiverKind = iota // writes a ledger
	kindPeer                        // package peers' two lines
	kindTcpdump                     // says at its end what it got
)

// wire is a trial's veth pair with its processes.
type wire struct {
	h      *harness
	pair   *veth.Pair
	dir    string
	broker *process
	server int    // pid of the broker, ours or Kafka; 0: none
	addr   string // its address
	rx     *process
	stats  string
	runs   int // receivers so far

	senders []int // cores with a generator each
	app     []int // cores of what is measured
	other   int   // core of the broker
}

// openWire makes a pair whose receiving end also takes frames without an XDP
// program: with GRO on veth has a NAPI of its own.
func openWire(h *harness, queues int) (*wire, error) {
	pair, err := veth.Open(veth.Options{Queues: queues})
	if err != nil {
		return nil, err
	}
	w := &wire{h: h, pair: pair, senders: []int{h.place.Kernel}, app: []int{h.place.App}, other: h.place.Other}
	if w.dir, err = os.MkdirTemp("", "xcapa-bench-"); err == nil {
		err = pair.Ends[1].Do(func() error {
			tool, err := ethtool.NewEthtool()
			if err != nil {
				return err
			}
			defer tool.Close()
			return tool.Change(pair.Ends[1].Name, map[string]bool{"rx-gro": true})
		})
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *wire) close() {
	w.rx.kill()
	w.broker.kill()
	w.pair.Close()
	os.RemoveAll(w.dir)
}

// startBroker starts the embedded broker; with discard it keeps nothing: else
// storing is what would be measured.
func (w *wire) startBroker(flags ...string) (err error) {
	file := filepath.Join(w.dir, "port")
	os.Remove(file) // of an earlier one
	w.broker, err = startOn(w.pair.Ends[1].Start, w.other, append([]string{w.h.binary, "broker", "--port-file", file,
		"--topics", "xcapa.packets,xcapa.raw,xcapa.errors", "--partitions", "4"}, flags...)...)
	if err != nil {
		return err
	}
	w.server = w.broker.cmd.Process.Pid
	w.addr, err = awaitFile(file, w.broker)
	return err
}

// serverUsed is what the broker used so far; nothing where there is none.
func (w *wire) serverUsed() measure.CPU {
	c, _ := measure.Used(w.server)
	return c
}

func awaitFile(file string, p *process) (string, error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if b, _ := os.ReadFile(file); len(b) > 0 {
			return strings.TrimSpace(string(b)), nil
		}
		select {
		case <-p.done:
			return "", p.ended()
		default:
		}
	}
	return "", fmt.Errorf("%s is not ready after 20 s\n%s", p.name(), p.words.String())
}

// startReceiver starts r and waits until it takes frames.
func (w *wire) startReceiver(r receiver) (err error) {
	args := make([]string, 0, len(r.args)+4)
	for _, a := range r.args {
		args = append(args, replaceAll(a, "{if}", w.pair.Ends[1].Name, "{broker}", w.addr, "{xcapa}", w.h.binary, "{self}", w.h.self, "{python}", w.h.python))
	}
	if r.kind == kindXcapa {
		w.runs++
		w.stats = filepath.Join(w.dir, fmt.Sprint("stats-", w.runs))
		args = append(args, "--stats-file", w.stats, "--stats-interval", "50ms", "-q")
	}
	spawn := func(c *exec.Cmd) error { // two threads of the runtime's beside the workers
		c.Env = append(c.Env, fmt.Sprintf("GOMAXPROCS=%d", len(w.senders)+2))
		return measure.OnCores(w.app, func() error { return w.pair.Ends[1].Start(c) })
	}
	if w.rx, err = startOn(spawn, w.app[0], args...); err != nil {
		return err
	}
	switch r.kind {
	case kindXcapa:
		_, err = awaitFile(w.stats, w.rx)
	case kindPeer:
		_, err = w.rx.result(20 * time.Second)
	case kindTcpdump:
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(w.rx.words.String(), "listening on"); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("tcpdump does not listen: %s", w.rx.words.String())
			}
		}
		time.Sleep(100 * time.Millisecond) // it says so before it does
	}
	return err
}

// generate sends t for d from every core that sends, and says how many frames in
// what time.
func (w *wire) generate(t traffic, d time.Duration) (frames uint64, seconds float64, err error) {
	type sent struct {
		Frames  uint64
		Seconds float64
		err     error
	}
	answers := make(chan sent, len(w.senders))
	for _, core := range w.senders {
		go func() {
			var g sent
			g.Frames, g.Seconds, g.err = w.generateOn(core, t, d)
			answers <- g
		}()
	}
	for range w.senders {
		g := <-answers
		frames, seconds, err = frames+g.Frames, max(seconds, g.Seconds), errors.Join(err, g.err)
	}
	return frames, seconds, err
}

func (w *wire) generateOn(core int, t traffic, d time.Duration) (frames uint64, seconds float64, err error) {
	args := append([]string{w.h.binary, "bench", "generate", "-i", w.pair.Ends[0].Name, "--for", d.String()}, t.flags...)
	if t.rate > 0 {
		args = append(args, "--rate", strconv.FormatFloat(t.rate, 'f', -1, 64))
	}
	p, err := startOn(w.pair.Ends[0].Start, core, args...)
	if err != nil {
		return 0, 0, err
	}
	defer p.kill()
	l, err := p.line(d + 20*time.Second)
	if err != nil {
		return 0, 0, err
	}
	var g struct {
		Frames  uint64
		Seconds float64
	}
	if err := json.Unmarshal([]byte(l), &g); err != nil {
		return 0, 0, err
	}
	return g.Frames, g.Seconds, p.wait(20 * time.Second)
}

// measure runs r against t for d, on a wire and with a broker of its own.
func (h *harness) measure(r receiver, t traffic, d time.Duration) (s sample, err error) {
	w, err := openWire(h, 1)
	if err != nil {
		return s, err
	}
	defer w.close()
	return w.measure(r, t, d)
}

// measure runs r against t for d. Where r wants a broker and there is none yet, it
// gets one that keeps nothing.
func (w *wire) measure(r receiver, t traffic, d time.Duration) (s sample, err error) {
	if r.broker && w.server == 0 {
		if err := w.startBroker("--discard"); err != nil {
			return s, err
		}
	}
	if err := w.startReceiver(r); err != nil {
		return s, err
	}
	defer w.rx.kill()
	before, softirq := w.rx.used(), softirqSeconds(w.senders)
	serverBefore := w.serverUsed()
	frames, seconds, err := w.generate(t, d)
	if err != nil {
		return s, err
	}
	softirq = softirqSeconds(w.senders) - softirq
	generated := time.Now()
	used, rooms, err := w.settle(r, &s)
	if err != nil {
		return s, err
	}
	s.Offered, s.Bytes = frames, t.bytes
	s.Seconds = seconds
	if r.broker { // what lay in buffers was not delivered in the generator's time
		s.Seconds += max(0, time.Since(generated).Seconds()-settlePause.Seconds())
	}
	spent := used.Minus(before)
	s.CPU = float64(spent.Ran) / float64(max(s.Delivered, 1))
	s.Delay = spent.Delayed.Seconds() / s.Seconds
	s.Core = seconds * 1e9 * float64(len(w.senders)) / float64(max(frames, 1))
	s.Kernel = softirq * 1e9 / float64(max(frames, 1))
	s.Other = float64(w.serverUsed().Minus(serverBefore).Ran) / float64(max(s.Delivered, 1))
	s.Lost = losses(frames, s.Delivered, rooms)
	return s, nil
}

// settlePause is how long a reading must stay the same to be the last one.
const settlePause = 150 * time.Millisecond

// settle waits until the receiver has done its last work, reads what it used,
// and ends it.
func (w *wire) settle(r receiver, s *sample) (used measure.CPU, rooms []ledger.Room, err error) {
	switch r.kind {
	case kindXcapa:
		l, err := w.atRest()
		if err != nil {
			return used, nil, err
		}
		used = w.rx.used()
		s.Delivered = l.Rooms[len(l.Rooms)-1].Out
		w.rx.terminate()
		if err := w.rx.wait(90 * time.Second); err != nil { // --drain is 60 s
			return used, nil, err
		}
		final, err := ledger.ReadLast(w.stats)
		if err != nil {
			return used, nil, err
		}
		if !final.Final || !final.Balanced {
			return used, nil, fmt.Errorf("%s: the books do not balance: %s", w.rx.name(), final.Verdict())
		}
		s.Delivered = final.Rooms[len(final.Rooms)-1].Out
		return used, final.Rooms, nil
	case kindPeer:
		time.Sleep(settlePause)
		w.rx.terminate()
		res, err := w.rx.result(60 * time.Second)
		if err != nil {
			return used, nil, err
		}
		s.Delivered = res.Packets
		return w.rx.used(), []ledger.Room{{Room: "peer", Dropped: map[string]uint64{"by_its_own_count": res.Dropped}}}, nil
	}
	time.Sleep(settlePause)
	used = w.rx.used()
	w.rx.terminate()
	if err := w.rx.wait(10 * time.Second); err != nil {
		return used, nil, err
	}
	m := regexp.MustCompile(`(\d+) packets captured`).FindStringSubmatch(w.rx.words.String())
	d := regexp.MustCompile(`(\d+) packets dropped by kernel`).FindStringSubmatch(w.rx.words.String())
	if m == nil || d == nil {
		return used, nil, fmt.Errorf("tcpdump said: %s", w.rx.words.String())
	}
	s.Delivered, _ = strconv.ParseUint(m[1], 10, 64)
	dropped, _ := strconv.ParseUint(d[1], 10, 64)
	return used, []ledger.Room{{Room: "socket", Dropped: map[string]uint64{"socket_full": dropped}}}, nil
}

// atRest is the first ledger after which nothing moves any more.
func (w *wire) atRest() (*ledger.Ledger, error) {
	var last *ledger.Ledger
	since := time.Now()
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		l, err := ledger.ReadLast(w.stats)
		if err != nil || len(l.Rooms) == 0 {
			continue
		}
		moved := last == nil || l.Rooms[0].In != last.Rooms[0].In || l.Rooms[len(l.Rooms)-1].Out != last.Rooms[len(last.Rooms)-1].Out
		if last = l; moved || l.Rooms[len(l.Rooms)-1].InFlight > 0 {
			since = time.Now()
		}
		if time.Since(since) > settlePause {
			return l, nil
		}
		select {
		case <-w.rx.done:
			return nil, w.rx.ended()
		default:
		}
	}
	return nil, fmt.Errorf("%s does not come to rest", w.rx.name())
}

// losses says where frames went that were not delivered. What nobody counted
// was lost between generator and receiver: veth's own queue.
func losses(offered, delivered uint64, rooms []ledger.Room) map[string]uint64 {
	lost := map[string]uint64{}
	left := int64(offered) - int64(delivered)
	for _, r := range rooms {
		for reason, n := range r.Dropped {
			if n > 0 {
				lost[r.Room+" "+reason] += n
				left -= int64(n)
			}
		}
		left -= int64(r.Passed)
	}
	if left > 0 {
		lost["veth queue"] = uint64(left)
	}
	return lost
}

func replaceAll(s string, oldnew ...string) string { return strings.NewReplacer(oldnew...).Replace(s) }
