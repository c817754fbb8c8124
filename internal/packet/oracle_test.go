//go:build oracle

package packet

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"xcapa/internal/pcap"
)

// The oracle is tshark behind testdata/oracle/fields.py. Run it over a folder:
//
//	XCAPA_ORACLE_CORPUS=folder go test -tags oracle -run TestOracle -v ./internal/packet
//
// XCAPA_ORACLE_CACHE names a folder that keeps the oracle's answers by the
// file's SHA-256, for the next run.
const oracleScript = "../../testdata/oracle/fields.py"

// oracleLine is what the oracle says of one packet.
type oracleLine struct {
	N      int
	Len    uint32
	CapLen uint32
	Layers string
	EthSrc *string `json:"eth_src"`
	EthDst *string `json:"eth_dst"`
	VLAN   []struct {
		ID  uint16
		PCP uint8
	}
	IP *struct {
		IHLBytes   *uint8 `json:"ihl_bytes"`
		TOS        *uint8
		TotalLen   *uint32 `json:"total_len"`
		ID         *uint32
		Flags      *uint8
		FragOff    *uint16 `json:"frag_off_8"`
		TTL, Proto *uint8
		Checksum   *uint16
		Src, Dst   *string
		Options    string
	}
	IP6 *struct {
		TClass         *uint8
		Flow, FragID   *uint32
		PayloadLen     *uint32 `json:"payload_len"`
		Next, HopLimit *uint8
		Src, Dst       *string
		Ext            []string
		Proto          *uint8
		FragOff        *uint16 `json:"frag_off_8"`
		FragMore       *uint8  `json:"frag_more"`
	}
	L4  *string
	TCP *struct {
		Sport, Dport             *uint16
		Seq, Ack                 *uint32
		DoffBytes                *uint8 `json:"doff_bytes"`
		Flags                    *uint16
		Window, Checksum, Urgent *uint16
		Options                  string
	}
	UDP *struct {
		Sport, Dport, Length, Checksum *uint16
	}
	Partial   []string
	Malformed *string
	Short     *string
}

// oracleDecoded are the layers of the oracle's path that Decode goes through.
var oracleDecoded = strings.Fields(`eth ethertype vlan ieee8021ad null raw loop sll ip ipv6 ipv6.hopopts ipv6.routing
	ipv6.fraghdr ipv6.dstopts ipv6.routing.type.mipv6 ipv6.routing.type.srh ipv6.routing.type.rt0
	ipv6.routing.type.crh ah tcp udp udplite data`)

// undecoded returns the first layer before the transport header that Decode does
// not go through, if there is one.
func (l *oracleLine) undecoded() (layer string, found bool) {
	inIP := false
	for name := range strings.SplitSeq(l.Layers, ":") {
		if inIP && l.L4 != nil && name == *l.L4 {
			return "", false
		}
		if name != "" && !slices.Contains(oracleDecoded, name) { // "": tshark shows nothing, a wrong version
			return name, true
		}
		inIP = inIP || name == "ip" || name == "ipv6"
	}
	return "", false
}

var oracleLayers = map[string]Layer{"eth": LayerEthernet, "ip": LayerIPv4, "ip6": LayerIPv6, "tcp": LayerTCP, "udp": LayerUDP}

