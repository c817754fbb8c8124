package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var schema = Schema{
	"capture": {"interface", "linger", "brokers", "property", "spin", "batch", "kafka-password-file"},
	"index":   {"brokers", "elasticsearch", "store", "index"},
}

func TestParse(t *testing.T) {
	got, err := Parse("f.yaml", []byte(`# where we are
brokers: [k1:9092, "k2:9092"]

capture:
  interface: eth1
  spin: true      # dedicated cores
  batch: 0064
  property:
    client.id: probe
    linger.ms: 5
index:
  elasticsearch:
    - https://a:9200
    - https://b:9200
  index: |
    packets
`), schema)
	if err != nil {
		t.Fatal(err)
	}
	at := func(line, column int) Place { return Place{"f.yaml", line, column} }
	want := []Setting{
		{"", "brokers", []string{"k1:9092", "k2:9092"}, true, at(2, 1)},
		{"capture", "interface", []string{"eth1"}, false, at(5, 3)},
		{"capture", "spin", []string{"true"}, false, at(6, 3)},
		{"capture", "batch", []string{"0064"}, false, at(7, 3)},
		{"capture", "property", []string{"client.id=probe", "linger.ms=5"}, true, at(8, 3)},
		{"index", "elasticsearch", []string{"https://a:9200", "https://b:9200"}, true, at(12, 3)},
		{"index", "index", []string{"packets\n"}, false, at(15, 3)},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "---\n", "capture:\n  # later\n", "capture:\n"} {
		if got, err := Parse("f", []byte(text), schema); err != nil || len(got) != 0 {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

// Every problem is named with its place, all of them in one go.
func TestParseProblems(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"brokrs: k:9092\n", `f:1:1: no command has a setting "brokrs", did you mean "brokers"?`},
		{"captur:\n  linger: 1s\n", `f:1:1: no command has a setting "captur", did you mean "capture"?`},
		{"capture:\n  linger: 1s\n  elasticsearch: x\n", `f:3:3: capture has no setting "elasticsearch"`},
		{"capture:\n  password: hunter2\n", `f:2:3: capture has no setting "password": secrets do not stand in this file`},
		{"kafka_password: x\n", `f:1:1: no command has a setting "kafka_password": secrets do not stand in this file`},
		{"capture:\n  linger: 1s\n  linger: 2s\n", `f:3:3: linger is set twice, first in line 2`},
		{"capture:\n  linger:\n", `f:2:3: linger has no value`},
		{"capture:\n  linger: {a: {b: c}}\n", `linger: want a single value here`},
		{"capture: 5\n", "f:1:10: want `name: value` lines in section capture"},
		{"- a\n- b\n", "f:1:1: want `name: value` lines"},
		{"brokers: k:9092\n---\nbrokers: k:9093\n", `a second document`},
		{"capture:\n  linger: &x 1s\n", `anchors, aliases and tags are not read here`},
		{"capture:\n\tlinger: 1s\n", `f:2:1: `},
		{"capture: [1, 2\n", `f:1:`},
	} {
		_, err := Parse("f", []byte(c.text), schema)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	_, err := Parse("f", []byte("a: 1\nzzzz: 2\ncapture:\n  c: 3\n"), schema)
	if n := strings.Count(fmt.Sprint(err), "\n"); n != 2 {
		t.Errorf("got %d line breaks, want three problems: %v", n, err)
	}
}

func TestLoadLimits(t *testing.T) {
	if _, err := Load("/dev/zero", schema); err == nil || !strings.Contains(err.Error(), "is it the right file?") {
		t.Errorf("endless file: %v", err)
	}
	if _, err := Load("no/such/file", schema); err == nil || !strings.Contains(err.Error(), "open configuration") {
		t.Errorf("missing file: %v", err)
	}
}

func TestMasked(t *testing.T) {
	for _, c := range [][3]string{
		{"property", "sasl.password=hunter2", "sasl.password=********"},
		{"property", "client.id=probe", "client.id=probe"},
		{"property", "ssl.key.location=/etc/key", "ssl.key.location=/etc/key"},
		{"elasticsearch", "https://me:hunter2@es:9200", "https://me:********@es:9200"},
		{"elasticsearch", "https://es:9200", "https://es:9200"},
		{"api-key", "abc", "********"},
		{"api-key-file", "/etc/key", "/etc/key"},
		{"kafka-password-file", "/etc/pw", "/etc/pw"},
		{"password", "", ""},
	} {
		if got := Masked(c[0], c[1]); got != c[2] {
			t.Errorf("Masked(%q, %q) = %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("brokers: [a, b]\ncapture:\n  linger: 1s\n")
	f.Add("capture: {linger: 1s, property: {a: b}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := Parse("f", []byte(text), schema)
		if err != nil {
			return
		}
		for _, s := range settings {
			if why := schema.unknown(s.Section, s.Name); why != "" || s.Place.Line < 1 {
				t.Errorf("%q gave %+v", text, s)
			}
		}
	})
}
