// Package archtest holds the import table of the tree as a test: who may import
// whom. An edge that is not in the table is a design question.
package archtest

import (
	"bufio"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// anything stands for "every package of ours".
const anything = "*"

// mayImport lists, for each package, which of ours it may import. ledger and
// message are leaves that everybody shares: the books and the shape of a
// message.
var mayImport = map[string][]string{
	"bpf":                       {},
	"cmd/xcapa":                 {"internal/cli"},
	"internal/cli":              {anything},
	"internal/config":           {"internal/nearest"},
	"internal/nearest":          {},
	"internal/ledger":           {},
	"internal/status":           {"internal/ledger"},
	"internal/metrics":          {"internal/ledger", "internal/status"},
	"internal/web":              {"internal/ledger", "internal/metrics", "internal/status"},
	"internal/message":          {},
	"internal/packet":           {},
	"internal/record":           {"internal/packet"},
	"internal/line":             {"internal/packet", "internal/record"},
	"internal/codec":            {"internal/packet", "internal/record", "internal/message"},
	"internal/pcap":             {},
	"internal/demo":             {},
	"internal/capture":          {"internal/ledger"},
	"internal/doctor":           {"bpf", "internal/capture/afxdp", "internal/host"},
	"internal/host":             {},
	"internal/capture/afxdp":    {"bpf", "internal/capture", "internal/host", "internal/ledger", "internal/record"},
	"internal/capture/asavie":   {"bpf", "internal/capture", "internal/capture/afxdp", "internal/ledger", "internal/record"},
	"internal/capture/afpacket": {"internal/capture", "internal/host", "internal/ledger", "internal/record"},
	"internal/capture/fanout":   {"internal/capture", "internal/ledger", "internal/packet"},
	"internal/capture/replay":   {"internal/capture", "internal/ledger", "internal/pcap", "internal/record"},
	"internal/transmit":         {"internal/capture", "internal/capture/afxdp", "internal/ledger"},
	"internal/load":             {"bpf", "internal/packet"},
	"internal/measure":          {},
	"internal/worker":           {"internal/capture", "internal/codec", "internal/ledger", "internal/message", "internal/packet", "internal/record"},
	"internal/kafka":            {"internal/ledger", "internal/message", "internal/nearest"},
	"internal/broker":           {},
	"internal/elastic":          {"internal/codec", "internal/indexer", "internal/ledger", "internal/message", "internal/record"},
	"internal/indexer":          {"internal/codec", "internal/ledger", "internal/message", "internal/packet", "internal/record"},
	"internal/store":            {"internal/codec", "internal/indexer", "internal/ledger", "internal/message", "internal/packet", "internal/record"},
	"internal/parse":            {"internal/codec", "internal/indexer", "internal/ledger", "internal/message", "internal/packet", "internal/pcap", "internal/record", "internal/worker"},
	"internal/query":            {"internal/codec", "internal/nearest", "internal/packet", "internal/record"},
	"internal/pycapa":           {},
	"internal/job":              {},
	"internal/fastcapa":         {},
	"internal/veth":             {},
}

// testSupport packages may be imported by tests alone.
var testSupport = []string{"internal/archtest", "internal/testnet", "internal/testpkt", "internal/elastic/elastictest", "internal/stack", "internal/e2e", "internal/kernels", "bench"}

func isTestSupport(pkg string) bool {
	return slices.ContainsFunc(testSupport, func(s string) bool { return pkg == s || strings.HasPrefix(pkg, s+"/") })
}

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "xcapa/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	sc := bufio.NewScanner(strings.NewReader(string(out)))
	for sc.Scan() {
		words := strings.Fields(sc.Text())
		pkg := strings.TrimPrefix(words[0], "xcapa/")
		seen[pkg] = true
		allowed, known := mayImport[pkg]
		if !known {
			if !isTestSupport(pkg) {
				t.Errorf("package %s is not in the table: say what it may import", pkg)
			}
			continue
		}
		for _, imp := range words[1:] {
			imp, ours := strings.CutPrefix(imp, "xcapa/")
			switch {
			case !ours, slices.Contains(allowed, imp):
			case isTestSupport(imp):
				t.Errorf("%s imports %s, which is for tests alone", pkg, imp)
			case !slices.Contains(allowed, anything):
				t.Errorf("%s may not import %s", pkg, imp)
			}
		}
	}
	for pkg := range mayImport {
		if !seen[pkg] {
			t.Errorf("the table names %s, which is not there", pkg)
		}
	}
}