// check compares one packet and returns the differences.
func (l *oracleLine) check(p *Packet) (diffs []string) {
	say := func(format string, a ...any) { diffs = append(diffs, fmt.Sprintf(format, a...)) }
	isPartial := len(l.Partial) > 0
	// same compares a field that the oracle shows; where the packet is partial,
	// Decode may leave it out.
	same := func(f Field, want any) {
		var w string
		switch v := want.(type) {
		case *string:
			if v == nil {
				return
			}
			w = *v
		case *uint8:
			if v == nil {
				return
			}
			w = fmt.Sprint(*v)
		case *uint16:
			if v == nil {
				return
			}
			w = fmt.Sprint(*v)
		case *uint32:
			if v == nil {
				return
			}
			w = fmt.Sprint(*v)
		}
		if !p.Present.Has(f) {
			if !isPartial {
				say("%s: absent, oracle %s", shownFields[f].name, w)
			}
			return
		}
		if got := shownFields[f].show(p); got != w {
			say("%s: %s, oracle %s", shownFields[f].name, got, w)
		}
	}
	options := func(name string, want string, options, padding Field, a, b []byte) {
		var got []byte
		if p.Present.Has(options) {
			got = append(got, a...)
		}
		if p.Present.Has(padding) {
			got = append(got, b...)
		}
		if g := hex.EncodeToString(got); g != want && (!isPartial || g != "") {
			say("%s: %s, oracle %s", name, g, want)
		}
	}
	plain := func(s *string) *string {
		if s == nil {
			return nil
		}
		v := plainHex(*s)
		return &v
	}

	same(FieldSourceMAC, plain(l.EthSrc))
	same(FieldDestinationMAC, plain(l.EthDst))
	if n := len(l.VLAN); n > 0 {
		same(FieldVLANID, &l.VLAN[0].ID)
		same(FieldVLANPriority, &l.VLAN[0].PCP)
		if n > 1 {
			same(FieldVLANInnerID, &l.VLAN[n-1].ID)
			same(FieldVLANInnerPriority, &l.VLAN[n-1].PCP)
		}
	}
	if got := p.Present.Has(FieldVLANID); got != (len(l.VLAN) > 0) {
		say("tag: %v, oracle has %d", got, len(l.VLAN))
	}

	switch {
	case l.IP != nil:
		same(FieldIPHeaderLen, l.IP.IHLBytes)
		same(FieldTOS, l.IP.TOS)
		same(FieldTotalLength, l.IP.TotalLen)
		same(FieldIdentification, l.IP.ID)
		same(FieldIPFlags, l.IP.Flags)
		same(FieldFragmentOffset, l.IP.FragOff)
		same(FieldTTL, l.IP.TTL)
		same(FieldProtocol, l.IP.Proto)
		same(FieldHeaderChecksum, l.IP.Checksum)
		same(FieldSourceAddress, l.IP.Src)
		same(FieldDestinationAddress, l.IP.Dst)
		options("ipopt", l.IP.Options, FieldIPOptions, FieldIPPadding, p.IPOptions, p.IPPadding)
	case l.IP6 != nil:
		same(FieldTOS, l.IP6.TClass)
		same(FieldFlowLabel, l.IP6.Flow)
		if l.IP6.PayloadLen != nil {
			total := *l.IP6.PayloadLen + 40
			same(FieldTotalLength, &total)
		}
		same(FieldNextHeader, l.IP6.Next)
		same(FieldTTL, l.IP6.HopLimit)
		same(FieldSourceAddress, l.IP6.Src)
		same(FieldDestinationAddress, l.IP6.Dst)
		if !slices.Contains(l.Partial, "ip6") { // else it is that of the last header tshark walked
			same(FieldProtocol, l.IP6.Proto)
		}
		same(FieldFragmentOffset, l.IP6.FragOff)
		same(FieldIPFlags, l.IP6.FragMore)
		same(FieldIdentification, l.IP6.FragID)
		if got := p.Present.Has(FieldExtensionHeaders); got != (len(l.IP6.Ext) > 0) && !isPartial {
			say("ext: %v, oracle %v", got, l.IP6.Ext)
		}
	case p.Present.Has(FieldIPVersion):
		say("ip %d, oracle has none", p.IPVersion)
	}

	switch {
	case l.TCP != nil:
		same(FieldSourcePort, l.TCP.Sport)
		same(FieldDestinationPort, l.TCP.Dport)
		same(FieldSequenceNumber, l.TCP.Seq)
		same(FieldAcknowledgmentNumber, l.TCP.Ack)
		if l.TCP.DoffBytes != nil {
			words := *l.TCP.DoffBytes / 4
			same(FieldDataOffset, &words)
		}
		if l.TCP.Flags != nil {
			bits := *l.TCP.Flags & 0x1ff
			same(FieldTCPFlags, &bits)
		}
		same(FieldWindow, l.TCP.Window)
		same(FieldTCPChecksum, l.TCP.Checksum)
		same(FieldUrgentPointer, l.TCP.Urgent)
		options("tcpopt", l.TCP.Options, FieldTCPOptions, FieldTCPPadding, p.TCPOptions, p.TCPPadding)
	case l.UDP != nil:
		same(FieldSourcePort, l.UDP.Sport)
		same(FieldDestinationPort, l.UDP.Dport)
		same(FieldUDPLength, l.UDP.Length)
		same(FieldUDPChecksum, l.UDP.Checksum)
	case p.Present.Has(FieldSequenceNumber) || p.Present.Has(FieldUDPLength):
		if !isPartial {
			say("tcp or udp, oracle has %v", l.Layers)
		}
	}

	// the verdict: whole or not
	stopped := p.Status.IsError() || p.Status == StatusSnapped
	if isPartial && p.Status == StatusWhole {
		say("whole, oracle: %v are not", l.Partial)
	}
	if isPartial && stopped && p.StatusLayer != oracleLayers[l.Partial[0]] {
		say("%s in %s, oracle in %v", p.Status, p.StatusLayer, l.Partial)
	}
	noIP := l.IP == nil && l.IP6 == nil // also what tshark makes of a wrong version
	if !isPartial && stopped && !(noIP && p.Status == StatusBadVersion) {
		switch p.StatusLayer {
		case LayerEthernet, LayerIPv4, LayerIPv6, LayerTCP, LayerUDP:
			say("%s in %s, oracle: whole", p.Status, p.StatusLayer)
		}
	}
	return diffs
}

