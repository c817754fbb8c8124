package cli

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/ledger"
	"xcapa/internal/pcap"
	"xcapa/internal/testpkt"
)

// runCommand runs a command line in this process, with its ledgers in a file,
// and returns the last one.
func runCommand(t *testing.T, args ...string) *ledger.Ledger {
	t.Helper()
	stats := filepath.Join(t.TempDir(), "stats.json")
	var stdout, stderr bytes.Buffer
	line := append([]string{"xcapa"}, args...)
	if code := Main(append(line, "--stats-file", stats), strings.NewReader(""), &stdout, &stderr); code != 0 {
		t.Fatalf("%s: exit status %d\n%s", strings.Join(line, " "), code, stderr.Bytes())
	}
	text, err := os.ReadFile(stats)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	var l ledger.Ledger
	if err := json.Unmarshal(lines[len(lines)-1], &l); err != nil {
		t.Fatal(err)
	}
	if !l.Final || !l.Balanced {
		t.Errorf("%s: the last ledger is final: %v, balanced: %v", line[1], l.Final, l.Balanced)
	}
	return &l
}

func roomOf(t *testing.T, l *ledger.Ledger, name string) ledger.Room {
	t.Helper()
	for _, r := range l.Rooms {
		if r.Room == name {
			return r
		}
	}
	t.Fatalf("there is no room %s in %+v", name, l)
	return ledger.Room{}
}

// numberedFile is a capture of n UDP frames, each with its number as data, a
// microsecond apart.
func numberedFile(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "numbered.pcap")
	w, err := pcap.Create(path, pcap.WriteOptions{Format: pcap.PCAP, Interfaces: []pcap.Interface{{Name: "x", LinkType: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	frame := testpkt.Ethernet(0x0800, testpkt.IPv4(testpkt.IPv4Header{Protocol: 17}, testpkt.UDP(1, 2, make([]byte, 8))))
	for i := range n {
		binary.BigEndian.PutUint64(frame[42:], uint64(i))
		if err := w.Write(0, 1_700_000_000_000_000_000+int64(i)*1000, uint32(len(frame)), frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// slowBroker takes so many messages a second and no more; stored counts them.
func slowBroker(t *testing.T, perSecond int, topics ...string) (addr string, stored *atomic.Int64) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	stored = &atomic.Int64{}
	start := time.Now()
	c.ControlKey(kmsg.Produce.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		n := int64(0)
		for _, topic := range r.(*kmsg.ProduceRequest).Topics {
			for _, p := range topic.Partitions {
				var batch kmsg.RecordBatch
				if batch.ReadFrom(p.Records) == nil {
					n += int64(batch.NumRecords)
				}
			}
		}
		due := start.Add(time.Duration(stored.Add(n)) * time.Second / time.Duration(perSecond))
		time.Sleep(time.Until(due))
		return nil, nil, false
	})
	return c.ListenAddrs()[0], stored
}

// A file waits for the brokers, however slow: nothing of it is dropped, with a
// message a packet and a buffer that overflows dozens of times.
func TestImportWaitsForASlowBroker(t *testing.T) {
	const n, perSecond = 30_000, 20_000
	brokers, stored := slowBroker(t, perSecond, "raw", "errs")
	began := time.Now()
	l := runCommand(t, "import", "-q", "--brokers", brokers, "--encoding", "raw", "--topic", "raw", "--errors-topic", "errs",
		"--buffer", "1MiB", numberedFile(t, n))
	if r := roomOf(t, l, "kafka"); r.In != n || r.Out != n || r.DroppedTotal() != 0 || r.Messages != n {
		t.Errorf("got %+v; want %d in, out and messages, none dropped", r, n)
	}
	if got := stored.Load(); got != n {
		t.Errorf("the broker stored %d messages, want %d", got, n)
	}
	if took := time.Since(began); took < n*time.Second/perSecond {
		t.Errorf("it took %v: the broker was not slow", took)
	}
}

// A million packets into a broker that takes a thousand messages a second.
func TestImportAMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("a million packets: not with -short")
	}
	const n, perSecond = 1_000_000, 1000
	brokers, stored := slowBroker(t, perSecond, "blocks", "errs")
	began := time.Now()
	l := runCommand(t, "import", "-q", "--brokers", brokers, "--topic", "blocks", "--errors-topic", "errs", "--buffer", "8MiB", numberedFile(t, n))
	r := roomOf(t, l, "kafka")
	if r.In != n || r.Out != n || r.DroppedTotal() != 0 {
		t.Errorf("got %+v; want %d in and out, none dropped", r, n)
	}
	if want := uint64((n + 1023) / 1024); r.Messages != want || stored.Load() != int64(want) {
		t.Errorf("got %d messages, %d stored; want %d", r.Messages, stored.Load(), want)
	}
	t.Logf("%d packets in %d messages after %v", r.Out, r.Messages, time.Since(began).Round(time.Millisecond))
}

// Importing a file again indexes nothing twice: every id is there already.
func TestImportTwiceIndexesOnce(t *testing.T) {
	brokers, _ := slowBroker(t, 1_000_000, "packets", "errs")
	es := elastictest.New(t)
	file := filepath.Join("..", "..", "testdata", "pcap", "hard", "Hurence_logisland", "4-TCP-packets.pcap")
	for pass := range 2 {
		runCommand(t, "import", "-q", "--brokers", brokers, "--topic", "packets", "--errors-topic", "errs", file)
		l := runCommand(t, "index", "-q", "--once", "--brokers", brokers, "--topic", "packets", "--errors-topic", "errs", "--elasticsearch", es.URL())
		r := roomOf(t, l, "elastic")
		if want := uint64(4 * pass); r.In != 4 || r.Out != 4 || r.Counts["already_indexed"] != want {
			t.Errorf("pass %d: got %+v; want 4 in and out, %d of them already indexed", pass+1, r, want)
		}
	}
}

// The damaged frames of a file are all on the errors topic, without a limit,
// unless one is given; then those over it are counted to the last one.
func TestImportCountsErrorRecords(t *testing.T) {
	const n = 3000
	path := filepath.Join(t.TempDir(), "bad.pcap")
	w, err := pcap.Create(path, pcap.WriteOptions{Format: pcap.PCAP, Interfaces: []pcap.Interface{{Name: "x", LinkType: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	frame := testpkt.Ethernet(0x0800, []byte{0x45, 0, 0, 40}) // an IPv4 header that ends too early
	for i := range n {
		if err := w.Write(0, int64(i), uint32(len(frame)), frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for limit, check := range map[int]func(delivered, suppressed uint64) bool{
		0:   func(d, s uint64) bool { return d == n && s == 0 },
		100: func(d, s uint64) bool { return d >= 100 && s > 0 && d+s == n },
	} {
		brokers, stored := slowBroker(t, 1_000_000, "packets", "errs")
		args := []string{"import", "-q", "--brokers", brokers, "--topic", "packets", "--errors-topic", "errs", "--errors-per-second", fmt.Sprint(limit), path}
		r := roomOf(t, runCommand(t, args...), "kafka")
		delivered, suppressed := r.Counts[ledger.ErrorsTopic], r.Dropped[ledger.ErrorSuppressed]
		if !check(delivered, suppressed) || uint64(stored.Load()) != delivered || r.In != n {
			t.Errorf("with a limit of %d: got %+v, %d stored", limit, r, stored.Load())
		}
	}
}
