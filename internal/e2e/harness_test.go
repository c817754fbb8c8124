package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/vishvananda/netlink"

	"xcapa/internal/ledger"
	"xcapa/internal/store"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// binary is the program under test: XCAPA_TEST_BINARY, or built by TestMain.
var binary string

// sized is what to ask of a machine, or of an emulator.
func sized[T any](machine, emulator T) T {
	if testnet.Emulated {
		return emulator
	}
	return machine
}

// patience is how long to wait for what a machine does within d.
func patience(d time.Duration) time.Duration { return sized(d, 10*d) }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // what is parallel here waits more than it works
	if os.Geteuid() != 0 && os.Getenv(testnet.RootEnv) != "1" {
		return m.Run() // every test skips
	}
	if binary = os.Getenv("XCAPA_TEST_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "xcapa-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "xcapa")
	if out, err := exec.Command("go", "build", "-o", binary, "xcapa/cmd/xcapa").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build xcapa: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// syncBuffer is a bytes.Buffer for a process and a test at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// process is a running xcapa.
type process struct {
	name  string
	cmd   *exec.Cmd
	words syncBuffer
	stats string
	done  chan struct{}
	err   error // valid after done
}

// start runs xcapa inside end, with a stats file. It is killed at the end of the
// test if it still runs.
func start(t *testing.T, end *veth.End, args ...string) *process {
	t.Helper()
	stats := filepath.Join(t.TempDir(), "stats")
	p := startQuiet(t, end, append(args, "--stats-file", stats, "--stats-interval", "50ms")...)
	p.stats = stats
	return p
}

// startQuiet is start without a stats file.
func startQuiet(t *testing.T, end *veth.End, args ...string) *process {
	t.Helper()
	p := &process{name: args[0], done: make(chan struct{})}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.words, &p.words
	if err := end.Start(p.cmd); err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop sends SIGTERM and wants exit 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience(20 * time.Second)):
		t.Fatalf("%s did not end within 20 s of SIGTERM:\n%s", p.name, p.words.String())
	}
	if p.err != nil {
		t.Fatalf("%s: got %v, want exit 0:\n%s", p.name, p.err, p.words.String())
	}
}

// says waits until the process has written text.
func (p *process) says(t *testing.T, text string) {
	t.Helper()
	p.saysOn(t, text, func() {})
}

// saysOn does act again and again until the process has written text.
func (p *process) saysOn(t *testing.T, text string, act func()) {
	t.Helper()
	for deadline := time.Now().Add(patience(10 * time.Second)); !strings.Contains(p.words.String(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not say %q:\n%s", p.name, text, p.words.String())
		}
		act()
	}
}

// books is the last ledger the process wrote; nil while there is none.
func (p *process) books() *ledger.Ledger {
	l, err := ledger.ReadLast(p.stats)
	if err != nil {
		return nil
	}
	return l
}

// ready waits for the first ledger: everything is open then.
func (p *process) ready(t *testing.T) {
	t.Helper()
	await(t, 10*time.Second, p.name+" is ready", func() bool {
		select {
		case <-p.done:
			t.Fatalf("%s ended before it was ready: %v\n%s", p.name, p.err, p.words.String())
		default:
		}
		return p.books() != nil
	})
}

// final is the last ledger of an ended process, which must balance.
func (p *process) final(t *testing.T) *ledger.Ledger {
	t.Helper()
	l := p.books()
	if l == nil {
		t.Fatalf("%s left no ledger:\n%s", p.name, p.words.String())
	}
	if !l.Final || !l.Balanced || len(l.Imbalances()) > 0 {
		t.Fatalf("%s: final %v: %s\n%s", p.name, l.Final, l.Verdict(), table(l))
	}
	return l
}

func table(l *ledger.Ledger) string {
	var b strings.Builder
	_ = l.WriteTable(&b)
	return b.String()
}

// await polls until ok holds and fails the test after limit.
func await(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	limit = patience(limit)
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so within %v: %s", limit, what)
		}
	}
}

// startBroker starts the embedded broker inside end and returns its address.
func startBroker(t *testing.T, end *veth.End, partitions string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "port")
	startQuiet(t, end, "broker", "--port-file", file, "--partitions", partitions, "--topics", "xcapa.packets,xcapa.errors,xcapa.raw")
	var addr string
	await(t, 10*time.Second, "the broker listens", func() bool {
		b, _ := os.ReadFile(file)
		addr = strings.TrimSpace(string(b))
		return addr != ""
	})
	return addr
}

// startCapture starts a capture on end and waits until it takes frames.
func startCapture(t *testing.T, end *veth.End, addr string, flags ...string) *process {
	t.Helper()
	p := start(t, end, append([]string{"capture", "-i", end.Name, "--brokers", addr}, flags...)...)
	p.ready(t)
	return p
}

// consume reads n values of topic from the beginning, over the broker in end.
func consume(t *testing.T, end *veth.End, addr, topic string, n int) [][]byte {
	t.Helper()
	var values [][]byte
	for _, r := range consumeRecords(t, end, addr, topic, n) {
		values = append(values, r.Value)
	}
	return values
}

// consumeRecords is consume with all of each record.
func consumeRecords(t *testing.T, end *veth.End, addr, topic string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Dialer(func(_ context.Context, network, host string) (conn net.Conn, err error) {
			err = end.Do(func() error { conn, err = net.DialTimeout(network, host, patience(time.Second)); return err })
			return conn, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience(20*time.Second))
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("got %d messages of %s, want %d", len(records), topic, n)
		}
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, r) })
	}
	return records
}

// attached reports whether an XDP program is on end.
func attached(t *testing.T, end *veth.End) bool {
	t.Helper()
	var on bool
	testnet.Do(t, end, func() error {
		link, err := netlink.LinkByName(end.Name)
		if err == nil {
			on = link.Attrs().Xdp != nil && link.Attrs().Xdp.Attached
		}
		return err
	})
	return on
}

// wantStore compares the store's rows and distinct ids with want.
func wantStore(t *testing.T, dir string, want uint64) {
	t.Helper()
	rows, ids := countStore(t, dir)
	if rows != int64(want) || ids != int64(want) {
		t.Fatalf("the store has %d rows, %d distinct ids; want %d of both", rows, ids, want)
	}
}

func countStore(t *testing.T, dir string) (rows, ids int64) {
	t.Helper()
	rows, ids, err := tryCountStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return rows, ids
}

// tryCountStore is countStore while an indexer writes: it may remove a file of
// its dead predecessor between the listing and the reading.
func tryCountStore(dir string) (rows, ids int64, err error) {
	d, err := store.Open(dir)
	if err != nil {
		return 0, 0, err
	}
	if rows, err = d.Count(context.Background(), store.Query{}); err != nil {
		return 0, 0, err
	}
	ids, err = d.Distinct(context.Background(), store.Query{}, "record_id")
	return rows, ids, err
}

// runDelay is how long the process' threads waited for a CPU.
func (p *process) runDelay() (total time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	for _, file := range files {
		var ran, delay int64
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if _, err := fmt.Sscan(string(b), &ran, &delay); err == nil {
			total += time.Duration(delay)
		}
	}
	return total
}
