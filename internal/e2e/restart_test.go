package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// secondWire makes another wire with both ends in end's namespace; what in
// sends arrives at out.
func secondWire(t *testing.T, end *veth.End) (in, out *veth.End) {
	t.Helper()
	wire := netlink.NewVeth(named("second0"))
	wire.PeerName = "second1"
	addLink(t, end, wire)
	out = beside(t, end, "second1")
	testnet.Do(t, end, func() error {
		link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: out.Index}}
		if err := netlink.LinkSetIP6AddrGenMode(link, 1); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	return beside(t, end, "second0"), out
}

// TestNoIDTwice captures on two interfaces at once, twice in the same boot. No
// two packets may have the same id: Elasticsearch would take one for the other
// and answer 409, and nobody would ever see it.
func TestNoIDTwice(t *testing.T) {
	testnet.RequireRoot(t)
	pair := testnet.Pair(t, veth.Options{})
	to := pair.Ends[1]
	in, out := secondWire(t, to)
	addr := startBroker(t, to, "4")
	var elastic *elastictest.Server
	testnet.Do(t, to, func() error { elastic = elastictest.New(t); return nil })
	dir := filepath.Join(t.TempDir(), "store")
	toElastic := start(t, to, "index", "--brokers", addr, "--elasticsearch", elastic.URL(), "--group", "elastic", "--quiet")
	toStore := start(t, to, "index", "--brokers", addr, "--store", dir, "--store-window", "1s", "--group", "store", "--quiet")

	const each, starts = 500, 2
	frames := make([][]byte, each)
	for i := range frames {
		frames[i] = testnet.Numbered(uint64(i), 80, i%8)
	}
	for range starts {
		capture := startCapture(t, to, addr, "--engine", "afxdp", "-i", out.Name)
		testnet.Send(t, pair.Ends[0], frames...)
		testnet.Send(t, in, frames...)
		capture.stop(t)
		if in := capture.final(t).Rooms[0].In; in != 2*each {
			t.Fatalf("the two interfaces saw %d frames, want %d", in, 2*each)
		}
	}
	const total = 2 * each * starts
	for _, index := range []*process{toElastic, toStore} {
		await(t, 30*time.Second, "all is indexed", func() bool {
			l := index.books()
			return l != nil && len(l.Rooms) > 0 && l.Rooms[len(l.Rooms)-1].In >= total
		})
		index.stop(t)
		last := index.final(t).Rooms
		if room := last[len(last)-1]; room.Out != total || room.Counts["already_indexed"] != 0 {
			t.Errorf("room %s: %d out, counts %v; want %d and none already indexed", room.Room, room.Out, room.Counts, total)
		}
	}
	if s := elastic.Stats(); s.Created != total || s.Conflict != 0 {
		t.Errorf("Elasticsearch made %d documents and refused %d for their id; want %d and 0", s.Created, s.Conflict, total)
	}
	wantStore(t, dir, total)
}
