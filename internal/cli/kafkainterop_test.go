//go:build interop

package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/broker"
	"xcapa/internal/demo"
	"xcapa/internal/kafka"
	"xcapa/internal/pcap"
)

// program is the path of another program; the test is skipped without it.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("NOT TESTED: there is no %s (on Debian: apt-get install %s)", name, name)
	}
	return path
}

func output(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// xcapa runs a command line in this process.
func xcapa(t *testing.T, args ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := Main(append([]string{"xcapa"}, args...), strings.NewReader(""), &stdout, &stderr); code != 0 {
		t.Fatalf("xcapa %s: exit status %d\n%s", strings.Join(args, " "), code, stderr.Bytes())
	}
}

// testBroker is an embedded broker; its address.
func testBroker(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- broker.Run(ctx, broker.Config{Partitions: 4, Limit: 256 << 20, Ready: func(addr string) { ready <- addr }})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case addr := <-ready:
		return addr
	case err := <-ended:
		ended <- err
		t.Fatal(err)
		return ""
	}
}

// bundled is one of the demo's captures as a file.
func bundled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bundled.pcap")
	if err := unpackBundled(demo.Names[1], path); err != nil {
		t.Fatal(err)
	}
	return path
}

// packets are those of a capture file, each as time (to the microsecond),
// length on the wire and bytes.
func packets(t *testing.T, path string) (out []string) {
	t.Helper()
	r, err := pcap.Open(path, pcap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		p, err := r.Next()
		if err != nil {
			return out
		}
		out = append(out, fmt.Sprintf("%d %d %x", p.TimestampNanos/1000, p.OrigLen, p.Data))
	}
}

// kcat reads what capture writes to the raw topic, and consume reads what kcat
// writes: the same messages, byte for byte.
func TestInteropKcatReadsAndWritesTheRawTopic(t *testing.T) {
	kcat := program(t, "kcat")
	brokers, file := testBroker(t), bundled(t)
	want := packets(t, file)

	xcapa(t, "capture", "-q", "-r", file, "--encoding", "raw", "--brokers", brokers, "--topic", "pcap")
	out := output(t, nil, kcat, "-C", "-q", "-b", brokers, "-t", "pcap", "-o", "beginning", "-e", "-D", "", "-f", "%R%k%s")
	got := map[string]int{}
	for rest := out; len(rest) > 0; {
		n := int(binary.BigEndian.Uint32(rest)) // %R: the value's length
		micros := binary.BigEndian.Uint64(rest[4:])
		got[fmt.Sprintf("%d %d %x", micros, n, rest[12:12+n])]++
		rest = rest[12+n:]
	}
	for _, p := range want {
		if got[p] == 0 {
			t.Fatalf("kcat did not read packet %.60s...", p)
		}
		got[p]--
	}

	// The other way: 8 bytes of key, as pycapa has it, in front of a separator
	// that none of these frames holds.
	const separator, end = "<xcapa-key>", "<xcapa-end>"
	var stream bytes.Buffer
	for _, p := range want {
		var micros uint64
		var length int
		var frame string
		fmt.Sscan(p, &micros, &length, &frame)
		data, _ := hex.DecodeString(frame)
		stream.Write(binary.BigEndian.AppendUint64(nil, micros))
		stream.WriteString(separator)
		stream.Write(data)
		stream.WriteString(end)
	}
	if err := kafka.EnsureTopics(t.Context(), kafka.Config{Brokers: []string{brokers}, CreateTopics: kafka.CreateTopics{Allowed: true, Partitions: 3}}, "foreign"); err != nil {
		t.Fatal(err)
	}
	output(t, stream.Bytes(), kcat, "-P", "-b", brokers, "-t", "foreign", "-K", separator, "-D", end, "-X", "topic.partitioner=consistent_random")
	copied := filepath.Join(t.TempDir(), "copy.pcap")
	xcapa(t, "consume", "-q", "--brokers", brokers, "--topic", "foreign", "-e", "-F", "pcap", "-w", copied)
	sameSet(t, packets(t, copied), want)
	if !sortedByTime(packets(t, copied)) {
		t.Error("the packets of kcat's topic do not come in the order of their times")
	}
}

// sameSet compares packets without their order: kcat's keys do not order those
// of the same microsecond.
func sameSet(t *testing.T, got, want []string) {
	t.Helper()
	n := map[string]int{}
	for _, p := range got {
		n[p]++
	}
	for _, p := range want {
		n[p]--
	}
	for p, d := range n {
		if d != 0 {
			t.Fatalf("packet %.60s...: %+d", p, d)
		}
	}
}

func sortedByTime(packets []string) bool {
	last := int64(0)
	for _, p := range packets {
		var micros int64
		fmt.Sscan(p, &micros)
		if micros < last {
			return false
		}
		last = micros
	}
	return true
}

// tshark reads what consume writes, in every format, without complaint and with
// the bytes and times of the capture.
func TestInteropTsharkReadsWhatConsumeWrites(t *testing.T) {
	tshark := program(t, "tshark")
	brokers, file := testBroker(t), bundled(t)
	xcapa(t, "capture", "-q", "-r", file, "--encoding", "raw", "--brokers", brokers, "--topic", "pcap")
	summary := func(path string) string {
		return string(output(t, nil, tshark, "-n", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.protocols", "-e", "ip.src", "-e", "tcp.seq_raw", "-e", "tcp.checksum"))
	}
	want := summary(file)
	for _, format := range []string{"pcap", "pcapng", "nsecpcap"} {
		copied := filepath.Join(t.TempDir(), "copy."+format)
		xcapa(t, "consume", "-q", "--brokers", brokers, "--topic", "pcap", "-e", "-F", format, "-w", copied)
		if got := summary(copied); got != want {
			t.Errorf("%s: tshark sees another capture (%d and %d bytes of summary)", format, len(got), len(want))
		}
		if _, err := os.Stat(copied); err != nil {
			t.Fatal(err)
		}
	}
}
