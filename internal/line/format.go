package line

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// Subject is what a Format prints: a record, where it was read, and its
// document.
type Subject struct {
	Record    *record.Record
	Origin    *record.Origin
	ID        []byte
	Topic     string
	Partition int32
	Offset    int64
	// Document is the JSON of the record, or whatever else the message was. It
	// is called for %{name} alone.
	Document func() []byte
}

// Format is a template in the manner of kcat's -f, made by ParseFormat. It is
// not safe for several goroutines.
type Format struct {
	parts   []formatPart
	line    Printer
	newline bool
	doc     map[string]json.RawMessage // of the subject being printed, once asked for
}

type formatPart struct {
	text   string // printed as it is, or
	letter byte   // a token of formatTokens, or
	name   string // of %{name}
}

// formatTokens are the letters behind % and what they print, for help texts.
// What the packet does not have prints as "-".
var formatTokens = []struct {
	letter byte
	help   string
	append func(f *Format, dst []byte, s *Subject) []byte
}{
	{'t', "time, RFC 3339 with nanoseconds, UTC", func(_ *Format, dst []byte, s *Subject) []byte {
		return time.Unix(0, s.Record.TimestampNanos).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	}},
	{'T', "time, seconds since 1970", func(_ *Format, dst []byte, s *Subject) []byte {
		p := Printer{Time: TimeEpoch, Nanos: true}
		dst = p.appendTime(dst, s.Record.TimestampNanos)
		return dst[:len(dst)-1]
	}},
	{'s', "source address", func(_ *Format, dst []byte, s *Subject) []byte {
		return appendIf(dst, s, packet.FieldSourceAddress, func(r *record.Record) string { return addressText(r.SourceAddress) })
	}},
	{'p', "source port", func(_ *Format, dst []byte, s *Subject) []byte { return appendNumber(dst, s, packet.FieldSourcePort) }},
	{'d', "destination address", func(_ *Format, dst []byte, s *Subject) []byte {
		return appendIf(dst, s, packet.FieldDestinationAddress, func(r *record.Record) string { return addressText(r.DestinationAddress) })
	}},
	{'q', "destination port", func(_ *Format, dst []byte, s *Subject) []byte {
		return appendNumber(dst, s, packet.FieldDestinationPort)
	}},
	{'P', "protocol: tcp, udp, icmp..., else its number", func(_ *Format, dst []byte, s *Subject) []byte {
		return appendIf(dst, s, packet.FieldProtocol, protocolText)
	}},
	{'l', "bytes on the wire", func(_ *Format, dst []byte, s *Subject) []byte {
		return strconv.AppendUint(dst, uint64(s.Record.OrigLen), 10)
	}},
	{'f', "TCP flags, as in [S.]", func(_ *Format, dst []byte, s *Subject) []byte {
		if !s.Record.Present.Has(packet.FieldTCPFlags) {
			return append(dst, '-')
		}
		return appendTCPFlags(dst, s.Record.TCPFlags)
	}},
	{'m', "source MAC address", func(_ *Format, dst []byte, s *Subject) []byte {
		return appendIf(dst, s, packet.FieldSourceMAC, func(r *record.Record) string { return string(appendMAC(nil, r.SourceMAC)) })
	}},
	{'M', "destination MAC address", func(_ *Format, dst []byte, s *Subject) []byte {
		return appendIf(dst, s, packet.FieldDestinationMAC, func(r *record.Record) string { return string(appendMAC(nil, r.DestinationMAC)) })
	}},
	{'v', "VLAN id, outermost", func(_ *Format, dst []byte, s *Subject) []byte { return appendNumber(dst, s, packet.FieldVLANID) }},
	{'S', "decode status", func(_ *Format, dst []byte, s *Subject) []byte {
		if s.Record.Status == packet.StatusWhole {
			return append(dst, '-')
		}
		return append(dst, s.Record.Status.String()...)
	}},
	{'h', "capture host", func(_ *Format, dst []byte, s *Subject) []byte { return appendText(dst, s.Origin.Host) }},
	{'i', "capture interface", func(_ *Format, dst []byte, s *Subject) []byte { return appendText(dst, s.Origin.Interface) }},
	{'r', "record id", func(_ *Format, dst []byte, s *Subject) []byte { return appendText(dst, string(s.ID)) }},
	{'k', "Kafka topic", func(_ *Format, dst []byte, s *Subject) []byte { return append(dst, s.Topic...) }},
	{'n', "Kafka partition", func(_ *Format, dst []byte, s *Subject) []byte { return strconv.AppendInt(dst, int64(s.Partition), 10) }},
	{'o', "Kafka offset", func(_ *Format, dst []byte, s *Subject) []byte { return strconv.AppendInt(dst, s.Offset, 10) }},
	{'L', "the line of -o text", func(f *Format, dst []byte, s *Subject) []byte {
		dst = f.line.Append(dst, s.Record)
		return dst[:len(dst)-1]
	}},
}

