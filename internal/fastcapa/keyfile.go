package fastcapa

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Setting is one line of a configuration file.
type Setting struct {
	Group string // kafka-global or kafka-topic
	Name  string // librdkafka's
	Value string
	Line  int
}

// The groups of a fastcapa configuration file.
const (
	groupGlobal = "kafka-global"
	groupTopic  = "kafka-topic"
)

// ParseConfig reads a configuration file, a GLib key file: [group], NAME =
// VALUE, # in front of a comment, \s \n \t \r \\ in values. name stands for it
// in errors. fastcapa ignores groups it does not know; here they are errors,
// and so is a line that is none of these.
func ParseConfig(r io.Reader, name string) ([]Setting, error) {
	var out []Setting
	group := ""
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", name, n, fmt.Sprintf(format, args...))
		}
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			g, ok := strings.CutSuffix(line[1:], "]")
			if !ok || g != groupGlobal && g != groupTopic {
				return nil, bad("group %s: want [%s] or [%s]", line, groupGlobal, groupTopic)
			}
			group = g
		default:
			key, value, ok := strings.Cut(line, "=")
			key = strings.TrimSpace(key)
			switch {
			case !ok || key == "":
				return nil, bad("%.60q: want NAME = VALUE, as in client.id = fastcapa", line)
			case group == "":
				return nil, bad("%s stands in front of the first group: want [%s] above it", key, groupGlobal)
			}
			v, err := unescape(strings.TrimSpace(value))
			if err != nil {
				return nil, bad("%s: %v", key, err)
			}
			out = append(out, Setting{group, key, v, n})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return out, nil
}

// unescape undoes GLib's escapes.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", fmt.Errorf(`a \ stands at the end of the line`)
		}
		const names, bytes = `sntr\`, " \n\t\r\\"
		at := strings.IndexByte(names, s[i])
		if at < 0 {
			return "", fmt.Errorf(`\%c is no escape: there are \s \n \t \r \\`, s[i])
		}
		b.WriteByte(bytes[at])
	}
	return b.String(), nil
}
