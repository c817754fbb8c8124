package cli

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/demo"
	"xcapa/internal/kafka"
	"xcapa/internal/pcap"
	"xcapa/internal/testpkt"
)

// captured is one packet of a file, as far as a raw topic keeps it.
type captured struct {
	nanos    int64
	origLen  uint32
	linkType uint16
	data     string
}

// readCapture is what of a file can be read, damage passed over.
func readCapture(t *testing.T, path string) (list []captured) {
	t.Helper()
	r, err := pcap.Open(path, pcap.Options{Resync: true})
	if err != nil {
		return nil
	}
	defer r.Close()
	for {
		p, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err == nil {
			list = append(list, captured{p.TimestampNanos, max(p.OrigLen, uint32(len(p.Data))), p.LinkType, string(p.Data)})
		}
	}
}

// Every capture among the test data comes back from a raw topic as it went in,
// one behind the other: every byte, length and link type, to the nanosecond; to
// the microsecond without the header of ours. In one partition, where packets
// that are not in the order of their times keep theirs.
func TestEveryCaptureComesBackFromARawTopic(t *testing.T) {
	brokers, _ := slowBroker(t, 10_000_000, "errs")
	var files []string
	var want []captured
	for _, path := range testpkt.Captures(t) {
		if list := readCapture(t, path); len(list) > 0 {
			files, want = append(files, path), append(want, list...)
		}
	}
	if len(files) < 100 {
		t.Fatalf("only %d captures can be read", len(files))
	}
	for _, headers := range []bool{true, false} {
		topic := fmt.Sprintf("raw-%v", headers)
		makeTopic(t, brokers, topic, 1)
		importRaw(t, brokers, topic, headers, files...)
		copied := filepath.Join(t.TempDir(), "copy.pcapng")
		runCommand(t, "consume", "-q", "--brokers", brokers, "--topic", topic, "-e", "-w", copied)
		comparePackets(t, topic, readCapture(t, copied), want, headers)
	}
	t.Logf("%d captures with %d packets", len(files), len(want))
}

// A capture whose packets are in the order of their times comes back in it over
// any number of partitions.
func TestACaptureComesBackOverManyPartitions(t *testing.T) {
	brokers, _ := slowBroker(t, 10_000_000, "errs")
	for _, name := range demo.Names {
		path := filepath.Join(t.TempDir(), "capture.pcap")
		if err := unpackBundled(name, path); err != nil {
			t.Fatal(err)
		}
		makeTopic(t, brokers, name, 7)
		importRaw(t, brokers, name, true, path)
		copied := filepath.Join(t.TempDir(), "copy.pcapng")
		runCommand(t, "consume", "-q", "--brokers", brokers, "--topic", name, "-e", "-w", copied)
		comparePackets(t, name, readCapture(t, copied), readCapture(t, path), true)
	}
}

func makeTopic(t *testing.T, brokers, topic string, partitions int32) {
	t.Helper()
	c := kafka.Config{Brokers: []string{brokers}, CreateTopics: kafka.CreateTopics{Allowed: true, Partitions: partitions}}
	if err := kafka.EnsureTopics(t.Context(), c, topic); err != nil {
		t.Fatal(err)
	}
}

// importRaw imports captures, some of which are damaged.
func importRaw(t *testing.T, brokers, topic string, headers bool, files ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"xcapa", "import", "-q", "--brokers", brokers, "--encoding", "raw", "--topic", topic, "--errors-topic", "errs",
		fmt.Sprintf("--raw-headers=%v", headers)}, files...)
	if code := Main(args, strings.NewReader(""), &stdout, &stderr); code != 0 && !strings.Contains(stderr.String(), "damaged") {
		t.Fatalf("exit status %d\n%s", code, stderr.Bytes())
	}
}

func comparePackets(t *testing.T, name string, got, want []captured, headers bool) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %d packets, want %d", name, len(got), len(want))
		return
	}
	for i := range want {
		w := want[i]
		if !headers { // what pycapa's message keeps
			w = captured{max(w.nanos, 0) / 1000 * 1000, uint32(len(w.data)), 1, w.data}
		}
		if got[i] != w {
			t.Errorf("%s: packet %d: got time %d, length %d of %d, link type %d; want %d, %d of %d, %d; same bytes: %v", name, i+1,
				got[i].nanos, len(got[i].data), got[i].origLen, got[i].linkType, w.nanos, len(w.data), w.origLen, w.linkType, got[i].data == w.data)
			return
		}
	}
}