// oracleReport is the comparison of one file.
type oracleReport struct {
	compared, partial int
	skipped           map[string]int // packets by reason
	diffs             []string
	note              string // why the rest of the file was not compared
}

func TestOracle(t *testing.T) {
	folder := os.Getenv("XCAPA_ORACLE_CORPUS")
	if folder == "" {
		t.Fatal("set XCAPA_ORACLE_CORPUS to a folder of capture files")
	}
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.ToLower(filepath.Ext(path)) != ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatalf("list corpus: %v", err)
	}
	reports := make([]oracleReport, len(files))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, file := range files {
		slots <- struct{}{}
		wg.Go(func() {
			reports[i] = compareFile(file)
			<-slots
		})
	}
	wg.Wait()

	total := oracleReport{skipped: map[string]int{}}
	notCompared := map[string]int{}
	for i, r := range reports {
		total.compared += r.compared
		total.partial += r.partial
		for reason, n := range r.skipped {
			total.skipped[reason] += n
		}
		if r.note != "" {
			notCompared[r.note]++
			t.Logf("%s: %s, after %d packets", files[i], r.note, r.compared)
		}
		if len(r.diffs) > 0 {
			t.Errorf("%s: %d differences\n\t%s", files[i], len(r.diffs), strings.Join(r.diffs[:min(len(r.diffs), 10)], "\n\t"))
		}
	}
	t.Logf("%d files: %d packets compared field by field, %d of them not whole", len(files), total.compared, total.partial)
	for _, reason := range slices.Sorted(maps.Keys(total.skipped)) {
		t.Logf("%7d packets skipped: %s", total.skipped[reason], reason)
	}
	for _, reason := range slices.Sorted(maps.Keys(notCompared)) {
		t.Logf("%7d files not to their end: %s", notCompared[reason], reason)
	}
	if total.compared == 0 {
		t.Error("nothing was compared")
	}
}

