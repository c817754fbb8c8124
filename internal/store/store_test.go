package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xcapa/internal/codec"
	"xcapa/internal/indexer"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

var _ indexer.Destination = (*Store)(nil)

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		child(task)
	}
	goleak.VerifyTestMain(m)
}

// plainRows are the rows of the message at offset: 1 to 5 of them, each with an
// id of its own, packet time a millisecond further with each message.
func plainRows(partition int32, offset int64) []codec.Row {
	origin := &record.Origin{Host: "probe-1", Run: "0123456789ab", Interface: "eth1", Queue: int(partition)}
	rows := make([]codec.Row, 1+offset%5)
	for i := range rows {
		r := &rows[i].Record
		r.Sequence = uint64(offset*5 + int64(i))
		r.TimestampNanos = testStart + offset*1e6 + int64(i)
		r.OrigLen, r.CapLen = 60, 60
		r.SourceAddress = [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: byte(offset)}
		set(&r.Packet, record.FieldSequence, packet.FieldSourceAddress)
		rows[i].Origin = origin
		rows[i].ID = record.AppendID(nil, r, origin)
	}
	return rows
}

// rowsOf is how many rows the messages from first to last have.
func rowsOf(first, last int64) (n int64) {
	for o := first; o <= last; o++ {
		n += 1 + o%5
	}
	return n
}

func open(t testing.TB, dir string, opt Options) *Store {
	t.Helper()
	s, err := New(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func assign(t testing.TB, s *Store, topic string, partition int32, offset int64) {
	t.Helper()
	if err := s.Assigned(topic, partition, offset); err != nil {
		t.Fatal(err)
	}
}

// write writes the messages from first to last and returns the offsets in the
// order in which they are settled.
func write(t *testing.T, s *Store, topic string, partition int32, first, last int64) *settles {
	t.Helper()
	var log settles
	for o := first; o <= last; o++ {
		err := s.Write(t.Context(), testMessage(topic, partition, o), plainRows(partition, o), func() { log.add(o) })
		if err != nil {
			t.Fatal(err)
		}
	}
	return &log
}

type settles struct {
	mu      sync.Mutex
	offsets []int64
}

func (s *settles) add(o int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offsets = append(s.offsets, o)
}

func (s *settles) all() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.offsets)
}

func flush(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// checkRows fails unless the directory holds want rows, all different.
func checkRows(t *testing.T, dir string, want int64) *Dataset {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.Count(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := d.Distinct(t.Context(), Query{}, record.NameID)
	if err != nil {
		t.Fatal(err)
	}
	if n != want || ids != want {
		t.Fatalf("%d rows with %d different ids, want %d; files %s", n, ids, want, names(d))
	}
	if o := d.Overlaps(); len(o) > 0 {
		t.Fatalf("files overlap: %v", o)
	}
	return d
}

func names(d *Dataset) (out []string) {
	for _, f := range d.Files() {
		out = append(out, filepath.Base(f.Path))
	}
	return out
}

func TestNothingIsSettledBeforeItIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	log := write(t, s, "t", 0, 0, 9)
	if got := log.all(); len(got) != 0 {
		t.Fatalf("settled %v while the window is open", got)
	}
	checkRows(t, dir, 0)
	flush(t, s)
	checkRows(t, dir, rowsOf(0, 9))
	// Last to first, so that no commit can stop inside the file.
	if got, want := log.all(), []int64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}; !slices.Equal(got, want) {
		t.Fatalf("settled in order %v, want %v", got, want)
	}
	r := s.Room()
	if r.In != uint64(rowsOf(0, 9)) || r.Out != r.In || r.Messages != 10 || r.Counts["files"] != 1 {
		t.Fatalf("room %+v", r)
	}
}

func TestWindowClosesByTime(t *testing.T) {
	const window = 300 * time.Millisecond
	s := open(t, t.TempDir(), Options{Window: window})
	assign(t, s, "t", 0, 0)
	began := time.Now()
	log := write(t, s, "t", 0, 0, 3)
	if err := waitFor("the window closes by itself", func() bool { return len(log.all()) == 4 }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < window {
		t.Errorf("settled after %s, before the window of %s was over", took, window)
	}
}

func TestWindowClosesBySize(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{WindowBytes: int64(20 * rowWidth)})
	assign(t, s, "t", 0, 0)
	write(t, s, "t", 0, 0, 99)
	flush(t, s)
	d := checkRows(t, dir, rowsOf(0, 99))
	if n := len(d.Files()); n < 10 {
		t.Fatalf("%d files, want at least 10 of about 20 rows", n)
	}
}

