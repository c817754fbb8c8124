package store

import (
	"os"
	"strconv"
	"testing"
)

// TestMakeStore writes a store of many rows for measurements: XCAPA_MAKE_STORE
// names the folder, XCAPA_MAKE_ROWS the number of rows (default 1e7). Four
// queues of 2,000 flows each, 10 µs from packet to packet, two partitions,
// windows as in production.
func TestMakeStore(t *testing.T) {
	dir := os.Getenv("XCAPA_MAKE_STORE")
	if dir == "" {
		t.Skip("set XCAPA_MAKE_STORE to a folder to get a store of 10^7 rows there")
	}
	want := 10_000_000
	if s := os.Getenv("XCAPA_MAKE_ROWS"); s != "" {
		var err error
		if want, err = strconv.Atoi(s); err != nil {
			t.Fatalf("XCAPA_MAKE_ROWS: %v", err)
		}
	}
	makeStore(t, dir, want)
}

// makeStore writes a store of so many rows.
func makeStore(t testing.TB, dir string, want int) {
	const size, partitions = 1000, 2
	s := open(t, dir, Options{})
	for p := range int32(partitions) {
		assign(t, s, "xcapa.packets", p, 0)
	}
	var queues []*generator
	for q := range 4 {
		queues = append(queues, newGenerator(uint64(q), q))
	}
	for i := range want / size {
		m := testMessage("xcapa.packets", int32(i%partitions), int64(i/partitions))
		if err := s.Write(t.Context(), m, queues[i%4].block(size), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	if r := s.Room(); r.Out != uint64(want/size*size) {
		t.Fatalf("room %+v", r)
	}
}
