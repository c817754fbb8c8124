package pycapa

import (
	_ "embed"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cases.json is what Python's argparse makes of the same command lines; see
// testdata/cases.py.
//
//go:embed testdata/cases.json
var casesJSON []byte

func TestParseAsArgparseDoes(t *testing.T) {
	var cases []struct {
		Args     []string
		Accepted bool
		Options  *struct {
			Producer, Consumer bool
			Broker, Topic      *string
			Offset             string
			Interface          *string
			MaxPackets         int64  `json:"max_packets"`
			PrettyPrint        int64  `json:"pretty_print"`
			LogLevel           string `json:"log_level"`
			Properties         []string
			SnapLen            int64
		}
	}
	if err := json.Unmarshal(casesJSON, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 70 {
		t.Fatalf("only %d cases", len(cases))
	}
	or := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for _, c := range cases {
		t.Run(strings.Join(c.Args, " "), func(t *testing.T) {
			got, err := Parse(c.Args)
			if (err == nil) != c.Accepted {
				t.Fatalf("Parse(%q) = %v, argparse accepts: %v", c.Args, err, c.Accepted)
			}
			if err != nil {
				return
			}
			o := c.Options
			want := Options{
				Producer: o.Producer, Consumer: o.Consumer, Broker: or(o.Broker), Topic: or(o.Topic), Offset: o.Offset,
				Interface: or(o.Interface), MaxPackets: o.MaxPackets, PrettyPrint: o.PrettyPrint, LogLevel: o.LogLevel,
				Properties: o.Properties, SnapLen: o.SnapLen,
			}
			if len(want.Properties) == 0 {
				want.Properties = nil
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("Parse(%q) (-argparse +got):\n%s", c.Args, d)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	for args, want := range map[string]string{
		"--unknown":  "unrecognized argument: --unknown",
		"--kafka- x": "ambiguous option: --kafka- could match --kafka-broker, --kafka-topic, --kafka-offset",
		"-o nowhere": `argument -o/--kafka-offset: invalid choice: "nowhere" (choose from begin, end, stored)`,
		"-m x":       `argument -m/--max-packets/-n/--number: invalid int value: "x"`,
		"-i":         "argument -i/--interface: expected one argument",
	} {
		if _, err := Parse(strings.Fields(args)); err == nil || err.Error() != want {
			t.Errorf("Parse(%q) = %v, want %s", args, err, want)
		}
	}
}