// The memory of all partitions is bounded: Write closes windows by itself and
// goes on, though no window is full or over.
func TestMemoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	limit := int64(100 * rowWidth)
	s := open(t, dir, Options{WindowBytes: 1 << 30, MemoryBytes: limit})
	for p := range int32(4) {
		assign(t, s, "t", p, 0)
	}
	for o := range int64(200) {
		for p := range int32(4) {
			if err := s.Write(t.Context(), testMessage("t", p, o), plainRows(p, o), func() {}); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			held := s.memory
			s.mu.Unlock()
			if most := limit + int64(10*rowWidth); held > most {
				t.Fatalf("%d bytes held, limit %d", held, limit)
			}
		}
	}
	flush(t, s)
	checkRows(t, dir, 4*rowsOf(0, 199))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory != 0 || len(s.unsettled) != 0 {
		t.Fatalf("at rest %d bytes and %d windows are accounted for", s.memory, len(s.unsettled))
	}
}

// A writer dies with files in place whose offsets were not committed. Reading
// again from any committed offset that can have been doubles and loses nothing.
func TestAssignedAtEachOffset(t *testing.T) {
	const last = 11 // windows 0-3, 4-7, 8-11
	for committed := int64(0); committed <= last+1; committed += 4 {
		t.Run(fmt.Sprint(committed), func(t *testing.T) {
			dir := t.TempDir()
			first := open(t, dir, Options{})
			assign(t, first, "t", 0, 0)
			assign(t, first, "t", 1, 0)
			for o := int64(0); o <= last; o += 4 {
				write(t, first, "t", 0, o, o+3)
				write(t, first, "t", 1, o, o+3)
				flush(t, first)
			}
			first.Close()
			// The torn file of the window that was being written.
			torn := filepath.Join(dir, incomingDir, tempName(fileName{"t", 0, last + 1, last + 3, ""}, hourOf(testStart)))
			if err := os.WriteFile(torn, []byte("PAR1 and then the power went"), 0o600); err != nil {
				t.Fatal(err)
			}

			second := open(t, dir, Options{})
			assign(t, second, "t", 0, committed)
			if _, err := os.Stat(torn); !os.IsNotExist(err) {
				t.Errorf("the temporary file is still there: %v", err)
			}
			checkRows(t, dir, rowsOf(0, committed-1)+rowsOf(0, last)) // partition 1 is untouched
			write(t, second, "t", 0, committed, last+4)
			flush(t, second)
			checkRows(t, dir, rowsOf(0, last+4)+rowsOf(0, last))
		})
	}
}

// A person reset the group's offsets into the middle of a file.
func TestStraddlingFileIsKeptAndSaid(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, Options{})
	assign(t, first, "t", 0, 0)
	write(t, first, "t", 0, 0, 9)
	flush(t, first)
	first.Close()

	var said strings.Builder
	second := open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	assign(t, second, "t", 0, 5)
	if !strings.Contains(said.String(), "level=ERROR") || !strings.Contains(said.String(), "straddles") {
		t.Errorf("log %q does not say that a file straddles", said.String())
	}
	log := write(t, second, "t", 0, 5, 12)
	if got, want := log.all(), []int64{5, 6, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("settled %v at once, want %v: they are stored", got, want)
	}
	flush(t, second)
	checkRows(t, dir, rowsOf(0, 12))
	if got := second.Room(); got.Counts["already_stored"] != uint64(rowsOf(5, 9)) || got.In != got.Out {
		t.Errorf("room %+v", got)
	}
}

