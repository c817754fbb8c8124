package broker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xcapa/internal/kafka"
	"xcapa/internal/message"
)

// childEnv makes the test binary a broker in a process of its own; its value is
// the limit.
const childEnv = "XCAPA_TEST_BROKER_LIMIT"

// childMain serves until standard input ends.
func childMain() {
	limit, err := strconv.ParseInt(os.Getenv(childEnv), 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		bufio.NewReader(os.Stdin).ReadByte()
		cancel()
	}()
	err = Run(ctx, Config{
		Topics: []string{topic}, Rings: []string{"errors"}, Partitions: 4, Limit: limit, TrimEvery: 200 * time.Millisecond,
		Ready: func(addr string) { fmt.Println(addr) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startChild starts a broker process and returns its address and id.
func startChild(t testing.TB, limit int64) (addr string, pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strconv.FormatInt(limit, 10))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("broker process: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid
}

// peakRSS is the most physical memory the process ever had, in bytes.
func peakRSS(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// TestMemoryStaysBelowLimit sends many times the limit through a broker process
// whose consumer commits, then fills it with nobody reading. Neither may take it
// over the limit.
func TestMemoryStaysBelowLimit(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("sends several hundred MB, and measures memory")
	}
	const limit, size = minLimit, 140_000
	const n = 300 << 20 / size
	addr, pid := startChild(t, limit)
	config := kafka.Config{Brokers: []string{addr}, MaxBufferedBytes: 8 << 20, Compression: "none"}
	var wg sync.WaitGroup
	wg.Go(func() { readAndCommit(t, newConsumer(t, addr), n) })
	p := newProducer(t, config)
	value := block(size)
	start := time.Now()
	for range n {
		if err := p.Produce(t.Context(), &message.Message{Topic: topic, Value: value, Packets: 1}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	t.Logf("%d MB through in %v, peak %d MiB of %d", n*size/1_000_000, time.Since(start).Round(time.Millisecond), peakRSS(t, pid)>>20, limit>>20)
	if peak := peakRSS(t, pid); peak > limit {
		t.Errorf("the broker took %d MiB while its topic was read, limit %d", peak>>20, limit>>20)
	}

	for range 3 * limit / size {
		p.TryProduce(&message.Message{Topic: topic, Value: value, Packets: 1})
		p.TryProduce(&message.Message{Topic: "errors", Value: value, Packets: 1})
		time.Sleep(500 * time.Microsecond)
	}
	time.Sleep(500 * time.Millisecond)
	r := p.Room()
	t.Logf("not read: %d taken, dropped %v, peak %d MiB", r.Out-n, r.Dropped, peakRSS(t, pid)>>20)
	if peak := peakRSS(t, pid); peak > limit {
		t.Errorf("the broker took %d MiB while nobody read, limit %d", peak>>20, limit>>20)
	}
	if r.DroppedTotal() == 0 {
		t.Error("nothing was dropped: the broker was not full")
	}
}
