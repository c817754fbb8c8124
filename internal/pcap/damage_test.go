package pcap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// offsetsOf returns where each record starts, and the end.
func offsetsOf(t *testing.T, b []byte) []int {
	t.Helper()
	packets, damage, _ := readAll(t, b, Options{})
	if len(damage) != 0 {
		t.Fatalf("the test's own file is damaged: %v", damage)
	}
	var out []int
	for _, p := range packets {
		out = append(out, int(p.FileOffset))
	}
	return append(out, len(b))
}

func damageFiles() map[string][]byte {
	files := map[string][]byte{"pcap": littleMicros().bytes(records(12)...)}
	for name, order := range bothOrders {
		f := (&ngFile{}).section(order)
		f.iface(1, 0, f.option(nil, optIfTSResol, []byte{9}))
		for _, r := range records(12) {
			f.enhanced(0, uint64(r.seconds)*1e9, r.data, r.origLen)
		}
		files["pcapng_"+name] = f.b
	}
	return files
}

// A file cut at any byte gives every whole packet before the cut, and damage
// exactly when the cut is not between two records.
func TestCutAtEveryByte(t *testing.T) {
	for name, b := range damageFiles() {
		at := offsetsOf(t, b)
		for _, o := range []Options{{}, {Resync: true}} {
			for cut := at[0]; cut < len(b); cut++ {
				want, between := 0, false
				for i, end := range at[1:] {
					if end <= cut {
						want = i + 1
					}
				}
				for _, a := range at {
					between = between || a == cut
				}
				packets, damage, stats := readAll(t, b[:cut], o)
				if len(packets) != want || between != (len(damage) == 0) {
					t.Fatalf("%s cut at %d, %+v: got %d packets, damage %v; want %d, damage %v", name, cut, o, len(packets), damage, want, !between)
				}
				if !between && (damage[0].Offset != int64(at[want]) || stats.Skipped != uint64(cut-at[want])) {
					t.Fatalf("%s cut at %d: got damage at %d, %d bytes skipped; want %d, %d", name, cut, damage[0].Offset, stats.Skipped, at[want], cut-at[want])
				}
			}
		}
	}
}

// Any byte of any header field of a record in the middle set to any of five
// values: with Resync all other packets come through untouched, and all bytes
// are delivered or reported as skipped.
func TestDamagedHeaderFields(t *testing.T) {
	const victim = 5
	headers := map[string]int{"pcap": 16, "pcapng_little": 28, "pcapng_big": 28}
	for name, b := range damageFiles() {
		at := offsetsOf(t, b)
		whole, _, _ := readAll(t, b, Options{})
		for i := at[victim]; i < at[victim]+headers[name]; i++ {
			for _, v := range []byte{0, 1, 0x7f, 0xff, b[i] ^ 0x80} {
				bad := bytes.Clone(b)
				bad[i] = v
				got, damage, stats := readAll(t, bad, Options{Resync: true})
				where := fmt.Sprintf("%s byte %d of the record = %#x", name, i-at[victim], v)
				others := 0
				for _, p := range got {
					if p.FileOffset != int64(at[victim]) {
						others++
					}
				}
				if others != len(whole)-1 {
					t.Errorf("%s: %d of the %d other packets, damage %v", where, others, len(whole)-1, damage)
				}
				if name != "pcap" && i-at[victim] < 4 {
					continue // a block of a type nobody knows is passed over, as pcapng has it
				}
				if len(got) == len(whole)-1 {
					want := uint64(at[victim+1] - at[victim])
					if len(damage) != 1 || stats.Skipped != want || damage[0].Offset != int64(at[victim]) {
						t.Errorf("%s: damage %v, %d bytes skipped; want one of %d bytes at %d", where, damage, stats.Skipped, want, at[victim])
					}
				}
			}
		}
	}
}

