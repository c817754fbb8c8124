package job

import (
	"bytes"
	"strings"
)

// Where the entries of the three lists belong, in columns, whatever the engine's
// own keys are indented by (one or two in what was published).
var entryColumn = map[string]int{"- controllerService:": 4, "- stream:": 4, "- processor:": 8}

// joinFragments moves every list entry of a job file to the column where it
// belongs, with the lines below it. Lines stay lines, so that positions in
// errors and in the table are those of the file.
func joinFragments(src []byte) []byte {
	var out bytes.Buffer
	shift := 0
	for _, l := range strings.Split(string(src), "\n") {
		l = strings.TrimRight(strings.ReplaceAll(l, "\t", "  "), " \r")
		text := strings.TrimLeft(l, " ")
		at := len(l) - len(text)
		switch {
		case text == "" || text[0] == '#':
			out.WriteByte('\n')
			continue
		case text == "controllerServiceConfigurations:", text == "streamConfigurations:", text == "engine:":
			shift = 0
		}
		for head, column := range entryColumn {
			if strings.HasPrefix(text, head) {
				shift = column - at
			}
		}
		out.WriteString(strings.Repeat(" ", max(at+shift, 0)))
		out.WriteString(text)
		out.WriteByte('\n')
	}
	return out.Bytes()
}
