package afxdp

import (
	"maps"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xcapa/internal/ledger"
)

// Every lost frame is counted once, whatever number of fields it moved.
func TestRingCountsAccount(t *testing.T) {
	type drops = map[ledger.Reason]uint64
	tests := []struct {
		name   string
		counts ringCounts
		want   drops
	}{
		{"none", ringCounts{}, nil},
		{"ring_full", ringCounts{kernel: unix.XDPStatistics{Rx_ring_full: 136}}, drops{ledger.RingFull: 136}},
		{"fill_ring_empty_moves_two_fields", ringCounts{kernel: unix.XDPStatistics{Rx_dropped: 136, Rx_fill_ring_empty_descs: 136}}, drops{ledger.FillRingEmpty: 136}},
		{"too_large", ringCounts{kernel: unix.XDPStatistics{Rx_dropped: 100}}, drops{ledger.TooLarge: 100}},
		{"all_at_once", ringCounts{kernel: unix.XDPStatistics{Rx_dropped: 150, Rx_fill_ring_empty_descs: 50, Rx_ring_full: 7}, invalid: 3},
			drops{ledger.FillRingEmpty: 50, ledger.TooLarge: 100, ledger.RingFull: 7, ledger.InvalidDescriptor: 3}},
		{"read_between_the_two_fields", ringCounts{kernel: unix.XDPStatistics{Rx_dropped: 5, Rx_fill_ring_empty_descs: 6}}, drops{ledger.FillRingEmpty: 5}},
		{"several_parts", ringCounts{kernel: unix.XDPStatistics{Rx_dropped: 9, Rx_fill_ring_empty_descs: 2}, scatter: true}, drops{ledger.FillRingEmpty: 9}},
		{"zero_copy_counts_no_frames", ringCounts{kernel: unix.XDPStatistics{Rx_dropped: 4, Rx_fill_ring_empty_descs: 1000}, zeroCopy: true}, drops{ledger.TooLarge: 4}},
		{"sending_is_not_ours", ringCounts{kernel: unix.XDPStatistics{Tx_invalid_descs: 8, Tx_ring_empty_descs: 9}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var room ledger.Room
			tt.counts.account(&room)
			if !maps.Equal(room.Dropped, tt.want) {
				t.Errorf("got %v, want %v", room.Dropped, tt.want)
			}
		})
	}
}

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		config Config
		want   []string // in the error; none: valid
	}{
		{Config{Interface: "eth0"}, nil},
		{Config{Interface: "eth0", Mode: ModeNative, ZeroCopy: ZeroCopyRequire, Clock: ClockNIC, RingSize: 65536, Frames: 1, ChunkSize: 2048, SnapLen: 64}, nil},
		{Config{}, []string{"no interface: name one"}},
		{Config{Interface: "eth0", Mode: "skb"}, []string{`mode "skb": want auto, native or generic`}},
		{Config{Interface: "eth0", ZeroCopy: "yes"}, []string{`zero copy "yes": want auto, require or off`}},
		{Config{Interface: "eth0", Mode: ModeGeneric, ZeroCopy: ZeroCopyRequire}, []string{"use native mode"}},
		{Config{Interface: "eth0", Stamp: "never"}, []string{`stamp "never": want packet or batch`}},
		{Config{Interface: "eth0", Clock: "gps"}, []string{`clock "gps": want system or nic`}},
		{Config{Interface: "eth0", Clock: ClockNIC, Stamp: StampBatch}, []string{"use it with stamp packet"}},
		{Config{Interface: "eth0", RingSize: 1000}, []string{"ring size 1000: want a power of two up to 65536"}},
		{Config{Interface: "eth0", RingSize: 1 << 17}, []string{"ring size 131072"}},
		{Config{Interface: "eth0", RingSize: -64}, []string{"ring size -64"}},
		{Config{Interface: "eth0", Frames: -1}, []string{"-1 frames: want 1 to 1048576"}},
		{Config{Interface: "eth0", ChunkSize: 8192}, []string{"chunk size 8192: want 2048 or 4096 bytes"}},
		{Config{Interface: "eth0", Batch: -1}, []string{"batch of -1"}},
		{Config{RingSize: 3, Batch: -1}, []string{"configure AF_XDP", "no interface", "ring size 3", "batch of -1"}}, // all at once
	}
	for _, tt := range tests {
		err := tt.config.Validate()
		if len(tt.want) == 0 && err != nil {
			t.Errorf("%+v: %v", tt.config, err)
		}
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got %v, want %q in it", tt.config, err, want)
			}
		}
	}
}
