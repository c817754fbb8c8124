package pcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

func ethernet() WriteOptions {
	return WriteOptions{Interfaces: []Interface{{Name: "eth0", LinkType: 1}}}
}

// sample is packets of every length up to 300, at odd nanoseconds.
func sample(n int) []Packet {
	out := make([]Packet, n)
	for i := range out {
		data := make([]byte, i%301)
		for j := range data {
			data[j] = byte(i + j)
		}
		out[i] = Packet{Data: data, TimestampNanos: 1_700_000_000_000_000_001 + int64(i)*1_234_567, OrigLen: uint32(len(data) + i%3)}
	}
	return out
}

func writeAll(t testing.TB, w *Writer, packets []Packet) {
	t.Helper()
	for _, p := range packets {
		if err := w.Write(0, p.TimestampNanos, p.OrigLen, p.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// What is written is read back by this package and by gopacket's readers.
func TestWriteThenRead(t *testing.T) {
	packets := sample(1000)
	for format, unit := range map[Format]int64{PCAPNG: 1, PCAP: 1000, PCAPNanos: 1} {
		var file bytes.Buffer
		o := ethernet()
		o.Format = format
		w, err := NewWriter(&file, "test", o)
		if err != nil {
			t.Fatal(err)
		}
		writeAll(t, w, packets)
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		if s := w.Stats(); s.Packets != 1000 || s.Bytes != uint64(file.Len()) || s.Lost != 0 || s.Files != 1 {
			t.Errorf("format %d: got %+v, want 1000 packets in %d bytes", format, s, file.Len())
		}
		ours, damage, _ := readAll(t, file.Bytes(), Options{})
		if len(ours) != len(packets) || len(damage) != 0 {
			t.Fatalf("format %d: read %d packets, damage %v", format, len(ours), damage)
		}
		theirs, err := pcapgoReader(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range packets {
			want := p.TimestampNanos / unit * unit
			if !bytes.Equal(ours[i].Data, p.Data) || ours[i].OrigLen != p.OrigLen || ours[i].TimestampNanos != want {
				t.Errorf("format %d packet %d: got %+v, want %+v", format, i, ours[i], p)
			}
			data, info, err := theirs.ReadPacketData()
			if err != nil || !bytes.Equal(data, p.Data) || info.Length != int(p.OrigLen) || info.Timestamp.UnixNano() != want {
				t.Fatalf("format %d packet %d: pcapgo got %x, %+v, %v", format, i, data, info, err)
			}
		}
		if _, _, err := theirs.ReadPacketData(); err != io.EOF {
			t.Errorf("format %d: pcapgo at the end: %v", format, err)
		}
	}
}

func TestPcapngDescribesItself(t *testing.T) {
	o := WriteOptions{
		Interfaces:  []Interface{{Name: "eth0", LinkType: 1, SnapLen: 64}, {Name: "tun0", LinkType: 101}},
		Hardware:    "a machine",
		OS:          "Linux 6.1",
		Application: "xcapa test",
		Statistics: func(i int) Statistics {
			return Statistics{Received: uint64(100 + i), Dropped: uint64(i) << 40}
		},
	}
	var file bytes.Buffer
	w, err := NewWriter(&file, "test", o)
	if err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 100)
	if err := errors.Join(w.Write(0, 1, 100, long), w.Write(1, -5, 100, long), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{64, 100} {
		data, info, err := r.ReadPacketData()
		if err != nil || len(data) != want || info.Length != 100 || info.InterfaceIndex != i {
			t.Errorf("packet %d: got %d bytes, %+v, %v; want %d of 100", i, len(data), info, err, want)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("at the end: got %v", err)
	}
	got := r.SectionInfo()
	if got.Hardware != o.Hardware || got.OS != o.OS || got.Application != o.Application {
		t.Errorf("got section %+v", got)
	}
	for i, want := range o.Interfaces {
		in, err := r.Interface(i)
		if err != nil || in.Name != want.Name || uint16(in.LinkType) != want.LinkType || in.TimestampResolution != 9 || in.OS != o.OS || in.SnapLength != want.snapLen() {
			t.Errorf("interface %d: got %+v, %v; want %+v", i, in, err, want)
		}
		if s := in.Statistics; s.PacketsReceived != uint64(100+i) || s.PacketsDropped != uint64(i)<<40 || time.Since(s.EndTime) > time.Minute || s.StartTime.After(s.EndTime) {
			t.Errorf("interface %d: got statistics %+v", i, s)
		}
	}
}

func TestCompressedFilesAreWholeMembers(t *testing.T) {
	packets := sample(9000) // more than one buffer
	for _, ext := range []string{".gz", ".zst"} {
		path := filepath.Join(t.TempDir(), "out.pcapng"+ext)
		w, err := Create(path, ethernet())
		if err != nil {
			t.Fatal(err)
		}
		writeAll(t, w, packets)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, damage, _ := readAll(t, b, Options{})
		if len(got) != len(packets) || len(damage) != 0 || !bytes.Equal(got[8999].Data, packets[8999].Data) {
			t.Errorf("%s: got %d packets, damage %v", ext, len(got), damage)
		}
		plain := unpack(t, b, ext)
		if int64(len(b)) != int64(w.Stats().Bytes) || len(plain) < 1<<20 {
			t.Errorf("%s: %d bytes of %d, stats %+v", ext, len(b), len(plain), w.Stats())
		}
	}
}

func unpack(t *testing.T, b []byte, ext string) []byte {
	t.Helper()
	var r io.Reader
	var err error
	if ext == ".gz" {
		r, err = gzip.NewReader(bytes.NewReader(b))
	} else {
		r, err = zstd.NewReader(bytes.NewReader(b))
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			rotation Rotation
			files    int
			perFile  int // packets, 0: not told
		}{
			"packets":  {Rotation{Packets: 7}, 15, 7},
			"filesize": {Rotation{FileSize: 1000}, 0, 0},
			"duration": {Rotation{Duration: 10 * time.Second}, 10, 10}, // a packet a second
			"ring":     {Rotation{Packets: 10, Files: 3}, 10, 10},
		} {
			dir := t.TempDir()
			o := ethernet()
			o.Rotation = c.rotation
			w, err := Create(filepath.Join(dir, "out.pcapng"), o)
			if err != nil {
				t.Fatal(err)
			}
			const total = 100
			for i := range total {
				if err := w.Write(0, int64(i), 60, make([]byte, 60)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if c.files > 0 && w.Stats().Files != c.files {
				t.Errorf("%s: got %d files, want %d", name, w.Stats().Files, c.files)
			}
			names, _ := filepath.Glob(filepath.Join(dir, "*"))
			kept := w.Stats().Files
			if c.rotation.Files > 0 {
				kept = c.rotation.Files
			}
			if len(names) != kept {
				t.Errorf("%s: got %d files in the folder, want %d: %v", name, len(names), kept, names)
			}
			next := int64(-1)
			for i, path := range names { // in order: the number is in the name
				if !strings.HasPrefix(filepath.Base(path), fmt.Sprintf("out_%05d_", w.Stats().Files-kept+i+1)) || !strings.HasSuffix(path, ".pcapng") {
					t.Errorf("%s: file %d is called %s", name, i, filepath.Base(path))
				}
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				got, damage, _ := readAll(t, b, Options{})
				last := i == len(names)-1
				if len(damage) > 0 || c.perFile > 0 && len(got) != c.perFile && !last {
					t.Errorf("%s: %s has %d packets, damage %v; want %d", name, path, len(got), damage, c.perFile)
				}
				if size := c.rotation.FileSize; size > 0 && !last && (int64(len(b)) < size || int64(len(b)) > size+100) {
					t.Errorf("%s: %s has %d bytes, want %d and the rest of a packet", name, path, len(b), size)
				}
				for _, p := range got {
					if next >= 0 && p.TimestampNanos != next {
						t.Errorf("%s: got packet %d, want %d", name, p.TimestampNanos, next)
					}
					next = p.TimestampNanos + 1
				}
			}
			if next != total {
				t.Errorf("%s: last packet is %d, want %d", name, next-1, total-1)
			}
		}
	})
}

func TestParseRotation(t *testing.T) {
	got, err := ParseRotation([]string{"filesize:1000", "duration:60", "packets:5", "files:10"})
	want := Rotation{FileSize: 1_000_000, Duration: time.Minute, Packets: 5, Files: 10}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"files:10", "filesize", "filesize:", "filesize:0", "filesize:-1", "filesize:1x", "size:10", "duration:99999999999", ""} {
		if r, err := ParseRotation([]string{bad}); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, r)
		}
	}
}

// smallDisk is a file on a disk with room for so many bytes.
type smallDisk struct {
	bytes.Buffer
	room int
}

func (d *smallDisk) Write(b []byte) (int, error) {
	if room := d.room - d.Len(); len(b) > room {
		d.Buffer.Write(b[:room])
		return room, syscall.ENOSPC
	}
	return d.Buffer.Write(b)
}

func (d *smallDisk) Truncate(size int64) error { d.Buffer.Truncate(int(size)); return nil }
func (d *smallDisk) Close() error              { return nil }

// A disk that is full at any byte leaves a file that ends behind a whole packet
// and holds every packet that fits; what it holds and what is lost add up.
func TestFullDiskLeavesAWholeFile(t *testing.T) {
	packets := sample(400)
	for _, format := range []Format{PCAPNG, PCAP, PCAPNanos} {
		for _, ext := range []string{"", ".gz", ".zst"} {
			for range 120 {
				o := ethernet()
				o.Format = format
				o.Statistics = func(int) Statistics { return Statistics{} }
				w, err := newWriter(o)
				if err != nil {
					t.Fatal(err)
				}
				disk := &smallDisk{room: 300 + rand.IntN(60_000)}
				if w.pack, err = compressorFor("x" + ext); err != nil {
					t.Fatal(err)
				}
				w.out = disk
				if err := w.begin("disk"); err != nil {
					t.Fatal(err)
				}
				var failed error
				taken := 0
				for i, p := range packets {
					failed = w.Write(0, p.TimestampNanos, p.OrigLen, p.Data)
					if failed != nil {
						break
					}
					taken++
					if i%50 == 49 {
						if failed = w.Flush(); failed != nil {
							break
						}
					}
				}
				if err := w.Close(); failed == nil {
					failed = err
				}
				got, damage, _ := readAll(t, disk.Bytes(), Options{})
				s := w.Stats()
				if len(damage) != 0 || uint64(len(got)) != s.Packets || s.Packets+s.Lost != uint64(taken) {
					t.Fatalf("format %d%s, room %d: read %d packets, damage %v; stats %+v, %d taken", format, ext, disk.room, len(got), damage, s, taken)
				}
				if failed != nil && !errors.Is(failed, syscall.ENOSPC) {
					t.Fatalf("format %d%s: got %v, want ENOSPC", format, ext, failed)
				}
				if failed == nil && len(got) != len(packets) {
					t.Fatalf("format %d%s: no error, and %d packets", format, ext, len(got))
				}
				// The next packet would not have fitted.
				if failed != nil && ext == "" && len(got) < len(packets) && disk.room-disk.Len() >= 32+len(packets[len(got)].Data)+3 {
					t.Fatalf("format %d, room %d: %d bytes left and packet %d lost", format, disk.room, disk.room-disk.Len(), len(got))
				}
			}
		}
	}
}

// The same on a file system that is really full.
func TestFullFileSystem(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("XCAPA_TEST_ROOT") == "1" {
			t.Fatal("XCAPA_TEST_ROOT=1, but this process is not root")
		}
		t.Skip("mounting a small file system takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1200k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "out.pcapng")
	w, err := Create(path, ethernet())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; err == nil && i < 10_000; i++ {
		err = w.Write(0, int64(i), 1000, make([]byte, 1000))
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "whole up to its packet") {
		t.Errorf("got %v, want a full disk and a whole file", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("close: %v, want the error only once", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, damage, _ := readAll(t, b, Options{})
	if len(damage) != 0 || uint64(len(got)) != w.Stats().Packets || len(got) < 1000 {
		t.Errorf("got %d packets, damage %v; stats %+v", len(got), damage, w.Stats())
	}
}

func TestClosedPipe(t *testing.T) {
	r, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pw.Close()
	w, err := NewWriter(pw, "pipe", ethernet())
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	for i := 0; err == nil && i < 100; i++ {
		if err = w.Write(0, 1, 60, make([]byte, 60)); err == nil {
			err = w.Flush()
		}
	}
	if !errors.Is(err, ErrPipeClosed) {
		t.Errorf("got %v, want ErrPipeClosed", err)
	}
	if again := w.Write(0, 1, 60, nil); !errors.Is(again, ErrPipeClosed) {
		t.Errorf("next Write: got %v, want the same", again)
	}
	if err := w.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	rotated := ethernet()
	rotated.Rotation = Rotation{Packets: 1}
	mixed := WriteOptions{Format: PCAP, Interfaces: []Interface{{Name: "eth0", LinkType: 1}, {Name: "tun0", LinkType: 101}}}
	for _, c := range []struct {
		path string
		o    WriteOptions
		want string
	}{
		{filepath.Join(t.TempDir(), "none", "x.pcap"), ethernet(), "create capture file"},
		{"-", rotated, "standard output cannot be rotated"},
		{"x.pcap", mixed, "tun0 has another than eth0: write pcapng"},
		{"x.pcap", WriteOptions{}, "no interface is described"},
	} {
		if _, err := Create(c.path, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.path, err, c.want)
		}
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	for _, format := range []Format{PCAPNG, PCAP} {
		o := ethernet()
		o.Format = format
		w, err := NewWriter(io.Discard, "discard", o)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 1500)
		if n := testing.AllocsPerRun(5000, func() { w.Write(0, 1, 1500, data) }); n != 0 {
			t.Errorf("format %d: %v allocations a packet, want 0", format, n)
		}
	}
}

// BenchmarkWrite is one packet of IMIX a turn, to a file in the page cache that
// is rotated every 64 MB.
func BenchmarkWrite(b *testing.B) {
	for name, format := range map[string]Format{"pcapng": PCAPNG, "pcap": PCAP} {
		b.Run(name, func(b *testing.B) {
			o := ethernet()
			o.Format = format
			o.Rotation = Rotation{FileSize: 64 << 20, Files: 2}
			w, err := Create(filepath.Join(b.TempDir(), "x.pcapng"), o)
			if err != nil {
				b.Fatal(err)
			}
			data := make([]byte, 1514)
			b.SetBytes(354)
			b.ReportAllocs()
			for i := range b.N {
				size := imix[i%len(imix)]
				if err := w.Write(0, int64(i), uint32(size), data[:size]); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
