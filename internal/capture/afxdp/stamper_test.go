package afxdp

import (
	"bytes"
	"encoding/hex"
	"testing"

	"xcapa/bpf"
	"xcapa/internal/capture"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inMemory puts frame behind its metadata, with poison around both.
func inMemory(frame []byte, meta bpf.Meta) (memory []byte, at int) {
	memory = bytes.Repeat([]byte{0xaa}, 256+len(frame)+64)
	at = 256
	copy(memory[at:], frame)
	writeMeta(memory[at-bpf.MetaSize:at], meta)
	return memory, at
}

func TestStamperVLAN(t *testing.T) {
	const macs, rest = "020000000001020000000002", "0800450000140102"
	tests := []struct {
		name string
		snap uint32
		meta bpf.Meta
		want string
		orig uint32
	}{
		{"no_tag", 0, bpf.Meta{OriginalLength: 60}, macs + rest, 60},
		{"tag", 0, bpf.Meta{OriginalLength: 60, Flags: bpf.FlagVLAN, VlanTpid: 0x8100, VlanTci: 0x6064}, macs + "81006064" + rest, 64},
		{"service_tag", 0, bpf.Meta{OriginalLength: 60, Flags: bpf.FlagVLAN, VlanTpid: 0x88a8, VlanTci: 1}, macs + "88a80001" + rest, 64},
		{"tag_snapped", 20, bpf.Meta{OriginalLength: 60, Flags: bpf.FlagVLAN, VlanTpid: 0x8100, VlanTci: 7}, macs + "81000007" + rest[:8], 64},
		{"flag_not_set", 0, bpf.Meta{OriginalLength: 60, VlanTpid: 0x8100, VlanTci: 7}, macs + rest, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame := unhex(t, macs+rest)
			memory, at := inMemory(frame, tt.meta)
			s := NewStamper(Config{SnapLen: tt.snap})
			var f capture.Frame
			s.Begin()
			s.Frame(&f, memory, at, len(frame), len(frame))
			if !bytes.Equal(f.Data, unhex(t, tt.want)) || f.OrigLen != tt.orig {
				t.Errorf("got %x, original %d; want %s, %d", f.Data, f.OrigLen, tt.want, tt.orig)
			}
			if cap(f.Data) != len(f.Data) {
				t.Errorf("got capacity %d over %d bytes: the next frame is in reach", cap(f.Data), len(f.Data))
			}
		})
	}
}

// Where the numbers and times of each stamp come from.
func TestStamperSources(t *testing.T) {
	const tai = 37 * second
	meta := bpf.Meta{Timestamp: uint64(1_700_000_000*second + tai), Sequence: 9, OriginalLength: 100}
	unstamped := bpf.Meta{Sequence: 9, OriginalLength: 100}
	tests := []struct {
		name   string
		config Config
		meta   bpf.Meta
		nanos  int64
		seq    uint64
		orig   uint32
	}{
		{"packet", Config{}, meta, 1_700_000_000 * second, 9, 100},
		{"packet_not_stamped", Config{}, unstamped, 42, 9, 100},
		{"batch", Config{Stamp: StampBatch}, meta, 42, 0, 60}, // no area: nothing is read
		{"batch_cut", Config{Stamp: StampBatch, SnapLen: 60}, unstamped, 42, 0, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			memory, at := inMemory(make([]byte, 60), tt.meta)
			s := NewStamper(tt.config)
			s.clock.readUTC = func() int64 { return 42 }
			s.clock.readTAIOffset = func() int64 { return tai }
			var f capture.Frame
			s.Begin()
			s.Frame(&f, memory, at, 60, 60)
			if f.TimestampNanos != tt.nanos || f.Sequence != tt.seq || f.OrigLen != tt.orig {
				t.Errorf("got time %d, sequence %d, original %d; want %d, %d, %d", f.TimestampNanos, f.Sequence, f.OrigLen, tt.nanos, tt.seq, tt.orig)
			}
		})
	}
}

// The TAI offset is read again once a second by the frames' own time, also when
// that goes backwards, and not more often.
func TestTAIOffset(t *testing.T) {
	reads, offset := 0, 37*second
	c := newClock()
	c.readTAIOffset = func() int64 { reads++; return offset }
	const base = 1_700_000_000 * second
	steps := []struct {
		name  string
		utc   int64
		leap  int64 // what the offset becomes before this frame
		reads int
	}{
		{"first", base, 37 * second, 1},
		{"soon_after", base + second/2, 37 * second, 1},
		{"a_second_later", base + second, 37 * second, 2},
		{"leap_second", base + 2*second, 38 * second, 3},
		{"clock_set_back_an_hour", base - 3600*second, 38 * second, 4},
		{"goes_on_from_there", base - 3600*second + 1, 38 * second, 4},
		{"a_little_back", base - 3600*second - 5, 38 * second, 4},
	}
	for _, s := range steps {
		offset = s.leap
		if got := c.fromTAI(uint64(s.utc + s.leap)); got != s.utc || reads != s.reads {
			t.Errorf("%s: got %d after %d reads; want %d, %d", s.name, got, reads, s.utc, s.reads)
		}
	}
}

// The NIC's clock is believed while it agrees with the system's within 1 ms,
// whether it runs in UTC or TAI.
func TestNICClock(t *testing.T) {
	const tai = 37 * second
	now := int64(1_700_000_000 * second)
	c := newClock()
	c.readUTC = func() int64 { return now }
	c.readTAIOffset = func() int64 { return tai }
	c.taiOffset = tai
	steps := []struct {
		name  string
		later int64 // the system's clock goes on by
		stamp func() int64
		want  func() int64
		ok    bool
	}{
		{"decades_off", 0, func() int64 { return 5 }, func() int64 { return now }, false},
		{"two_ms_off", second, func() int64 { return now - 2e6 }, func() int64 { return now }, false},
		{"agrees_in_utc", second, func() int64 { return now - 5e5 }, func() int64 { return now - 5e5 }, true},
		{"late_but_was_right", 5e8, func() int64 { return now - 3e6 }, func() int64 { return now - 3e6 }, true},
		{"not_for_ever", second, func() int64 { return now - 3e6 }, func() int64 { return now }, false},
		{"agrees_in_tai", second, func() int64 { return now + tai - 1e5 }, func() int64 { return now - 1e5 }, true},
		{"system_set_back", -3600 * second, func() int64 { return now + tai + 3600*second }, func() int64 { return now }, false},
	}
	for _, s := range steps {
		now += s.later
		c.now = 0 // a new batch
		got, ok := c.fromNIC(uint64(s.stamp()))
		if got != s.want() || ok != s.ok {
			t.Errorf("%s: got %d, %v; want %d, %v", s.name, got, ok, s.want(), s.ok)
		}
	}
}
