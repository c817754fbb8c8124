package line

import (
	"strings"
	"testing"

	"xcapa/internal/record"
)

func TestFormat(t *testing.T) {
	tests := []struct{ format, frame, want string }{
		{"%t %s:%p > %d:%q", tcpFrame, "2012-06-05T07:52:34.996790000Z 192.168.10.226:19707 > 192.168.11.12:23\n"},
		{"%t %s:%p > %d:%q", arpFrame, "2012-06-05T07:52:34.996790000Z -:- > -:-\n"},
		{`%T\t%P\t%l %f`, tcpFrame, "1338882754.996790000\ttcp\t54 [F.]\n"},
		{`%P %f %v`, udpFrame, "udp - -\n"},
		{`%m > %M vlan %v`, vlanFrame, "40:61:86:9a:f1:f5 > 00:1a:8c:15:f9:80 vlan 100\n"},
		{`%s %d %P`, ip6Frame, "2001:: 2001::1 tcp\n"},
		{`%S`, cutFrame, "truncated\n"},
		{`%S`, tcpFrame, "-\n"},
		{`%h %i %r`, tcpFrame, "host eth9 id-7\n"},
		{`%k/%n/%o\n`, tcpFrame, "topic/3/17\n"},
		{`100%% \\ \x41`, tcpFrame, "100% \\ A\n"},
		{`%{tcp_window_size} %{src_ip} %{vlan_id} %{record_errors}`, tcpFrame, "16583 192.168.10.226 - [\"a\"]\n"},
		{"", tcpFrame, "\n"},
	}
	for _, tt := range tests {
		f, err := ParseFormat(tt.format, Printer{})
		if err != nil {
			t.Errorf("%q: %v", tt.format, err)
			continue
		}
		s := &Subject{
			Record: decoded(t, tt.frame), Origin: &record.Origin{Host: "host", Interface: "eth9"}, ID: []byte("id-7"),
			Topic: "topic", Partition: 3, Offset: 17,
			Document: func() []byte {
				return []byte(`{"tcp_window_size":16583,"src_ip":"192.168.10.226","record_errors":["a"]}`)
			},
		}
		if got := string(f.Append([]byte("x"), s)); got != "x"+tt.want {
			t.Errorf("%q: got %q, want %q", tt.format, got[1:], tt.want)
		}
	}
}

func TestFormatLine(t *testing.T) {
	f, err := ParseFormat("%o %L", Printer{Time: TimeNone})
	if err != nil {
		t.Fatal(err)
	}
	want := "5 IP 192.168.10.226.19707 > 192.168.11.12.23: Flags [F.], seq 3888838744, ack 638797278, win 16583, length 0\n"
	if got := string(f.Append(nil, &Subject{Record: decoded(t, tcpFrame), Offset: 5})); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseFormatRefuses(t *testing.T) {
	for format, want := range map[string]string{
		"100%":       "% at the end",
		"%z":         "%z is no token; there are",
		"%{src_ip":   "a } is missing",
		"%{src_adr}": "there is no field of this name; `xcapa fields`",
		`\q`:         `\q is no escape`,
		`\x4`:        "is no escape",
		`\`:          "is no escape",
	} {
		if _, err := ParseFormat(format, Printer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", format, err, want)
		}
	}
}

// Every letter stands once, with a word of help.
func TestFormatTokens(t *testing.T) {
	seen := map[byte]bool{}
	for _, token := range formatTokens {
		if seen[token.letter] || token.help == "" || token.letter == '%' || token.letter == '{' {
			t.Errorf("%%%c stands twice, or without help", token.letter)
		}
		seen[token.letter] = true
		if !strings.Contains(FormatHelp(), "%"+string(token.letter)+"  "+token.help) {
			t.Errorf("%%%c is not in the help", token.letter)
		}
	}
}