// Bytes in the middle removed, doubled or overwritten: the packets far behind
// are read again.
func TestResyncBehindGarbage(t *testing.T) {
	for name, b := range damageFiles() {
		at := offsetsOf(t, b)
		mid := at[4] + 9
		for kind, bad := range map[string][]byte{
			"removed":     append(bytes.Clone(b[:mid]), b[at[6]+5:]...),
			"inserted":    append(append(bytes.Clone(b[:mid]), bytes.Repeat([]byte{0xa5}, 700_001)...), b[mid:]...),
			"overwritten": append(append(bytes.Clone(b[:mid]), bytes.Repeat([]byte{0xff}, at[6]-mid)...), b[at[6]:]...),
		} {
			got, damage, _ := readAll(t, bad, Options{Resync: true})
			if len(damage) == 0 {
				t.Errorf("%s %s: no damage reported", name, kind)
			}
			last := records(12)[11].data
			if len(got) < 4+4 || !bytes.Equal(got[len(got)-1].Data, last) {
				t.Errorf("%s %s: got %d packets, damage %v; want the first four and the last ones", name, kind, len(got), damage)
			}
			if stopped, d, _ := readAll(t, bad, Options{}); len(stopped) > len(got) || len(d) != 1 || d[0].Resumed {
				t.Errorf("%s %s without Resync: got %d packets, damage %v; want one final damage", name, kind, len(stopped), d)
			}
		}
	}
}

func TestDamageWithinOneBlock(t *testing.T) {
	good := []byte{1, 2, 3, 4}
	for _, c := range []struct {
		name string
		add  func(f *ngFile)
		want string
	}{
		{"interface_out_of_range", func(f *ngFile) { f.enhanced(7, 0, good, 4) }, "a packet of interface 7, of which there are 1"},
		{"captured_beyond_block", func(f *ngFile) {
			f.block(blockEnhancedPacket, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 1})
		}, "claims 9 bytes in a block of 36"},
		{"captured_over_limit", func(f *ngFile) { f.enhanced(0, 0, make([]byte, MaxPacket+1), MaxPacket+1) }, "claims 262145 bytes"},
		{"short_packet_block", func(f *ngFile) { f.block(blockEnhancedPacket, make([]byte, 8)) }, "a packet block of 20 bytes"},
		{"short_simple_block", func(f *ngFile) { f.block(blockSimplePacket, nil) }, "a simple packet block of 12 bytes"},
		{"simple_beyond_block", func(f *ngFile) { f.simple(good, 5) }, "a simple packet of 5 bytes"},
		{"option_beyond_block", func(f *ngFile) { f.iface(1, 0, []byte{2, 0, 200, 0}) }, "option 2 of 200 bytes"},
		{"short_interface_block", func(f *ngFile) { f.block(blockInterface, make([]byte, 4)) }, "an interface block of 16 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := (&ngFile{}).section(binary.LittleEndian).iface(1, 0).enhanced(0, 1, good, 4)
			start := int64(len(f.b))
			c.add(f)
			size := int64(len(f.b)) - start
			f.enhanced(0, 2, good, 4)
			got, damage, _ := readAll(t, f.b, Options{Resync: true})
			if len(got) != 2 || len(damage) != 1 {
				t.Fatalf("got %d packets, damage %v; want 2 and one damage", len(got), damage)
			}
			d := damage[0]
			if d.Offset != start || d.Skipped != size || !d.Resumed || !bytes.Contains([]byte(d.Reason), []byte(c.want)) {
				t.Errorf("got %+v; want offset %d, %d bytes, %q", d, start, size, c.want)
			}
		})
	}
}

func TestZeroPageIsDamage(t *testing.T) {
	b := append(littleMicros().bytes(records(3)...), make([]byte, 20_000)...)
	got, damage, _ := readAll(t, b, Options{Resync: true})
	if len(got) != 3 || len(damage) != 1 || damage[0].Skipped != 20_000 {
		t.Errorf("got %d packets, damage %v; want 3 and 20000 bytes skipped", len(got), damage)
	}
}