// compareFile reads one file with both and compares packet by packet, up to the
// point where either gives up.
func compareFile(path string) (r oracleReport) {
	r.skipped = map[string]int{}
	answer, note := askOracle(path)
	reader, err := pcap.Open(path, pcap.Options{})
	if err != nil {
		if len(answer) == 0 {
			r.note = "no capture file, says the oracle too"
			return r
		}
		r.note = "no capture file, says our reader"
		return r
	}
	defer reader.Close()
	lines := json.NewDecoder(bytes.NewReader(answer))
	for {
		var l oracleLine
		oracleErr := lines.Decode(&l)
		frame, err := reader.Next()
		switch {
		case oracleErr != nil && err != nil:
			if note != "" || !errors.Is(err, io.EOF) {
				r.note = "damaged or refused by both or one"
			}
			return r
		case oracleErr != nil:
			r.note = "tshark stopped first"
			if r.compared == 0 {
				r.note = fmt.Sprintf("tshark does not know link type %d", frame.LinkType)
			}
			if note == "" {
				r.diffs = append(r.diffs, "oracle ends before our reader")
			}
			return r
		case err != nil:
			r.note = "our reader stopped first"
			return r
		}
		r.compare(&l, frame)
	}
}

func (r *oracleReport) compare(l *oracleLine, frame pcap.Packet) {
	var p Packet
	Decode(&p, frame.LinkType, frame.Data, frame.OrigLen)
	if reason := l.incomparable(&p, frame.Data); reason != "" {
		reason = strings.ReplaceAll(reason, "LINKTYPE", fmt.Sprint(frame.LinkType))
		r.skipped[reason]++
		return
	}
	r.compared++
	if len(l.Partial) > 0 {
		r.partial++
	}
	diffs := l.check(&p)
	if l.CapLen != uint32(len(frame.Data)) {
		diffs = append(diffs, fmt.Sprintf("%d bytes read, oracle %d", len(frame.Data), l.CapLen))
	}
	if diffs != nil {
		r.diffs = append(r.diffs, fmt.Sprintf("packet %d: %s\n\t\t%s\n\t\tours %s\n\t\t%x", l.N,
			strings.Join(diffs, "; "), l.Layers, dump(&p), frame.Data[:min(len(frame.Data), 120)]))
	}
}

// incomparable says why a packet is left out, "" if it is not: layers that
// Decode does not go through, and the places where tshark does what it should
// not (or we stop where we mean to).
func (l *oracleLine) incomparable(p *Packet, frame []byte) string {
	if p.Status == StatusUnsupportedLinkType {
		return "link type LINKTYPE"
	}
	if name, ok := l.undecoded(); ok {
		if p.Present.Has(FieldIPVersion) || p.Status == StatusWhole {
			return "" // then check says what is wrong
		}
		return "layer " + name
	}
	if l.EthDst != nil && len(frame) >= 14 && plainHex(*l.EthDst) == hex.EncodeToString(frame[8:14]) && plainHex(*l.EthDst) != hex.EncodeToString(frame[:6]) {
		return "tshark took the file for one with longer record headers"
	}
	if p.Present.Has(FieldIPOptions) && len(l.Partial) > 0 && strings.HasSuffix(l.Layers, ":ip") {
		return "tshark gave up in the IPv4 options"
	}
	if l.IP6 != nil && len(l.IP6.Ext) > maxExtensionHeaders && p.Status == StatusTooManyExtensionHeaders {
		return "too_many_extension_headers, tshark walks on"
	}
	return ""
}

func plainHex(mac string) string { return strings.ReplaceAll(mac, ":", "") }

// askOracle returns the oracle's lines, and why they end before the file does.
func askOracle(path string) (lines []byte, note string) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err.Error()
	}
	cache := os.Getenv("XCAPA_ORACLE_CACHE")
	sum := sha256.Sum256(content)
	kept := filepath.Join(cache, hex.EncodeToString(sum[:])+".jsonl")
	if cache != "" {
		if b, err := os.ReadFile(kept); err == nil {
			first, rest, _ := bytes.Cut(b, []byte("\n"))
			return rest, string(first)
		}
	}
	var out, complaint bytes.Buffer
	cmd := exec.Command("python3", oracleScript, path)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		note = err.Error()
		if line, _ := bufio.NewReader(&complaint).ReadString('\n'); line != "" {
			note = strings.TrimSpace(line)
		}
	}
	if cache != "" {
		os.WriteFile(kept, append([]byte(note+"\n"), out.Bytes()...), 0o644)
	}
	return out.Bytes(), note
}