// FormatHelp lists the tokens, one a line.
func FormatHelp() string {
	var b strings.Builder
	for _, t := range formatTokens {
		fmt.Fprintf(&b, "  %%%c  %s\n", t.letter, t.help)
	}
	b.WriteString("  %{name}  any field by its name in the document, as in %{tcp_window_size}\n")
	b.WriteString(`  %%, \n, \t, \r, \\ and \xHH are what they look like; a line end is added` + "\n")
	return b.String()
}

// failureNames are what %{name} may ask of the errors topic.
var failureNames = []string{"stage", "code", "layer", "offset", "message", "frame", "source", "record", "document", "index"}

// ParseFormat compiles a template; line is the printer of %L. A template that
// does not end a line itself gets a line end.
func ParseFormat(template string, printer Printer) (*Format, error) {
	f := &Format{line: printer}
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			f.parts = append(f.parts, formatPart{text: text.String()})
			text.Reset()
		}
	}
	for rest := template; rest != ""; {
		switch rest[0] {
		case '\\':
			b, n, err := unescape(rest)
			if err != nil {
				return nil, err
			}
			text.WriteByte(b)
			rest = rest[n:]
		case '%':
			part, n, err := parseToken(rest)
			if err != nil {
				return nil, err
			}
			if part.text != "" {
				text.WriteString(part.text)
			} else {
				flush()
				f.parts = append(f.parts, part)
			}
			rest = rest[n:]
		default:
			text.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	f.newline = !strings.HasSuffix(text.String(), "\n")
	flush()
	return f, nil
}

// parseToken reads %x, %% or %{name} and returns how long it is.
func parseToken(s string) (formatPart, int, error) {
	if len(s) < 2 {
		return formatPart{}, 0, fmt.Errorf("%% at the end: write %%%% for the sign itself")
	}
	if s[1] == '%' {
		return formatPart{text: "%"}, 2, nil
	}
	if s[1] == '{' {
		name, _, ok := strings.Cut(s[2:], "}")
		if !ok {
			return formatPart{}, 0, fmt.Errorf("%s: a } is missing", s)
		}
		if record.ByName(name) == nil && !slices.Contains(failureNames, name) {
			return formatPart{}, 0, fmt.Errorf("%%{%s}: there is no field of this name; `xcapa fields` lists them", name)
		}
		return formatPart{name: name}, len(name) + 3, nil
	}
	for _, t := range formatTokens {
		if t.letter == s[1] {
			return formatPart{letter: s[1]}, 2, nil
		}
	}
	return formatPart{}, 0, fmt.Errorf("%%%c is no token; there are\n%s", s[1], FormatHelp())
}

// unescape reads an escape and returns its byte and how long it is.
func unescape(s string) (byte, int, error) {
	if len(s) >= 2 {
		if at := strings.IndexByte(`ntr\`, s[1]); at >= 0 {
			return "\n\t\r\\"[at], 2, nil
		}
		if s[1] == 'x' && len(s) >= 4 {
			if b, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
				return byte(b), 4, nil
			}
		}
	}
	return 0, 0, fmt.Errorf(`%.4s is no escape; there are \n \t \r \\ and \xHH`, s)
}

// Append prints s behind dst.
func (f *Format) Append(dst []byte, s *Subject) []byte {
	f.doc = nil
	for i := range f.parts {
		p := &f.parts[i]
		switch {
		case p.text != "":
			dst = append(dst, p.text...)
		case p.name != "":
			dst = f.appendField(dst, s, p.name)
		default:
			for j := range formatTokens {
				if formatTokens[j].letter == p.letter {
					dst = formatTokens[j].append(f, dst, s)
					break
				}
			}
		}
	}
	if f.newline {
		dst = append(dst, '\n')
	}
	return dst
}

// appendField prints a member of the document: strings without quotes, all else
// as JSON.
func (f *Format) appendField(dst []byte, s *Subject, name string) []byte {
	if f.doc == nil {
		f.doc = map[string]json.RawMessage{}
		_ = json.Unmarshal(s.Document(), &f.doc) // what is no object has no fields
	}
	value, ok := f.doc[name]
	if !ok {
		return append(dst, '-')
	}
	var text string
	if value[0] == '"' && json.Unmarshal(value, &text) == nil {
		return append(dst, text...)
	}
	return append(dst, value...)
}

func appendIf(dst []byte, s *Subject, field packet.Field, text func(*record.Record) string) []byte {
	if !s.Record.Present.Has(field) {
		return append(dst, '-')
	}
	return append(dst, text(s.Record)...)
}

func appendNumber(dst []byte, s *Subject, field packet.Field) []byte {
	if !s.Record.Present.Has(field) {
		return append(dst, '-')
	}
	return strconv.AppendUint(dst, s.Record.Uint(field), 10)
}

func appendText(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, '-')
	}
	return append(dst, text...)
}

func addressText(a [16]byte) string { return netip.AddrFrom16(a).Unmap().String() }

func protocolText(r *record.Record) string {
	switch r.Protocol {
	case protoICMP:
		return "icmp"
	case protoTCP:
		return "tcp"
	case protoUDP:
		return "udp"
	case protoICMPv6:
		return "icmp6"
	case protoSCTP:
		return "sctp"
	}
	return strconv.Itoa(int(r.Protocol))
}