// Blocks that each claim 16 MiB, and are taken back 12 bytes later, must not
// each cost 16 MiB of work.
func TestLyingBlocksCostLittleTime(t *testing.T) {
	f := (&ngFile{}).section(binary.LittleEndian).iface(1, 0)
	for len(f.b) < 20<<20 {
		f.b = append(f.b, 6, 0, 0, 0, 0, 0, 0, 1)
		f.block(blockStatistics, nil)
	}
	start := time.Now()
	_, damage, _ := readAll(t, f.b, Options{Resync: true})
	if len(damage) < 1_000_000 {
		t.Errorf("got %d damages, want over a million", len(damage))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v for 20 MiB", took)
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestHostileLengthsCostNoMemory(t *testing.T) {
	pcap := littleMicros().bytes(records(1)...)
	pcap = append(pcap, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	big := littleMicros().bytes(record{1, 1, MaxPacket, make([]byte, 10)})
	big[24+8], big[24+9], big[24+10] = 0, 0, 4 // claims MaxPacket, holds 10
	ng := (&ngFile{}).section(binary.LittleEndian).iface(1, 0).b
	ng = append(ng, 6, 0, 0, 0, 0, 0, 0, 1) // 16 MiB
	for name, b := range map[string][]byte{"pcap": pcap, "pcap_max": big, "pcapng": ng} {
		for _, o := range []Options{{}, {Resync: true}} {
			n := allocated(func() { readAll(t, b, o) })
			if n > 4<<20 {
				t.Errorf("%s %+v: %d bytes allocated for a file of %d", name, o, n, len(b))
			}
		}
	}
}

func TestHundredThousandInterfaces(t *testing.T) {
	f := (&ngFile{}).section(binary.LittleEndian)
	name := f.option(nil, optIfName, bytes.Repeat([]byte("n"), 60_000))
	for range 64 {
		f.iface(1, 0, name) // long names are kept short
	}
	for range 100_000 {
		f.iface(1, 0)
	}
	f.enhanced(100_063, 1, []byte{1}, 1)
	f.enhanced(100_064, 1, []byte{1}, 1)
	r, err := NewReader(bytes.NewReader(f.b), "test", Options{Resync: true})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := r.Next(); err != nil || p.Interface != 100_063 {
		t.Errorf("got %+v, %v; want a packet of the last interface", p, err)
	}
	if _, err := r.Next(); err == nil || err == io.EOF {
		t.Errorf("got %v, want an interface that is not there", err)
	}
	if got := len(r.ng.interfaces[0].name); got != maxInterfaceName {
		t.Errorf("name kept at %d bytes, want %d", got, maxInterfaceName)
	}
}

// A small gzip file that unpacks to 32 MB is read in flat memory.
func TestGzipBomb(t *testing.T) {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	z.Write(littleMicros().bytes(records(1)...))
	page := make([]byte, 1<<20)
	for range 32 {
		z.Write(page)
	}
	z.Close()
	var packets int
	var stats Stats
	n := allocated(func() {
		r, err := NewReader(bytes.NewReader(packed.Bytes()), "bomb", Options{Resync: true})
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err == nil {
				packets++
			}
		}
		stats = r.Stats()
	})
	if packets != 1 || stats.Skipped != 32<<20 {
		t.Errorf("got %d packets, %d bytes skipped; want 1, %d", packets, stats.Skipped, 32<<20)
	}
	if n > 8<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

// FuzzReader: no input panics or loops, and no packet reaches outside its file.
func FuzzReader(f *testing.F) {
	for _, b := range damageFiles() {
		f.Add(b, true)
		f.Add(b[:len(b)-7], false)
	}
	ng := (&ngFile{}).section(binary.BigEndian)
	ng.iface(1, 2, ng.option(nil, optIfTSResol, []byte{0xff}), ng.option(nil, optIfTSOffset, make([]byte, 8)))
	f.Add(ng.obsolete(0, 1, 2, []byte{1}, 1).simple([]byte{1, 2}, 99).b, true)
	f.Add(classicFile{order: binary.BigEndian, magic: magicModified, minor: 4, extraZero: 8}.bytes(records(3)...), true)
	f.Fuzz(func(t *testing.T, b []byte, resync bool) {
		if bytes.HasPrefix(b, gzipMagic) || bytes.HasPrefix(b, zstdMagic) {
			t.Skip() // the decompressors have fuzz tests of their own
		}
		packets, damage, stats := readAll(t, b, Options{Resync: resync})
		if !resync && len(damage) > 1 {
			t.Fatalf("%d damages without Resync", len(damage))
		}
		at := int64(-1)
		used := stats.Skipped
		for _, p := range packets {
			if p.FileOffset <= at || int(p.FileOffset)+len(p.Data) > len(b) || len(p.Data) > MaxPacket {
				t.Fatalf("packet of %d bytes at %d, behind one at %d, in a file of %d", len(p.Data), p.FileOffset, at, len(b))
			}
			at = p.FileOffset
			used += uint64(len(p.Data))
			if len(p.Data) > 0 && !bytes.Contains(b[p.FileOffset:], p.Data) {
				t.Fatalf("packet at %d is not in the file", p.FileOffset)
			}
		}
		if used > uint64(len(b)) {
			t.Fatalf("%d bytes delivered and skipped of a file of %d", used, len(b))
		}
	})
}
