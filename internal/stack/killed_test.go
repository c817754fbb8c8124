//go:build stack

package stack

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/record"
	"xcapa/internal/store"
	"xcapa/internal/testnet"
)

// A million packets go through Kafka while the indexer into the Parquet store
// is killed ten times: every packet is stored once.
func TestKilledIndexerStoresEachPacketOnce(t *testing.T) {
	const kills = 10
	p := newPlace(t)
	brokers := p.server(t, "kafka.sh")["XCAPA_TEST_KAFKA"]
	finish := p.produceMillion(t, brokers)

	dir := t.TempDir()
	// A static member gets its partitions back at once, not after the session
	// of the dead one has timed out.
	args := []string{"--brokers", brokers, "--topic", topic, "--group", "stack-killed", "-X", "group.instance.id=stack",
		"--store", dir, "--store-window", "50ms"}
	for i := range kills {
		s := p.xcapa(t, "index", args...)
		time.Sleep(time.Duration(500+rand.IntN(2500)) * time.Millisecond)
		_ = s.cmd.Process.Kill()
		s.done <- <-s.done
		t.Logf("kill %d: %d rows", i+1, rows(t, dir))
	}
	want := int64(room(finish(), "kafka").Out)
	s := p.xcapa(t, "index", append(args, "--once")...)
	last := room(s.wait(t), "parquet")
	if n := rows(t, dir); n != want {
		t.Errorf("%d rows stored, want %d", n, want)
	}
	if int64(last.Out) == want {
		t.Errorf("the last indexer stored all %d rows itself: no earlier one committed", want)
	}
	d, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := d.Distinct(t.Context(), store.Query{}, record.NameID)
	if err != nil || ids != want {
		t.Errorf("%d distinct ids, %v; want %d", ids, err, want)
	}
	if o := d.Overlaps(); len(o) > 0 {
		t.Errorf("files overlap: %v", o)
	}
	t.Logf("%d packets in %d files, %d rows stored by the last indexer", want, len(d.Files()), last.Out)
}

// produceMillion begins to bring a million packets into Kafka, over some 25 s
// where there is an interface to capture and at once where not. finish waits
// for them all and returns the capture's ledger.
func (p *place) produceMillion(t *testing.T, brokers string) (finish func() *ledger.Ledger) {
	t.Helper()
	const times = 5
	args := []string{"--brokers", brokers, "--topic", topic, "--partitions", strconv.Itoa(partitions)}
	if p.wire == nil {
		l := p.xcapa(t, "import", append(args, writeFile(t, times*packets))...).wait(t)
		return func() *ledger.Ledger { return l }
	}
	s := p.xcapa(t, "capture", append(args, "-i", p.near().Name, "--rings", "16384", "--frames", "32768")...)
	s.await(t, "its first ledger", 30*time.Second, func(*ledger.Ledger) bool { return true })
	sent := make(chan error, 1)
	go func() {
		_, err := testnet.Generate(t.Context(), p.far(), testnet.Load{Frames: times * packets, Rate: rate, Size: frameSize, Flows: flows})
		sent <- err
	}()
	return func() *ledger.Ledger {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		return s.end(t)
	}
}

// rows is how many rows the store in dir has.
func rows(t *testing.T, dir string) int64 {
	t.Helper()
	d, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.Count(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