// A topic that was created anew counts from 0 again. The files of the old one
// stay, and those of the new one stand beside them.
func TestTopicCreatedAnew(t *testing.T) {
	dir := t.TempDir()
	id := "0a1b2c3d-0000-0000-0000-000000000000"
	opt := Options{TopicID: func(string) (string, error) { return id, nil }}
	first := open(t, dir, opt)
	assign(t, first, "t", 0, 0)
	write(t, first, "t", 0, 0, 9)
	flush(t, first)
	first.Close()

	id = "ffff0000ffff0000ffff0000ffff0000"
	second := open(t, dir, opt)
	assign(t, second, "t", 0, 0)
	write(t, second, "t", 0, 0, 9) // same offsets, same packet times
	flush(t, second)
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.Count(t.Context(), Query{}); err != nil || n != 2*rowsOf(0, 9) {
		t.Fatalf("%d rows, %v; want %d; files %s", n, err, 2*rowsOf(0, 9), names(d))
	}
	if o := d.Overlaps(); len(o) != 0 {
		t.Errorf("overlaps %v: the topics are different", o)
	}
	second.Close()

	third := open(t, dir, opt) // the new topic's uncommitted files do go
	assign(t, third, "t", 0, 0)
	checkRows(t, dir, rowsOf(0, 9))
}

// What was not flushed is dropped when a partition is taken away, is never
// settled, and stands in the books.
func TestRevokedAndAssignedAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	before := write(t, s, "t", 0, 0, 4)
	s.Revoked("t", 0)
	if err := s.Write(t.Context(), testMessage("t", 0, 5), plainRows(0, 5), func() {}); err == nil {
		t.Error("Write to a partition that is not assigned: no error")
	}
	assign(t, s, "t", 0, 0)
	write(t, s, "t", 0, 0, 2)
	assign(t, s, "t", 0, 0) // again without Revoked
	write(t, s, "t", 0, 0, 4)
	flush(t, s)
	checkRows(t, dir, rowsOf(0, 4))
	if got := before.all(); len(got) != 0 {
		t.Errorf("settled %v of what was taken away", got)
	}
	r := s.Room()
	if want := uint64(rowsOf(0, 4) + rowsOf(0, 2)); r.Passed != want || r.In != r.Out+r.Passed {
		t.Errorf("room %+v, want passed %d", r, want)
	}
}

func TestCloseDropsWhatIsNotSettled(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	log := write(t, s, "t", 0, 0, 4)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.all(); len(got) != 0 {
		t.Errorf("settled %v by Close", got)
	}
	checkRows(t, dir, 0)
	if err := s.Write(t.Context(), testMessage("t", 0, 5), nil, func() {}); err == nil {
		t.Error("Write after Close: no error")
	}
	if err := s.Assigned("t", 0, 0); err == nil {
		t.Error("Assigned after Close: no error")
	}
}

// A message that gave no row (all of it went to the errors topic) settles with
// its window; a window of nothing else makes no file.
func TestMessagesWithoutRows(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	n := 0
	for o := range int64(3) {
		if err := s.Write(t.Context(), testMessage("t", 0, o), nil, func() { n++ }); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	if n != 3 {
		t.Errorf("%d settled, want 3", n)
	}
	if d := checkRows(t, dir, 0); len(d.Files()) != 0 {
		t.Errorf("files %s, want none", names(d))
	}
}

func TestOneWriterPerDirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	_, err := New(dir, Options{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Fatalf("second writer: error %v, want one that names the first", err)
	}
}

func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(file, "store"), "/proc/xcapa"} {
		_, err := New(dir, Options{})
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "may write") {
			t.Errorf("New(%s) = %v, want an error that names it and says what to do", dir, err)
		}
	}
}

// A second file of the same name must not replace the first.
func TestFileIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "t", 0, 0)
	folder := filepath.Join(dir, hourOf(testStart).folder("t"))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(folder, fileName{"t", 0, 0, 4, ""}.String())
	if err := os.WriteFile(taken, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := write(t, s, "t", 0, 0, 4)
	if err := s.Flush(t.Context()); err == nil {
		t.Error("Flush over a file that is there: no error")
	}
	if got, err := os.ReadFile(taken); err != nil || string(got) != "precious" {
		t.Errorf("the file now holds %q, %v", got, err)
	}
	if got := log.all(); len(got) != 0 {
		t.Errorf("settled %v", got)
	}
}

func TestFlushEndsWithItsContext(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	assign(t, s, "t", 0, 0)
	<-s.encoders // nothing can be written
	<-s.encoders
	write(t, s, "t", 0, 0, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Flush(ctx); err == nil {
		t.Error("Flush of what cannot be written: no error")
	}
	s.encoders <- newEncoder(1)
	flush(t, s)
}
