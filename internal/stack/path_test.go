//go:build stack

package stack

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"xcapa/internal/ledger"
	"xcapa/internal/testnet"
)

const (
	packets    = 200_000
	frameSize  = 128 // bytes
	flows      = 64
	firstPort  = 20000  // source port of the first flow
	rate       = 40_000 // frames a second
	topic      = "stack.packets"
	partitions = 4
	index      = "packets_index.*"
)

// The whole path on real servers: every packet becomes a document once, and a
// second delivery of everything changes nothing and is counted.
func TestWireToIndex(t *testing.T) {
	p := newPlace(t)
	brokers := p.server(t, "kafka.sh")["XCAPA_TEST_KAFKA"]
	es := &elasticsearch{url: p.server(t, "elasticsearch.sh")["XCAPA_TEST_ELASTICSEARCH"], place: p}

	began := time.Now()
	capture := p.produce(t, brokers)
	t.Logf("captured and acknowledged after %s", time.Since(began).Round(time.Millisecond))
	if got := room(capture, "kafka").Out; got != packets {
		t.Fatalf("Kafka acknowledged %d packets, want %d: ledger %+v", got, packets, capture)
	}

	began = time.Now()
	first := p.index(t, brokers, es, "stack-first")
	t.Logf("indexed after %s", time.Since(began).Round(time.Millisecond))
	if r := room(first, "elastic"); r.In != packets || r.Out != packets || r.Counts["already_indexed"] != 0 {
		t.Errorf("first delivery: room %+v", r)
	}
	checkDocuments(t, p, es)
	t.Run("field by field", func(t *testing.T) { checkOneDocument(t, p, es) })

	second := p.index(t, brokers, es, "stack-second")
	if r := room(second, "elastic"); r.In != packets || r.Out != packets || r.Counts["already_indexed"] != packets {
		t.Errorf("second delivery: room %+v; want %d already_indexed", r, packets)
	}
	checkDocuments(t, p, es)
	if l := ledger.Join("stack", capture, second); !l.Balanced {
		t.Errorf("capture and index together: %v", l.Imbalances())
	}
}

// produce brings the packets into Kafka and returns the capture's ledger.
func (p *place) produce(t *testing.T, brokers string) *ledger.Ledger {
	t.Helper()
	common := []string{"--brokers", brokers, "--topic", topic, "--partitions", strconv.Itoa(partitions), "--host", "stack-host"}
	if p.wire == nil {
		p.source = writeFile(t, packets)
		return p.xcapa(t, "import", append(common, p.source)...).wait(t)
	}
	p.source = p.near().Name
	s := p.xcapa(t, "capture", append(common, "-i", p.source, "--rings", "16384", "--frames", "32768")...)
	s.await(t, "its first ledger", 30*time.Second, func(*ledger.Ledger) bool { return true })
	sent, err := testnet.Generate(t.Context(), p.far(), testnet.Load{Frames: packets, Rate: rate, Size: frameSize, Flows: flows})
	if err != nil || sent != packets {
		t.Fatalf("sent %d frames, %v; want %d", sent, err, packets)
	}
	s.await(t, "all packets in Kafka", time.Minute, func(l *ledger.Ledger) bool { return room(l, "kafka").Out >= packets })
	return s.end(t)
}

// writeFile makes a capture file of the same frames.
func writeFile(t *testing.T, frames uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "numbered.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriterNanos(f)
	if err := w.WriteFileHeader(frameSize, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for n := range frames {
		frame := testnet.Numbered(n, frameSize, int(n%flows))
		ci := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(n) * time.Microsecond), CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(ci, frame); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// fileDigest is the first 12 hex digits of the SHA-256 of the capture file; ""
// where packets come over a wire.
func (p *place) fileDigest(t *testing.T) string {
	t.Helper()
	if p.wire != nil {
		return ""
	}
	b, err := os.ReadFile(p.source)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))[:12]
}

// index delivers the whole topic to Elasticsearch as a group of its own and
// returns the ledger.
func (p *place) index(t *testing.T, brokers string, es *elasticsearch, group string) *ledger.Ledger {
	t.Helper()
	s := p.xcapa(t, "index", "--brokers", brokers, "--topic", topic, "--group", group, "--elasticsearch", es.url)
	s.await(t, "all documents", 5*time.Minute, func(l *ledger.Ledger) bool { return room(l, "elastic").Out >= packets })
	return s.end(t)
}

