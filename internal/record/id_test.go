package record

import (
	"regexp"
	"testing"

	"xcapa/internal/packet"
)

func TestAppendID(t *testing.T) {
	live := &Origin{Host: "h", Run: "0123456789ab", Interface: "eth1", Queue: 3}
	topic := &Origin{Host: "h", Source: "xcapa.raw-7"}
	for name, c := range map[string]struct {
		o    *Origin
		r    Record
		want string
	}{
		"captured":        {live, Record{Sequence: 18446744073709551615}, "0123456789ab-3-18446744073709551615"},
		"raw topic":       {topic, Record{SourceOffset: 42, Packet: packet.Packet{Present: 1 << FieldSourceOffset}}, "xcapa.raw-7-42"},
		"file in a topic": {topic, Record{SourceOffset: 42, SourceRow: 9, Packet: packet.Packet{Present: 1<<FieldSourceOffset | 1<<FieldSourceRow}}, "xcapa.raw-7-42-9"},
		"raw topic with the probe's sequence": {topic, Record{SourceOffset: 42, Sequence: 5,
			Packet: packet.Packet{Present: 1<<FieldSourceOffset | 1<<FieldSequence}}, "xcapa.raw-7-42"},
		"source alone": {topic, Record{}, "xcapa.raw-7"},
	} {
		if got := string(AppendID([]byte("dirty"), &c.r, c.o)); got != "dirty"+c.want {
			t.Errorf("%s: got %q, want %q", name, got[len("dirty"):], c.want)
		}
	}
}

func TestNewRun(t *testing.T) {
	a, b := NewRun(), NewRun()
	if a == b {
		t.Errorf("two runs share the name %q", a)
	}
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(a) {
		t.Errorf("run %q is not 12 hex digits", a)
	}
}

func TestAppendErrorText(t *testing.T) {
	status := func(s packet.Status, l packet.Layer, off, need, have uint32) (r Record) {
		r.Present = 1 << packet.FieldStatus
		r.Status, r.StatusLayer, r.StatusOffset, r.StatusNeed, r.StatusHave = s, l, off, need, have
		return r
	}
	for _, c := range []struct {
		r    Record
		want string
	}{
		{status(packet.StatusTruncated, packet.LayerTCP, 34, 20, 12), "truncated: the frame ends inside a header, tcp at byte 34, needs 20 bytes, has 12"},
		{status(packet.StatusTruncated, packet.LayerEthernet, 0, 14, 0), "truncated: the frame ends inside a header, ethernet at byte 0, needs 14 bytes, has 0"},
		{status(packet.StatusBadVersion, packet.LayerIPv4, 14, 0, 0), "bad_version: the IP version contradicts the EtherType, ipv4 at byte 14"},
		{status(packet.StatusBadUDPLength, 0, 0, 0, 0), "bad_udp_length: the UDP length is below 8"},
		{status(packet.StatusLaterFragment, packet.LayerIPv4, 14, 0, 0), ""},
		{Record{Packet: packet.Packet{Status: packet.StatusTruncated}}, ""}, // stale: its bit is not set
		{status(200, 0, 0, 0, 0), "unknown: status 200"},
	} {
		if got := string(AppendErrorText(nil, &c.r)); got != c.want {
			t.Errorf("got %q\nwant %q", got, c.want)
		}
	}
	for s := packet.StatusTruncated; s < packet.NumStatus; s++ {
		if general[s] == "" {
			t.Errorf("status %s has no sentence", s)
		}
	}
}
