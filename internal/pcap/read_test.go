package pcap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var bothOrders = map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian}

func TestClassicVariants(t *testing.T) {
	data := []byte{1, 2, 3, 4, 5}
	variants := []struct {
		name  string
		magic uint32
		minor uint16
		extra int
		want  int64 // ns added by a fraction of 7
	}{
		{"microseconds", magicMicros, 4, 0, 7000},
		{"nanoseconds", magicNanos, 4, 0, 7},
		{"modified", magicModified, 4, 8, 7000},
		{"lengths_swapped_2.2", magicMicros, 2, 0, 7000},
		{"lengths_2.3", magicMicros, 3, 0, 7000},
		{"odd_minor_2.5", magicMicros, 5, 0, 7000},
	}
	for _, v := range variants {
		for name, order := range bothOrders {
			t.Run(v.name+"/"+name, func(t *testing.T) {
				f := classicFile{order: order, magic: v.magic, minor: v.minor, snapLen: 5, linkType: 101, extraZero: v.extra}
				b := f.bytes(record{0xf0000000, 7, 1500, data}, record{0xf0000001, 7, 5, data})
				got, damage, stats := readAll(t, b, Options{})
				if len(damage) != 0 || len(got) != 2 || stats.Packets != 2 || stats.Bytes != 10 {
					t.Fatalf("got %d packets, damage %v, stats %+v; want 2 whole packets of 10 bytes", len(got), damage, stats)
				}
				// Seconds from 2^31 on are after 2038, not negative.
				want := Packet{Data: data, TimestampNanos: 0xf0000000*1e9 + v.want, HasTime: true, LinkType: 101, OrigLen: 1500, FileOffset: 24}
				comparePacket(t, got[0], want)
			})
		}
	}
}

func comparePacket(t *testing.T, got, want Packet) {
	t.Helper()
	if !bytes.Equal(got.Data, want.Data) {
		t.Errorf("data: got %x, want %x", got.Data, want.Data)
	}
	got.Data, want.Data = nil, nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRefused(t *testing.T) {
	jpeg, _ := hex.DecodeString("ffd8ffe000104a46494600010101004800480000")
	header := littleMicros().bytes()
	version1 := bytes.Clone(header)
	version1[4] = 1
	reserved := bytes.Clone(header)
	reserved[22] = 0x30
	ng := (&ngFile{}).section(binary.BigEndian).b
	ngVersion, ngMagic := bytes.Clone(ng), bytes.Clone(ng)
	ngVersion[13] = 7
	ngMagic[8] = 0
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "it has 0 bytes"},
		{"three_bytes", header[:3], "it has 3 bytes"},
		{"jpeg", jpeg, "it starts with ff d8 ff e0"},
		{"version_1", version1, "pcap version 1.4"},
		{"reserved_bits", reserved, "reserved bits"},
		{"ng_version", ngVersion, "section version 7.0"},
		{"ng_magic", ngMagic, "byte-order magic 00 2b 3c 4d"},
		{"gzip_of_nothing", []byte{0x1f, 0x8b, 0x08}, "cannot be unpacked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewReader(bytes.NewReader(c.b), "name.pcap", Options{Resync: true})
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("got %v, want an error wrapping ErrFormat", err)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "name.pcap: ") {
				t.Errorf("got %q, want the file's name and %q", err, c.want)
			}
		})
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none.pcap"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: got %v, want os.ErrNotExist", err)
	}
	if _, err := Open(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("folder: got %v, want it named as one", err)
	}
}

