package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/fastcapa"
)

// shipped is the configuration file that fastcapa came with, and what its
// acceptance test changed, without the comments.
const shipped = `[kafka-global]
metadata.broker.list = k1:9092, k2:9092
client.id = fastcapa
compression.codec = snappy
batch.num.messages = 500000
queue.buffering.max.messages = 1000000
queue.buffering.max.kbytes = 2097151
queue.buffering.max.ms = 3000
message.copy.max.bytes = 65535
message.max.bytes = 1000000000
message.send.max.retries = 5
retry.backoff.ms = 250
statistics.interval.ms = 3000
security.protocol = plaintext
socket.timeout.ms = 6000
delivery.report.only.error = false
[kafka-topic]
request.required.acks = 1
message.timeout.ms = 10000
produce.offset.report = false
`

func TestFastcapaOptionsAreUsedOrNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fastcapa.conf")
	if err := os.WriteFile(path, []byte(shipped), 0o600); err != nil {
		t.Fatal(err)
	}
	args := strings.Fields("-i eth1 -c 0x1f -n 4 --huge-dir /mnt/huge_1GB -- -p 0x01 -b 64 -w 640 -d 6000 -x 4096 -q 2 -t pcap -s stats.json -c")
	f, err := fastcapa.Parse(append(args, path))
	if err != nil {
		t.Fatal(err)
	}
	o, became, err := fastcapaCapture(&f)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	became.write(&table)
	for option, want := range map[string]string{
		"-i eth1": "used: -i eth1", "-c 0x1f": "not needed: one worker runs per RX queue", "-n 4": "not needed: ",
		"--huge-dir /mnt/huge_1GB": "not needed: no huge pages", "-p 0x01": "not needed: the interface is named",
		"-b 64": "used: --batch 64", "-w 640": "not needed: batches for Kafka end by time and size",
		"-d 6000": "used: --rings 8192 --frames 16384", "-x 4096": "not needed: there is no ring between",
		"-q 2": "not needed: every RX queue", "-t pcap": "used: --encoding raw --topic pcap",
		"-s stats.json": "used: --stats-file stats.json", "-c " + path: "used: its settings",
		"metadata.broker.list = k1:9092, k2:9092": "used: --brokers", "client.id = fastcapa": "used: -X client.id=fastcapa",
		"compression.codec = snappy": "used: ", "batch.num.messages = 500000": "not needed: batches are as large",
		"queue.buffering.max.messages = 1000000": "not needed: the buffer is bounded in bytes",
		"queue.buffering.max.kbytes = 2097151":   "used: ", "queue.buffering.max.ms = 3000": "used: ",
		"message.copy.max.bytes = 65535": "not needed: ", "message.max.bytes = 1000000000": "used: ",
		"message.send.max.retries = 5": "not needed: ", "retry.backoff.ms = 250": "not needed: ",
		"statistics.interval.ms = 3000": "used: --stats-interval 3s", "security.protocol = plaintext": "used: ",
		"socket.timeout.ms = 6000": "not needed: ", "delivery.report.only.error = false": "not needed: ",
		"request.required.acks = 1": "not needed: every message is acknowledged by all replicas", "message.timeout.ms = 10000": "used: ",
		"produce.offset.report = false": "not needed: ",
	} {
		found := 0
		for line := range strings.Lines(table.String()) {
			if strings.HasPrefix(strings.TrimSpace(line), option+"  ") && strings.Contains(line, want) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s: %d lines say %q in\n%s", option, found, want, &table)
		}
	}
	if n := strings.Count(table.String(), "\n"); n != 31 {
		t.Errorf("the table has %d lines, want one for each of the 31 options and settings:\n%s", n, &table)
	}
	p, err := o.plan(&streams{})
	if err != nil {
		t.Fatal(err)
	}
	k := p.kafka
	if len(k.Brokers) != 2 || k.ClientID != "fastcapa" || k.MaxBufferedBytes != 2097151<<10 || k.Linger.Seconds() != 3 ||
		k.MaxMessageBytes != 1000000000 || k.DeliveryTimeout.Seconds() != 10 || p.topic != "pcap" || p.encoding.String() != "raw" {
		t.Errorf("the capture's plan is %+v", p)
	}
}

func TestFastcapaRefuses(t *testing.T) {
	conf := func(text string) string {
		path := filepath.Join(t.TempDir(), "fastcapa.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ args, want string }{
		{"-c 0x03 -- -t pcap", "name the interface in front of --"},
		{"-w 0000:ff:1f.7 -- -t pcap", "no network interface for this PCI address"},
		{"-i eth1 -- -t pcap", "no brokers: they stand in its configuration file"},
		{"-i eth1 -- -c " + filepath.Join(t.TempDir(), "none"), "no such file"},
		{"-i eth1 -- -c " + conf("[kafka-global]\nsasl.kerberos.keytab = k\n"), "fastcapa.conf:2: set Kafka property sasl.kerberos.keytab: GSSAPI (Kerberos) is not supported"},
		{"-i eth1 -- -c " + conf("[kafka-global]\nclient.idd = k\n"), "did you mean client.id?"},
	} {
		f, err := fastcapa.Parse(strings.Fields(tt.args))
		if err == nil {
			_, _, err = fastcapaCapture(&f)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.args, err, tt.want)
		}
	}
}
