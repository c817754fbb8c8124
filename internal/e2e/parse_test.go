package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/codec"
	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/message"
	"xcapa/internal/testnet"
	"xcapa/internal/testpkt"
)

// longEnv asks for the tests at full length, not what every change can wait for.
const longEnv = "XCAPA_TEST_LONG"

// here runs xcapa on this host, not in a namespace: Kafka over loopback needs
// none.
func here(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{name: args[0], done: make(chan struct{})}
	p.stats = filepath.Join(t.TempDir(), "stats")
	args = append(args, "--stats-file", p.stats, "--stats-interval", "20ms")
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.words, &p.words
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(p.kill)
	return p
}

// ends waits for a command that ends by itself, which must be with exit 0.
func (p *process) ends(t *testing.T, limit time.Duration) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		t.Fatalf("%s did not end within %v:\n%s", p.name, limit, p.words.String())
	}
	if p.err != nil {
		t.Fatalf("%s: %v\n%s", p.name, p.err, p.words.String())
	}
}

// brokerHere starts a broker that keeps everything, unlike the embedded one, and
// returns its address.
func brokerHere(t *testing.T, partitions int32) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "xcapa.raw", "xcapa.packets", "xcapa.errors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

// sendRaw writes n frames as pycapa does, at rate a second, every tenth of them
// damaged.
func sendRaw(ctx context.Context, addr string, n, rate int, sent *atomic.Int64) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("xcapa.raw"),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(2*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	began := time.Now()
	for i := range n {
		if i%100 == 0 {
			if wait := time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))); wait > 0 {
				time.Sleep(wait)
			}
		}
		f := append([]byte(nil), testpkt.Vectors[0].Frame...)
		f[18], f[19] = byte(i>>8), byte(i)
		if i%10 == 7 {
			f = f[:30]
		}
		client.Produce(ctx, &kgo.Record{Key: codec.AppendRawKey(nil, (1338882754996790+int64(i))*1000), Value: f},
			func(_ *kgo.Record, err error) {
				if err == nil {
					sent.Add(1)
				}
			})
	}
	return client.Flush(ctx)
}

// readCommitted counts, of what a reader of committed messages sees on both
// topics, how often each raw message is there: records and error records.
func readCommitted(t *testing.T, addr string) (records, failures map[string]int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("xcapa.packets", "xcapa.errors"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records, failures = map[string]int{}, map[string]int{}
	rd := codec.NewReader(codec.EncodingAuto)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // quiet: all is read
		fetches := client.PollFetches(ctx)
		cancel()
		if fetches.NumRecords() == 0 {
			return records, failures
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Topic == "xcapa.errors" {
				var f codec.Failure
				if err := codec.ParseFailure(r.Value, &f); err != nil {
					t.Fatal(err)
				}
				failures[fmt.Sprintf("%s-%d-%d", f.Topic, f.Partition, f.Position)]++
				return
			}
			m := message.Message{Topic: r.Topic, Value: r.Value}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, message.Header(h))
			}
			if err := rd.Read(&m, func(row *codec.Row) error { records[string(row.ID)]++; return nil }); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestParseKilled kills parse with SIGKILL again and again while packets pass.
// At least once loses none, and Elasticsearch has each once. Exactly once gives
// each once to who reads what is committed.
func TestParseKilled(t *testing.T) {
	testnet.RequireRoot(t)
	n, kills := 40_000, 6
	if os.Getenv(longEnv) == "1" {
		n, kills = 200_000, 20
	}
	for name, flags := range map[string][]string{"at least once": nil, "exactly once": {"--exactly-once"}} {
		t.Run(name, func(t *testing.T) {
			addr := brokerHere(t, 4)
			var sent atomic.Int64
			done := make(chan error, 1)
			go func() { done <- sendRaw(t.Context(), addr, n, n/(kills/2), &sent) }()
			parse := func(more ...string) *process {
				args := append([]string{"parse", "--brokers", addr, "-q", "-X", "group.instance.id=e2e"}, flags...)
				return here(t, append(args, more...)...)
			}
			for kill := range kills {
				p := parse()
				await(t, patience(20*time.Second), "parse fetches", func() bool {
					l := p.books()
					return l != nil && l.Rooms[0].In > 0 || len(done) > 0
				})
				time.Sleep(time.Duration(kill) * 1500 / time.Duration(kills) * time.Millisecond) // before, in and after a commit
				p.kill()
			}
			if err := <-done; err != nil || sent.Load() != int64(n) {
				t.Fatalf("sent %d of %d: %v", sent.Load(), n, err)
			}
			last := parse("--once")
			last.ends(t, patience(60*time.Second))
			last.final(t)

			records, failures := readCommitted(t, addr)
			all := maps.Clone(records)
			maps.Copy(all, failures)
			if len(all) != n || len(records)+len(failures) != n || len(failures) != n/10 {
				t.Errorf("%d records and %d error records of %d messages, %d distinct", len(records), len(failures), n, len(all))
			}
			doubled := 0
			for _, m := range []map[string]int{records, failures} {
				for _, times := range m {
					doubled += times - 1
				}
			}
			t.Logf("%d kills, %d packets: %d delivered more than once", kills, n, doubled)
			if name == "exactly once" && doubled != 0 {
				t.Errorf("%d packets are there more than once", doubled)
			}
			checkIndexed(t, addr, len(records), doubled)
		})
	}
}

// checkIndexed brings what was parsed into Elasticsearch and into a store.
func checkIndexed(t *testing.T, addr string, want, doubled int) {
	t.Helper()
	server := elastictest.New(t)
	here(t, "index", "--brokers", addr, "--elasticsearch", server.URL(), "--once", "-q", "--group", "es").ends(t, patience(60*time.Second))
	if got := server.Count(); got != want {
		t.Errorf("Elasticsearch has %d documents, want %d", got, want)
	}
	dir := filepath.Join(t.TempDir(), "store")
	here(t, "index", "--brokers", addr, "--store", dir, "--once", "-q", "--group", "store").ends(t, patience(60*time.Second))
	rows, ids := countStore(t, dir)
	t.Logf("the store has %d rows of %d packets", rows, ids)
	if ids != int64(want) || rows < ids || rows > ids+int64(doubled) {
		t.Errorf("the store has %d rows, %d distinct ids; want %d and %d more rows at most", rows, ids, want, doubled)
	}
}