func TestTimestampResolution(t *testing.T) {
	for _, c := range []struct {
		res    byte
		ticks  uint64
		offset int64
		want   int64
	}{
		{6, 1_700_000_000_123_456, 0, 1_700_000_000_123_456_000},
		{9, 1_700_000_000_123_456_789, 0, 1_700_000_000_123_456_789},
		{0, 1_700_000_000, 0, 1_700_000_000e9},
		{3, 1_700_000_000_123, 0, 1_700_000_000_123_000_000},
		{12, 1_700_000_000_123_456, 0, 1_700_000_000_123},
		{28, math.MaxUint64, 0, 1},
		{29, math.MaxUint64, 0, 0},
		{0x7f, math.MaxUint64, 0, 0},
		{0x80, 1_700_000_000, 0, 1_700_000_000e9},
		{0x80 | 10, 1_700_000_000<<10 | 512, 0, 1_700_000_000_500_000_000},
		{0x80 | 32, 1_700_000_000<<32 | 1<<31, 0, 1_700_000_000_500_000_000},
		{0x80 | 64, math.MaxUint64, 0, 999_999_999},
		{0x80 | 90, math.MaxUint64, 0, 14},
		{0xff, math.MaxUint64, 0, 0},
		{0, math.MaxUint64, 0, math.MaxInt64},
		{6, math.MaxUint64, 0, math.MaxInt64},
		{6, 5_000_000, 1_700_000_000, 1_700_000_005e9},
		{6, 5_000_000, -10, -5e9},
		{6, 0, math.MaxInt64, math.MaxInt64},
		{6, 0, math.MinInt64, math.MinInt64},
		{9, math.MaxInt64, 1, math.MaxInt64},
	} {
		if got := ticksToNanos(c.ticks, resolution(c.res), c.offset); got != c.want {
			t.Errorf("resolution %#x, %d ticks, offset %d s: got %d, want %d", c.res, c.ticks, c.offset, got, c.want)
		}
	}
}

// Every kind of packet block, interfaces of different link types and
// resolutions, a second section in the other byte order, and blocks in between
// that are none of our business.
func TestPcapngBlocks(t *testing.T) {
	for name, order := range bothOrders {
		t.Run(name, func(t *testing.T) {
			other := bothOrders["big"]
			if name == "big" {
				other = bothOrders["little"]
			}
			f := (&ngFile{}).section(order)
			f.iface(1, 4, f.option(nil, optIfName, []byte("eth0")), f.option(nil, optIfTSResol, []byte{9}), f.option(nil, optEnd, nil))
			f.block(blockStatistics, make([]byte, 12))
			f.iface(101, 0, f.option(nil, optIfTSOffset, order.AppendUint64(nil, 1000)))
			first := int64(len(f.b))
			f.enhanced(0, 1_700_000_000_000_000_007, []byte{1, 2, 3, 4}, 60)
			f.block(0x0bad, []byte("custom"))
			f.enhanced(1, 2_000_001, []byte{5, 6, 7}, 3)
			f.obsolete(0, 9, 99, []byte{8}, 1)
			f.simple([]byte{9, 10, 11, 12}, 1500)
			f.section(other).iface(113, 0).simple([]byte{13, 14}, 2)
			f.enhanced(0, 1_000_000, []byte{15}, 1)
			got, damage, _ := readAll(t, f.b, Options{})
			want := []Packet{
				{Data: []byte{1, 2, 3, 4}, TimestampNanos: 1_700_000_000_000_000_007, HasTime: true, LinkType: 1, OrigLen: 60, InterfaceName: "eth0"},
				{Data: []byte{5, 6, 7}, TimestampNanos: 1002_000_001_000, HasTime: true, LinkType: 101, OrigLen: 3, Interface: 1},
				{Data: []byte{8}, TimestampNanos: 99, HasTime: true, LinkType: 1, OrigLen: 1, InterfaceName: "eth0"},
				{Data: []byte{9, 10, 11, 12}, LinkType: 1, OrigLen: 1500, InterfaceName: "eth0"},
				{Data: []byte{13, 14}, LinkType: 113, OrigLen: 2},
				{Data: []byte{15}, TimestampNanos: 1e9, HasTime: true, LinkType: 113, OrigLen: 1},
			}
			if len(damage) != 0 || len(got) != len(want) {
				t.Fatalf("got %d packets, damage %v; want %d", len(got), damage, len(want))
			}
			if got[0].FileOffset != first {
				t.Errorf("first packet at byte %d, want %d", got[0].FileOffset, first)
			}
			for i := range want {
				want[i].FileOffset = got[i].FileOffset
				comparePacket(t, got[i], want[i])
			}
		})
	}
}

