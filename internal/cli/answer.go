package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"xcapa/internal/query"
	"xcapa/internal/record"
)

// answer writes the rows of an answer in one of the formats. A row is made into
// a line (by any goroutine) and written later (by one).
type answer interface {
	// line appends one row to dst; it may be called from several goroutines.
	line(dst []byte, cells []query.Cell) []byte
	// write takes what line made.
	write(line []byte) error
	// end writes what is left.
	end() error
}

// newAnswer begins an answer with these columns.
func newAnswer(w io.Writer, format string, columns []query.Column) (answer, error) {
	out := bufio.NewWriterSize(w, 256<<10)
	switch format {
	case "json":
		return newJSONAnswer(out, columns), nil
	case "csv":
		a := &csvAnswer{out}
		return a, a.write(a.header(columns))
	case "table":
		return &tableAnswer{out: out, columns: columns}, nil
	}
	return nil, usageErrorf("-o %q: want table, csv or json", format)
}

// jsonAnswer is one JSON document a line; a field that is absent is left out.
type jsonAnswer struct {
	out     *bufio.Writer
	columns []query.Column
	keys    [][]byte // "name":
}

func newJSONAnswer(out *bufio.Writer, columns []query.Column) *jsonAnswer {
	a := &jsonAnswer{out: out, columns: columns}
	for _, c := range columns {
		a.keys = append(a.keys, append(appendJSONString(nil, []byte(c.Name)), ':'))
	}
	return a
}

func (a *jsonAnswer) line(dst []byte, cells []query.Cell) []byte {
	dst = append(dst, '{')
	first := true
	for i, c := range cells {
		if c.Null {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, a.keys[i]...)
		switch {
		case a.columns[i].Number:
			dst = append(dst, c.Text...)
		case a.columns[i].Name == record.NameErrors: // a list in documents
			dst = append(appendJSONString(append(dst, '['), c.Text), ']')
		default:
			dst = appendJSONString(dst, c.Text)
		}
	}
	return append(dst, "}\n"...)
}

func (a *jsonAnswer) write(line []byte) error {
	_, err := a.out.Write(line)
	return outputError(err)
}

func (a *jsonAnswer) end() error { return outputError(a.out.Flush()) }

func appendJSONString(dst, text []byte) []byte {
	for _, b := range text {
		if b < ' ' || b == '"' || b == '\\' || b >= utf8.RuneSelf {
			quoted, _ := json.Marshal(string(text)) // no string is refused
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

// csvAnswer is RFC 4180 with a header, lines ending in LF; an absent field is
// empty.
type csvAnswer struct{ out *bufio.Writer }

func (a *csvAnswer) header(columns []query.Column) []byte {
	cells := make([]query.Cell, len(columns))
	for i, c := range columns {
		cells[i].Text = []byte(c.Name)
	}
	return a.line(nil, cells)
}

func (a *csvAnswer) line(dst []byte, cells []query.Cell) []byte {
	for i, c := range cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCSV(dst, c.Text)
	}
	return append(dst, '\n')
}

func (a *csvAnswer) write(line []byte) error {
	_, err := a.out.Write(line)
	return outputError(err)
}

func (a *csvAnswer) end() error { return outputError(a.out.Flush()) }

// appendCSV quotes what has a comma, a quote or a line break in it.
func appendCSV(dst, text []byte) []byte {
	if !bytes.ContainsAny(text, ",\"\r\n") {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for _, b := range text {
		if b == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}

// tableRows is how many rows a table looks at before it settles its widths.
const tableRows = 1000

// tableAnswer is for people: aligned, numbers to the right, "-" for an absent
// field.
type tableAnswer struct {
	out     *bufio.Writer
	columns []query.Column
	held    [][]string
	widths  []int
}

func (a *tableAnswer) line(dst []byte, cells []query.Cell) []byte {
	for i, c := range cells {
		if i > 0 {
			dst = append(dst, '\t')
		}
		if c.Null {
			dst = append(dst, '-')
			continue
		}
		for _, b := range c.Text { // a terminal gets no control characters
			if b < ' ' || b == 0x7f {
				b = '?'
			}
			dst = append(dst, b)
		}
	}
	return dst
}

func (a *tableAnswer) write(line []byte) error {
	cells := strings.Split(string(line), "\t")
	if a.widths == nil {
		if a.held = append(a.held, cells); len(a.held) < tableRows {
			return nil
		}
		return a.settle()
	}
	return a.print(cells)
}

// settle finds the widths and prints what is held.
func (a *tableAnswer) settle() error {
	a.widths = make([]int, len(a.columns))
	heads := make([]string, len(a.columns))
	for i, c := range a.columns {
		heads[i] = c.Name
		a.widths[i] = utf8.RuneCountInString(c.Name)
	}
	for _, row := range a.held {
		for i, c := range row {
			a.widths[i] = max(a.widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, row := range append([][]string{heads}, a.held...) {
		if err := a.print(row); err != nil {
			return err
		}
	}
	a.held = nil
	return nil
}

func (a *tableAnswer) print(row []string) error {
	var line strings.Builder
	for i, c := range row {
		if i > 0 {
			line.WriteString("  ")
		}
		pad := strings.Repeat(" ", max(0, a.widths[i]-utf8.RuneCountInString(c)))
		switch {
		case a.columns[i].Number:
			line.WriteString(pad + c)
		case i == len(row)-1:
			line.WriteString(c)
		default:
			line.WriteString(c + pad)
		}
	}
	line.WriteByte('\n')
	_, err := a.out.WriteString(line.String())
	return outputError(err)
}

func (a *tableAnswer) end() error {
	if a.widths == nil {
		if err := a.settle(); err != nil {
			return err
		}
	}
	return outputError(a.out.Flush())
}
