package store

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// childEnv makes the test binary run a task instead of the tests.
const childEnv = "XCAPA_STORE_TEST_CHILD"

const crashPartitions = 3

// child runs a task of a parent test and ends the process.
func child(task string) {
	var err error
	switch task {
	case "consume":
		err = consume(os.Getenv("STORE_DIR"), os.Getenv("COMMIT_DIR"), os.Getenv("LIMIT"))
	case "diskfull":
		err = fillDisk(os.Getenv("STORE_DIR"))
	default:
		err = fmt.Errorf("no task %q", task)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// broker plays the part of Kafka that matters: messages that are made anew
// from their offset, and a committed offset that outlives the consumer.
type broker struct {
	dir       string
	partition int32

	mu      sync.Mutex
	settled map[int64]bool
	next    int64 // the first offset that is not settled
}

func (b *broker) path() string { return filepath.Join(b.dir, strconv.Itoa(int(b.partition))) }

// committed reads the committed offset, 0 if none is.
func (b *broker) committed() (int64, error) {
	text, err := os.ReadFile(b.path())
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

func (b *broker) settle(offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settled[offset] = true
	for b.settled[b.next] {
		delete(b.settled, b.next)
		b.next++
	}
	// Now and then a commit comes between two of these.
	if rand.IntN(20) == 0 {
		if err := b.write(); err != nil {
			panic(err)
		}
	}
}

// commit commits what is settled without a gap.
func (b *broker) commit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write()
}

func (b *broker) write() error {
	if err := os.WriteFile(b.path()+".new", strconv.AppendInt(nil, b.next, 10), 0o600); err != nil {
		return err
	}
	return os.Rename(b.path()+".new", b.path())
}

// consume writes the messages of all partitions from the committed offset to
// limit, committing all the while, as fast as it can.
func consume(dir, commits, limitText string) error {
	limit, err := strconv.ParseInt(limitText, 10, 64)
	if err != nil {
		return err
	}
	s, err := New(dir, Options{
		Window: 4 * time.Millisecond, WindowBytes: int64(300 * rowWidth),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	var brokers []*broker
	for p := range int32(crashPartitions) {
		b := &broker{dir: commits, partition: p, settled: map[int64]bool{}}
		if b.next, err = b.committed(); err != nil {
			return err
		}
		if err := s.Assigned("t", p, b.next); err != nil {
			return err
		}
		brokers = append(brokers, b)
	}
	stop := make(chan struct{})
	var committing sync.WaitGroup
	committing.Go(func() { // a commit can come at any moment
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(6000)) * time.Microsecond):
				for _, b := range brokers {
					if err := b.commit(); err != nil {
						panic(err)
					}
				}
			}
		}
	})
	fmt.Println("consuming")
	var first sync.Once
	var writing sync.WaitGroup
	errs := make([]error, len(brokers))
	for i, b := range brokers {
		start := b.next
		writing.Go(func() {
			for o := start; o < limit && errs[i] == nil; o++ {
				errs[i] = s.Write(context.Background(), testMessage("t", b.partition, o), plainRows(b.partition, o), func() {
					b.settle(o)
					first.Do(func() { fmt.Println("stored") })
				})
			}
		})
	}
	writing.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if err := s.Flush(context.Background()); err != nil {
		return err
	}
	close(stop)
	committing.Wait()
	for _, b := range brokers {
		if b.next != limit {
			return fmt.Errorf("partition %d: settled to %d of %d after Flush", b.partition, b.next, limit)
		}
		if err := b.commit(); err != nil {
			return err
		}
	}
	return s.Close()
}

// startConsumer starts consume in a process of its own and returns when it has
// said word: consuming, or stored once the first file is settled.
func startConsumer(t *testing.T, dir, commits string, limit int64, word string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=consume", "STORE_DIR="+dir, "COMMIT_DIR="+commits, fmt.Sprintf("LIMIT=%d", limit))
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == word {
			return cmd, &log
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	t.Fatalf("the consumer never said %q: %s", word, log.String())
	return nil, nil
}

// The process is killed again and again while it writes, renames, syncs,
// settles and commits; at the end every row is there once.
func TestKilledConsumerNeitherLosesNorDoubles(t *testing.T) {
	dir, commits := t.TempDir(), t.TempDir()
	removed, kills, enough, rest := 0, 0, 10, int64(1000)
	if testing.Short() {
		enough, rest = 3, 100
	}
	// Until a file had to be removed: only then did a kill fall between a
	// rename and its commit.
	for ; kills < enough || removed == 0 && kills < 60; kills++ {
		cmd, log := startConsumer(t, dir, commits, 1<<40, []string{"consuming", "stored"}[kills%2])
		time.Sleep(time.Duration(rand.IntN(60_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if strings.Contains(log.String(), "straddles") {
			t.Fatalf("after %d kills: %s", kills, log.String())
		}
		removed += strings.Count(log.String(), "written and not committed")
	}
	if removed == 0 {
		t.Errorf("no kill of %d fell between a rename and its commit: this test proves less than it should", kills)
	}
	limit := int64(0)
	for p := range int32(crashPartitions) {
		o, err := (&broker{dir: commits, partition: p}).committed()
		if err != nil {
			t.Fatal(err)
		}
		limit = max(limit, o+rest)
	}
	cmd, log := startConsumer(t, dir, commits, limit, "consuming")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("last consumer: %v: %s", err, log.String())
	}
	checkRows(t, dir, crashPartitions*rowsOf(0, limit-1))
	left, err := filepath.Glob(filepath.Join(dir, incomingDir, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
	t.Logf("%d kills, %d uncommitted files removed, %d messages a partition", kills, removed, limit)
}