// container lists what is in testdata/pcap/container: packets before the first
// damage, what the damage says, and packets in all with Resync.
var container = []struct {
	name    string
	packets int
	damage  string
	resync  int
}{
	{"be_advanced_test100.pcapng", 5, "", 5},
	{"be_advanced_test102.pcapng", 5, "", 5},
	{"be_basic_test002.pcapng", 0, "", 0},
	{"be_basic_test004.pcapng", 4, "", 4},
	{"be_basic_test006.pcapng", 5, "", 5},
	{"be_basic_test008.pcapng", 4, "", 4},
	{"be_basic_test010.pcapng", 4, "", 4},
	{"be_basic_test012.pcapng", 4, "", 4},
	{"be_basic_test014.pcapng", 0, "", 0},
	{"be_basic_test016.pcapng", 4, "", 4},
	{"be_basic_test018.pcapng", 4, "", 4},
	{"be_difficult_test200.pcapng", 0, "", 0},
	{"be_difficult_test202.pcapng", 8, "", 8},
	{"le_advanced_test101.pcapng", 4, "", 4},
	{"le_basic_test001.pcapng", 4, "", 4},
	{"le_basic_test003.pcapng", 0, "", 0},
	{"le_basic_test005.pcapng", 4, "", 4},
	{"le_basic_test007.pcapng", 1, "", 1},
	{"le_basic_test009.pcapng", 2, "", 2},
	{"le_basic_test011.pcapng", 4, "", 4},
	{"le_basic_test013.pcapng", 0, "", 0},
	{"le_basic_test015.pcapng", 0, "", 0},
	{"le_basic_test017.pcapng", 0, "", 0},
	{"le_difficult_test201.pcapng", 4, "", 4},
	{"bigendian.pcap", 2, "", 2},
	{"modified-format.pcap", 1, "", 1},
	{"nanosecs.pcap", 2, "", 2},
	{"nanosecs_big_endian.pcap", 10, "", 10},
	{"pcapng-multi-interface.pcapng", 6, "", 6},
	{"timestamp_invalid_micro.pcap", 3, "", 3},
	{"timestamp_invalid_nano.pcap", 3, "", 3},
	{"bug-1450-04.pcap", 6, "claims 4325376 bytes", 13},
	{"bug-6875-01.pcap", 1, "claims 1409179648 bytes", 1},
	{"truncated_dns_2.pcap", 1, "ends inside a record header: it needs 16 bytes, 7 are there", 1},
	{"linktype-reserved-field-not-zero.pcap", 0, "reserved bits", 0},
	{"pcap-invalid-version-1.pcap", 0, "version 1.4", 0},
	{"pcap-invalid-version-2.pcap", 1, "", 1},
	{"pcapng-invalid-vers-1.pcapng", 0, "version 0.1", 0},
	{"pcapng-invalid-vers-2.pcapng", 0, "version 1.1", 0},
	{"shb-option-too-long.pcapng", 0, "52 bytes long by its start", 0},
}

const containerDir = "../../testdata/pcap/container"

func TestContainerFiles(t *testing.T) {
	for _, c := range container {
		t.Run(c.name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(containerDir, c.name))
			if err != nil {
				t.Fatal(err)
			}
			packets, damage, _ := readAll(t, b, Options{})
			if len(packets) != c.packets {
				t.Errorf("got %d packets, want %d", len(packets), c.packets)
			}
			if (c.damage == "") != (len(damage) == 0) {
				t.Fatalf("got damage %v, want %q", damage, c.damage)
			}
			if c.damage != "" && !strings.Contains(damage[0].Error(), c.damage) {
				t.Errorf("got damage %q, want %q in it", damage[0], c.damage)
			}
			if packets, _, _ := readAll(t, b, Options{Resync: true}); len(packets) != c.resync {
				t.Errorf("with Resync: got %d packets, want %d", len(packets), c.resync)
			}
		})
	}
}

