package replay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/pcap"
)

// makeFile writes a pcap of n packets, interval apart, the i-th holding i in
// its last four bytes, and returns its path.
func makeFile(t testing.TB, n int, interval time.Duration, linkType uint32) string {
	t.Helper()
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xa1b23c4d) // nanoseconds
	b = le.AppendUint32(b, 2|4<<16)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, 262144)
	b = le.AppendUint32(b, linkType)
	for i := range n {
		nanos := uint64(time.Duration(i) * interval)
		b = le.AppendUint32(b, uint32(1_700_000_000+nanos/1e9))
		b = le.AppendUint32(b, uint32(nanos%1e9))
		size := 60 + i%1400
		b = le.AppendUint32(b, uint32(size))
		b = le.AppendUint32(b, uint32(size+4))
		b = append(b, bytes.Repeat([]byte{byte(i)}, size-4)...)
		b = le.AppendUint32(b, uint32(i))
	}
	path := filepath.Join(t.TempDir(), "made.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, c Config) (*Device, capture.Source) {
	t.Helper()
	d, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, d.Sources()[0]
}

func checkRoom(t *testing.T, d capture.Device, in, out uint64) {
	t.Helper()
	l := ledger.Ledger{Final: true, Rooms: d.Rooms()}
	l.Settle()
	r := l.Rooms[0]
	if !l.Balanced || r.Room != "file" || r.In != in || r.Out != out {
		t.Errorf("got room %+v, balanced %v; want file, in %d, out %d", r, l.Balanced, in, out)
	}
}

func TestDeliversEveryPacket(t *testing.T) {
	const n = 5000
	d, s := open(t, Config{Files: []string{makeFile(t, n, time.Millisecond, 101)}})
	if i := d.Info(); i.Engine != "file" || i.LinkType != 101 || i.Queues != 1 || len(i.Run) != 12 {
		t.Errorf("got info %+v", i)
	}
	frames := make([]capture.Frame, 300)
	seen := 0
	for {
		// Two batches between releases: the first must stay as it was.
		first, err := s.Receive(frames[:100], 0)
		second, err2 := s.Receive(frames[100:], 0)
		for _, part := range [][]capture.Frame{frames[:first], frames[100 : 100+second]} {
			for _, f := range part {
				size := 60 + seen%1400
				if len(f.Data) != size || int(f.OrigLen) != size+4 || f.Sequence != uint64(seen) ||
					f.TimestampNanos != 1_700_000_000e9+int64(seen)*1e6 ||
					binary.LittleEndian.Uint32(f.Data[size-4:]) != uint32(seen) || f.Data[0] != byte(seen) {
					t.Fatalf("frame %d: got %d of %d bytes, sequence %d, time %d, %x", seen, len(f.Data), f.OrigLen, f.Sequence, f.TimestampNanos, f.Data)
				}
				seen++
			}
		}
		s.Release()
		if err != nil || err2 != nil {
			if !errors.Is(errors.Join(err, err2), capture.ErrClosed) {
				t.Fatalf("got %v, %v; want capture.ErrClosed", err, err2)
			}
			break
		}
	}
	if seen != n {
		t.Errorf("got %d frames, want %d", seen, n)
	}
	if got, err := s.Receive(frames, time.Second); got != 0 || err != capture.ErrClosed {
		t.Errorf("behind the end: got %d, %v; want 0, ErrClosed", got, err)
	}
	checkRoom(t, d, n, n)
}

func drain(t *testing.T, s capture.Source) (total int, err error) {
	t.Helper()
	frames := make([]capture.Frame, 64)
	for {
		n, err := s.Receive(frames, 10*time.Millisecond)
		total += n
		s.Release()
		if err != nil {
			return total, err
		}
	}
}

func TestFilesAndLoops(t *testing.T) {
	a, b := makeFile(t, 10, 0, 1), makeFile(t, 7, 0, 1)
	d, s := open(t, Config{Files: []string{a, b}, Loops: 3})
	if n, err := drain(t, s); n != 51 || err != capture.ErrClosed {
		t.Errorf("got %d, %v; want 51 frames and ErrClosed", n, err)
	}
	checkRoom(t, d, 51, 51)
}