// checkDocuments fails unless every packet is a document once.
func checkDocuments(t *testing.T, p *place, es *elasticsearch) {
	t.Helper()
	if n := es.count(t, index); n != packets {
		t.Fatalf("%d documents, want %d", n, packets)
	}
	ids, sequences := map[string]bool{}, map[json.Number]bool{}
	es.pages(t, index, func(h *hit) {
		if len(h.Fields.RecordID) != 1 || h.Fields.RecordID[0] != h.ID {
			t.Fatalf("document %s has record_id %v, want its _id", h, h.Fields.RecordID)
		}
		if ids[h.ID] {
			t.Fatalf("document %s is there twice", h)
		}
		ids[h.ID] = true
		for _, s := range h.Fields.Sequence {
			sequences[s] = true
		}
	})
	if len(ids) != packets {
		t.Fatalf("%d distinct ids, want %d", len(ids), packets)
	}
	// One queue, so the sequence tells the packets apart too.
	if p.wire != nil && len(sequences) != packets {
		t.Fatalf("%d distinct sequence numbers, want %d", len(sequences), packets)
	}
}

// checkOneDocument compares a document with the frame it was made from, every
// field, read from the frame's bytes.
func checkOneDocument(t *testing.T, p *place, es *elasticsearch) {
	const n = 123_456
	id := fmt.Sprintf("%s-%d", p.fileDigest(t), n+1)
	h := (*hit)(nil)
	if p.wire != nil {
		h = es.one(t, index, "capture_sequence", n)
	} else {
		h = es.one(t, index, "record_id", id)
	}
	got := h.Source
	// Which of the flows a frame takes is the sender's choice; with another
	// one its checksum would not fit.
	port, err := strconv.Atoi(fmt.Sprint(got["src_port"]))
	if err != nil || port < firstPort || port >= firstPort+flows {
		t.Fatalf("src_port %v, want %d to %d", got["src_port"], firstPort, firstPort+flows-1)
	}
	frame := testnet.Numbered(n, frameSize, port-firstPort)
	number := func(offset int) json.Number {
		return json.Number(strconv.Itoa(int(binary.BigEndian.Uint16(frame[offset:]))))
	}
	nanos, err := got["packet_timestamp_in_nanos"].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(0, nanos).UTC()
	if age := time.Since(at); age < 0 || age > 15*time.Minute {
		t.Errorf("packet time %s is not of this test", at)
	}
	if want := "packets_index." + at.Format("2006.01.02"); h.Index != want {
		t.Errorf("document is in %s, want %s", h.Index, want)
	}
	want := map[string]any{
		"@timestamp":                at.Format("2006-01-02T15:04:05.000000000Z"),
		"record_id":                 h.ID,
		"record_time":               json.Number(fmt.Sprint(nanos / 1e6)),
		"packet_timestamp_in_nanos": json.Number(fmt.Sprint(nanos)),
		"record_type":               "pcap_packet",
		"processor_name":            "ParseNetworkPacket",
		"frame_length":              json.Number(strconv.Itoa(frameSize)),
		"frame_captured_length":     json.Number(strconv.Itoa(frameSize)),
		"capture_host":              "stack-host",
		"capture_interface":         p.source,
		"capture_queue":             json.Number("0"),
		"capture_sequence":          json.Number(strconv.Itoa(n)),
		"src_mac":                   "02:00:00:00:00:02",
		"dst_mac":                   "02:00:00:00:00:01",
		"ethernet_type":             json.Number("2048"),
		"ip_version":                json.Number("4"),
		"ip_internet_header_length": json.Number("20"),
		"ip_type_of_service":        json.Number("0"),
		"ip_datagram_total_length":  number(16),
		"ip_identification":         json.Number("0"),
		"ip_flags":                  json.Number("2"),
		"ip_fragment_offset":        json.Number("0"),
		"ip_time_to_live":           json.Number("64"),
		"protocol":                  json.Number("17"),
		"ip_checksum":               number(24),
		"src_ip":                    "192.0.2.1",
		"dst_ip":                    "192.0.2.2",
		"src_port":                  number(34),
		"dest_port":                 json.Number("4789"),
		"udp_segment_total_length":  number(38),
		"udp_checksum":              number(40),
	}
	if p.wire == nil { // a packet of a file has no interface, and its number for an id
		for _, name := range []string{"capture_interface", "capture_queue", "capture_sequence"} {
			delete(want, name)
		}
	} else if id := strings.Split(h.ID, "-"); len(id) != 3 || len(id[0]) != 12 || id[1] != "0" || id[2] != strconv.Itoa(n) {
		t.Errorf("record_id %q, want <12 hex digits>-0-%d", h.ID, n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("document %s (-want +got):\n%s", h, diff)
	}
}
