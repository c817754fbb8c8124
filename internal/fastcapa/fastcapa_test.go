package fastcapa

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	note := func(option, part string) Note { return Note{option, part} }
	tests := []struct {
		args string
		want Options // of its notes' texts, a part
	}{
		{"", Options{Topic: "pcap"}},
		{"-i eth1", Options{Topic: "pcap", Interfaces: []string{"eth1"}}},
		{"-c 0x03 --huge-dir /mnt/huge_1GB -- -p 0x01 -t pcap -c /etc/fastcapa.conf -i eth1", Options{
			Topic: "pcap", ConfigFile: "/etc/fastcapa.conf", Interfaces: []string{"eth1"},
			Notes: []Note{note("-c 0x03", "one worker runs per RX queue"), note("--huge-dir /mnt/huge_1GB", "no huge pages"), note("-p 0x01", "named with -i")}}},
		{"-l 0-7 -n 4 -w 0000:09:00.0 -- -b 64 -w 256 -d 1024 -x 2048 -q 2 -s /tmp/stats", Options{
			Topic: "pcap", PCI: []string{"0000:09:00.0"}, Burst: 64, Descriptor: 1024, StatsFile: "/tmp/stats",
			Notes: []Note{note("-l 0-7", "one worker"), note("-n 4", "DPDK"), note("-w 256", "--linger"), note("-x 2048", "no ring between"), note("-q 2", "every RX queue")}}},
		{"--pci-whitelist=0000:09:00.0,arg=1 --lcores=(0,1) -- -r1024 -tfast", Options{
			Topic: "fast", PCI: []string{"0000:09:00.0"}, Descriptor: 1024, Notes: []Note{note("--lcores (0,1)", "one worker")}}},
		{"--no-huge -- -h", Options{Topic: "pcap", Help: true, Notes: []Note{note("--no-huge", "no huge pages")}}},
	}
	for _, tt := range tests {
		got, err := Parse(strings.Fields(tt.args))
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		same := cmp.Comparer(func(a, b Note) bool {
			return a.Option == b.Option && (strings.Contains(a.What, b.What) || strings.Contains(b.What, a.What))
		})
		if diff := cmp.Diff(tt.want, got, same); diff != "" {
			t.Errorf("%q: options differ (-want +got):\n%s", tt.args, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-t pcap":               "unknown option -t in front of --",
		"eth1":                  "unknown option eth1 in front of --",
		"-c":                    "option -c in front of -- needs a value",
		"-- -b 0":               "option -b behind --: \"0\" is not a number from 1 to 1024",
		"-- -b 1025":            "not a number from 1 to 1024",
		"-- -p pcap":            "no hexadecimal mask",
		"-- -p 0":               "no hexadecimal mask",
		"-- --topic pcap":       "unknown option --topic behind --",
		"--no-huge=1 -- -i eth": "unknown option --no-huge=1",
	} {
		if _, err := Parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	got, err := ParseConfig(strings.NewReader(`
# a comment
[kafka-global]
metadata.broker.list = k1:9092,k2:9092
client.id=fast\scapa
# statistics.interval.ms = 5000

[kafka-topic]
	request.required.acks = 1
`), "fastcapa.conf")
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{"kafka-global", "metadata.broker.list", "k1:9092,k2:9092", 4},
		{"kafka-global", "client.id", "fast capa", 5},
		{"kafka-topic", "request.required.acks", "1", 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"acks = 1":                           "f:1: acks stands in front of the first group",
		"[kafka-global]\nacks":               "f:2: \"acks\": want NAME = VALUE",
		"[kafka]":                            "f:1: group [kafka]: want [kafka-global] or [kafka-topic]",
		"[kafka-global":                      "want [kafka-global] or [kafka-topic]",
		"[kafka-topic]\n\n= 1":               "f:3: \"= 1\"",
		"[kafka-global]\nclient.id = a\\q":   "is no escape",
		"[kafka-global]\nclient.id = ends\\": "at the end of the line",
	} {
		if _, err := ParseConfig(strings.NewReader(text), "f"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
