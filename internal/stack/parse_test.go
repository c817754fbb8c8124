//go:build stack

package stack

import (
	"math/rand/v2"
	"testing"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/record"
	"xcapa/internal/store"
)

// 200,000 raw messages are parsed by a process that is killed twenty times. At
// least once loses none; with transactions a reader of committed messages (index
// is one) gets each packet once.
func TestKilledParse(t *testing.T) {
	const kills = 20
	// Slow enough for all twenty to find something to do; what a kill aborts with
	// transactions is done again.
	rates := map[string]string{"at_least_once": "1500", "exactly_once": "3000"}
	for name, flags := range map[string][]string{"at_least_once": nil, "exactly_once": {"--exactly-once"}} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			brokers := p.server(t, "kafka.sh")["XCAPA_TEST_KAFKA"]
			raw, parsed := "stack.raw."+name, "stack.parsed."+name
			p.xcapa(t, "import", "--brokers", brokers, "--encoding", "raw", "--topic", raw, "--partitions", "4", writeFile(t, packets)).wait(t)
			args := append([]string{"--brokers", brokers, "--topic", raw, "--output-topic", parsed, "--group", name, "-X", "group.instance.id=stack"}, flags...)
			for i := range kills {
				s := p.xcapa(t, "parse", append(args, "--rate", rates[name])...)
				s.await(t, "it fetches", 30*time.Second, func(l *ledger.Ledger) bool { return l.Rooms[0].In > 0 })
				time.Sleep(time.Duration(rand.IntN(2500)) * time.Millisecond) // a transaction is a second and more at this rate
				_ = s.cmd.Process.Kill()
				s.done <- <-s.done
				t.Logf("kill %d", i+1)
			}
			last := room(p.xcapa(t, "parse", append(args, "--once")...).wait(t), "kafka")
			if last.Out == 0 || last.Out == packets {
				t.Errorf("the last parse wrote %d of %d records: want a part, else nothing was killed in the middle", last.Out, packets)
			}
			dir := t.TempDir()
			p.xcapa(t, "index", "--brokers", brokers, "--topic", parsed, "--group", name+"-index", "--store", dir, "--once").wait(t)
			d, err := store.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			n := rows(t, dir)
			ids, err := d.Distinct(t.Context(), store.Query{}, record.NameID)
			if err != nil || ids != packets {
				t.Errorf("%d distinct packets, %v; want %d", ids, err, packets)
			}
			if flags != nil && n != packets {
				t.Errorf("%d records are there for %d packets", n, packets)
			}
			t.Logf("%d packets, %d of them more than once", ids, n-ids)
		})
	}
}