func TestLoopOverNothingEnds(t *testing.T) {
	_, s := open(t, Config{Files: []string{makeFile(t, 0, 0, 1)}, Loops: -1})
	if n, err := drain(t, s); n != 0 || err != capture.ErrClosed {
		t.Errorf("got %d, %v; want 0 and ErrClosed", n, err)
	}
}

func TestDetachEndsAnEndlessLoop(t *testing.T) {
	d, s := open(t, Config{Files: []string{makeFile(t, 10, 0, 1)}, Loops: -1})
	frames := make([]capture.Frame, 64)
	for range 5 {
		if n, err := s.Receive(frames, 0); n != 64 || err != nil {
			t.Fatalf("got %d, %v; want a full batch", n, err)
		}
		s.Release()
	}
	d.Detach()
	if n, err := s.Receive(frames, time.Hour); n != 0 || err != capture.ErrClosed {
		t.Errorf("after Detach: got %d, %v; want 0, ErrClosed", n, err)
	}
	checkRoom(t, d, 320, 320)
	if err := errors.Join(d.Detach(), d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
}

// ByFile: frames received together are of one file, which Part numbers over all passes;
// Progress goes from 0 to 1.
func TestPartAndProgress(t *testing.T) {
	for _, loops := range []int{0, 1, 3} {
		d, s := open(t, Config{Files: []string{makeFile(t, 100, 0, 1), makeFile(t, 70, 0, 1)}, Loops: loops, ByFile: true})
		frames := make([]capture.Frame, 64)
		perPart := map[int]int{}
		last := 0.0
		for {
			n, err := s.Receive(frames, 0)
			if err != nil {
				break
			}
			perPart[d.Part()] += n
			s.Release()
			done, known := d.Progress()
			if !known || done < last || done > 1 {
				t.Fatalf("loops %d: progress %v, %v behind %v", loops, done, known, last)
			}
			last = done
		}
		if done, _ := d.Progress(); done != 1 {
			t.Errorf("loops %d: progress %v at the end, want 1", loops, done)
		}
		for i := range 2 * max(loops, 1) {
			if want := []int{100, 70}[i%2]; perPart[i+1] != want {
				t.Errorf("loops %d: part %d: got %d frames, want %d", loops, i+1, perPart[i+1], want)
			}
		}
	}
	d, _ := open(t, Config{Files: []string{makeFile(t, 10, 0, 1)}, Loops: -1})
	if _, known := d.Progress(); known {
		t.Error("progress of endless passes is known")
	}
}

func TestDamage(t *testing.T) {
	path := makeFile(t, 10, 0, 1)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[24+16+60+11] = 0xff // second record's captured length
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, s := open(t, Config{Files: []string{path}})
	var damage *pcap.DamageError
	if n, err := drain(t, s); n != 1 || !errors.As(err, &damage) || damage.Offset != 24+16+60 {
		t.Errorf("got %d frames, %v; want 1 and the damage behind it", n, err)
	}
	reported := 0
	d, s := open(t, Config{Files: []string{path}, Resync: true, OnDamage: func(*pcap.DamageError) { reported++ }})
	if n, err := drain(t, s); n != 9 || err != capture.ErrClosed || reported != 1 {
		t.Errorf("with Resync: got %d frames, %v, %d reported; want 9, ErrClosed, 1", n, err, reported)
	}
	checkRoom(t, d, 9, 9)
	if got := d.Rooms()[0].Counts[CountDamaged]; got != 1 {
		t.Errorf("got %d damaged, want 1", got)
	}
}

func TestOtherLinkTypeIsDroppedAndNamed(t *testing.T) {
	d, s := open(t, Config{Files: []string{makeFile(t, 5, 0, 1), makeFile(t, 3, 0, 101)}})
	if n, err := drain(t, s); n != 5 || err != capture.ErrClosed {
		t.Errorf("got %d, %v; want 5 and ErrClosed", n, err)
	}
	checkRoom(t, d, 8, 5)
	if got := d.Rooms()[0].Dropped[ledger.OtherLinkType]; got != 3 {
		t.Errorf("got %d dropped for their link type, want 3", got)
	}
}

func TestOpenedReader(t *testing.T) {
	r, err := pcap.Open(makeFile(t, 4, 0, 1), pcap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(r, "pipe", Config{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := drain(t, d.Sources()[0]); n != 4 || err != capture.ErrClosed {
		t.Errorf("got %d, %v; want 4 and ErrClosed", n, err)
	}
	d.Close()
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("reader after Close: got %v, want io.EOF", err)
	}
}

// pipeIn makes standard input a pipe for the length of the test.
func pipeIn(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdin
	os.Stdin = r
	t.Cleanup(func() { os.Stdin = before; r.Close(); w.Close() })
	return w
}

// writeThree writes a pcapng of three packets.
func writeThree(t *testing.T, to io.Writer) {
	t.Helper()
	w, err := pcap.NewWriter(to, "pipe", pcap.WriteOptions{Interfaces: []pcap.Interface{{Name: "made0", LinkType: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := w.Write(0, int64(i), 60, make([]byte, 60)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// What a pipe has brought is delivered though no more comes, and Detach ends the
// wait for more.
func TestPipeThatPauses(t *testing.T) {
	w := pipeIn(t)
	writeThree(t, w)
	d, s := open(t, Config{Files: []string{"-"}, Resync: true})
	frames := make([]capture.Frame, 64)
	total := 0
	for total < 3 {
		n, err := s.Receive(frames, 0)
		if err != nil || n == 0 {
			t.Fatalf("got %d, %v behind %d frames", n, err, total)
		}
		total += n
	}
	time.AfterFunc(20*time.Millisecond, func() { d.Detach() })
	if n, err := s.Receive(frames, time.Hour); n != 0 || err != capture.ErrClosed {
		t.Errorf("got %d, %v; want ErrClosed", n, err)
	}
	checkRoom(t, d, 3, 3)
	if n := d.Rooms()[0].Counts[CountDamaged]; n != 0 {
		t.Errorf("%d damaged", n)
	}
}

// A pipe whose writer is done already is read to its end.
func TestPipeThatIsOver(t *testing.T) {
	w := pipeIn(t)
	writeThree(t, w)
	w.Close()
	_, s := open(t, Config{Files: []string{"-"}})
	if n, err := drain(t, s); n != 3 || err != capture.ErrClosed {
		t.Errorf("got %d, %v; want 3 and ErrClosed", n, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []Config{
		{},
		{Files: []string{filepath.Join(t.TempDir(), "none.pcap")}},
		{Files: []string{"-"}, Loops: 2},
		{Files: []string{"-"}, Loops: -1},
	} {
		if d, err := Open(c); err == nil {
			d.Close()
			t.Errorf("%+v: got no error", c)
		}
	}
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	_, s := open(t, Config{Files: []string{makeFile(t, 50_000, 0, 1)}})
	frames := make([]capture.Frame, 64)
	receive := func() {
		if n, err := s.Receive(frames, 0); n != 64 || err != nil {
			t.Fatalf("got %d, %v; want a full batch", n, err)
		}
		s.Release()
	}
	if n := testing.AllocsPerRun(500, receive); n != 0 {
		t.Errorf("%v allocations a batch of 64, want 0", n)
	}
}

// BenchmarkReceive is file to frames, flat out, one operation a packet of 760
// bytes on average, over and over the same 38 MB.
func BenchmarkReceive(b *testing.B) {
	_, s := open(b, Config{Files: []string{makeFile(b, 50_000, 0, 1)}, Loops: -1})
	frames := make([]capture.Frame, 64)
	b.SetBytes(760)
	b.ReportAllocs()
	for left := b.N; left > 0; {
		n, err := s.Receive(frames[:min(left, 64)], 0)
		if err != nil {
			b.Fatal(err)
		}
		s.Release()
		left -= n
	}
}