// TestAgreesWithPcapgo reads the undamaged files with gopacket's readers too.
func TestAgreesWithPcapgo(t *testing.T) {
	compared := 0
	for _, c := range container {
		if c.damage != "" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(containerDir, c.name))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := pcapgoReader(b)
		if err != nil {
			t.Logf("%s: pcapgo refuses it: %v", c.name, err)
			continue
		}
		ours, _, _ := readAll(t, b, Options{})
		for i, p := range ours {
			data, info, err := theirs.ReadPacketData()
			if err != nil {
				t.Logf("%s packet %d: pcapgo stops: %v", c.name, i, err)
				break
			}
			compared++
			if !bytes.Equal(p.Data, data) || int(p.OrigLen) != info.Length {
				t.Errorf("%s packet %d: got %d of %d bytes %x, pcapgo %d of %d %x", c.name, i, len(p.Data), p.OrigLen, p.Data, len(data), info.Length, data)
			}
			// pcapgo overflows on a fraction of 2^31 microseconds.
			if p.HasTime && !strings.HasPrefix(c.name, "timestamp_invalid") && !info.Timestamp.Equal(time.Unix(0, p.TimestampNanos)) {
				t.Errorf("%s packet %d: got %d ns, pcapgo %d", c.name, i, p.TimestampNanos, info.Timestamp.UnixNano())
			}
		}
	}
	if compared < 80 {
		t.Errorf("compared %d packets, want at least 80", compared)
	}
}

func pcapgoReader(b []byte) (gopacket.PacketDataSource, error) {
	if isNG(b) {
		return pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	}
	return pcapgo.NewReader(bytes.NewReader(b))
}

func TestCompressedByContent(t *testing.T) {
	plain := littleMicros().bytes(records(50)...)
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write(plain)
	g.Close()
	z, _ := zstd.NewWriter(&zs)
	z.Write(plain)
	z.Close()
	for name, b := range map[string][]byte{"": plain, "gzip": gz.Bytes(), "zstd": zs.Bytes()} {
		r, err := NewReader(bytes.NewReader(b), "test", Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Compression() != name {
			t.Errorf("got compression %q, want %q", r.Compression(), name)
		}
		r.Close()
		if got, damage, _ := readAll(t, b, Options{}); len(got) != 50 || len(damage) != 0 {
			t.Errorf("%s: got %d packets and %v, want 50 whole ones", name, len(got), damage)
		}
		if name == "" {
			continue
		}
		got, damage, _ := readAll(t, b[:len(b)-6], Options{Resync: true})
		if len(damage) != 1 || damage[0].Resumed || !strings.Contains(damage[0].Reason, name+" cannot be unpacked further") {
			t.Errorf("%s cut short: got %d packets and damage %v, want one that names %s", name, len(got), damage, name)
		}
	}
}

// slowReader gives one byte at a time, as a pipe may.
type slowReader struct{ b []byte }

func (s *slowReader) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	p[0] = s.b[0]
	s.b = s.b[1:]
	return 1, nil
}

func TestReadsByteByByte(t *testing.T) {
	want := records(20)
	r, err := NewReader(&slowReader{littleMicros().bytes(want...)}, "pipe", Options{Resync: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		p, err := r.Next()
		if err != nil || !bytes.Equal(p.Data, w.data) {
			t.Fatalf("packet %d: got %x, %v; want %x", i, p.Data, err, w.data)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: got %v, want io.EOF", err)
	}
}

func TestReadErrorIsNoDamage(t *testing.T) {
	broken := errors.New("disk on fire")
	b := littleMicros().bytes(records(2)...)
	r, err := NewReader(io.MultiReader(bytes.NewReader(b[:len(b)-1]), errReader{broken}), "test", Options{Resync: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	var d *DamageError
	if _, err := r.Next(); !errors.Is(err, broken) || errors.As(err, &d) {
		t.Errorf("got %v, want the reading error, not damage", err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after it: got %v, want io.EOF", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }
