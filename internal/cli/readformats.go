package cli

import (
	"slices"
	"strconv"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/line"
	"xcapa/internal/query"
	"xcapa/internal/record"
)

// encoder turns records into one of read's formats. Each worker has one, and
// gives it a run of records at a time.
type encoder interface {
	add(dst []byte, r *record.Record, o *record.Origin, frame []byte) []byte
	// endRun appends what was held back.
	endRun(dst []byte) []byte
}

// readFormat is one of read's formats.
type readFormat struct {
	encoder  func() encoder
	head     []byte // before everything
	tail     []byte // behind everything
	hasIDs   bool   // the output names records: a file's name is its content
	oneByOne bool   // an encoder has a memory: only one at a time
}

// newReadFormat understands -o and what goes with it; terminal tells where
// standard output goes.
func newReadFormat(o *readOptions, terminal bool) (f readFormat, err error) {
	format := o.output
	if format == "" {
		if format = "json"; terminal {
			format = "text"
		}
	}
	if len(o.columns) > 0 && format != "csv" {
		return f, usageErrorf("--columns is for -o csv: the other formats have all fields")
	}
	schema, err := record.ParseSchema(o.schema)
	if err != nil {
		return f, usageErrorf("--schema: %w", err)
	}
	if o.schema != "logisland" && format != "json" {
		return f, usageErrorf("--schema %s is for -o json", o.schema)
	}
	switch format {
	case "json":
		f.hasIDs = true
		f.encoder = func() encoder {
			return &jsonEncoder{codec.NewDocuments(codec.EncodingJSON, codec.JSONOptions{Schema: schema})}
		}
	case "text":
		// Times since another line need the lines in order.
		f.oneByOne = o.line.timestamp == int(line.TimeDelta) || o.line.timestamp >= int(line.TimeSinceOne)
		f.encoder = func() encoder { return &textEncoder{o.line.printer(o.quiet)} }
	case "csv":
		return newCSVFormat(o.columns)
	case "arrow":
		if terminal {
			return f, usageErrorf("-o arrow writes binary data, and standard output is a terminal: send it to a file or a pipe")
		}
		f.head, f.tail = codec.AppendArrowSchema(nil), codec.AppendArrowEnd(nil)
		f.encoder = func() encoder { return &arrowEncoder{codec.NewArrowBlock(codec.MaxBlockRows)} }
	default:
		return f, usageErrorf("-o %q: want text, json, csv or arrow", o.output)
	}
	return f, nil
}

// jsonEncoder writes one document a line.
type jsonEncoder struct{ docs *codec.Documents }

func (e *jsonEncoder) add(dst []byte, r *record.Record, o *record.Origin, frame []byte) []byte {
	return append(e.docs.Append(dst, r, o, frame), '\n')
}
func (e *jsonEncoder) endRun(dst []byte) []byte { return dst }

// textEncoder writes lines for people.
type textEncoder struct{ printer line.Printer }

func (e *textEncoder) add(dst []byte, r *record.Record, _ *record.Origin, _ []byte) []byte {
	return e.printer.Append(dst, r)
}
func (e *textEncoder) endRun(dst []byte) []byte { return dst }

// arrowEncoder writes record batches.
type arrowEncoder struct{ block *codec.ArrowBlock }

func (e *arrowEncoder) add(dst []byte, r *record.Record, _ *record.Origin, _ []byte) []byte {
	if e.block.Full() {
		dst = e.endRun(dst)
	}
	e.block.Append(r)
	return dst
}

func (e *arrowEncoder) endRun(dst []byte) []byte {
	dst = e.block.AppendBatchTo(dst)
	e.block.Reset()
	return dst
}

// csvEncoder writes RFC 4180, lines ending in LF; an absent field is empty.
type csvEncoder struct {
	cells []cell
	buf   []byte
}

// cell appends one value of a record, nothing where it is absent.
type cell func(dst []byte, r *record.Record, o *record.Origin) []byte

func (e *csvEncoder) add(dst []byte, r *record.Record, o *record.Origin, _ []byte) []byte {
	for i, c := range e.cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		e.buf = c(e.buf[:0], r, o)
		dst = appendCSV(dst, e.buf)
	}
	return append(dst, '\n')
}
func (e *csvEncoder) endRun(dst []byte) []byte { return dst }

// notInFiles are fields that no packet of a capture file has, and one that is
// made only when it is asked for.
var notInFiles = []string{record.NameInterface, record.NameQueue, "capture_sequence", "source_row", record.NameCommunityID}

// newCSVFormat is CSV with these columns; none: all that a packet of a file has.
func newCSVFormat(columns []string) (f readFormat, err error) {
	if len(columns) == 0 || len(columns) == 1 && columns[0] == "*" {
		columns = slices.DeleteFunc(query.FieldNames(), func(n string) bool { return slices.Contains(notInFiles, n) })
	}
	fields, err := fieldsByName("--columns", columns)
	if err != nil {
		return f, withCode(exitUsage, err)
	}
	var cells []cell
	for i, field := range fields {
		cells = append(cells, cellOf(field.Name))
		if i > 0 {
			f.head = append(f.head, ',')
		}
		f.head = appendCSV(f.head, []byte(field.Name))
		f.hasIDs = f.hasIDs || field.Name == record.NameID
	}
	f.head = append(f.head, '\n')
	f.encoder = func() encoder { return &csvEncoder{cells: cells} }
	return f, nil
}

// cellOf is a field's value as documents have it.
func cellOf(name string) cell {
	switch name {
	case record.NameTimestamp:
		return func(dst []byte, r *record.Record, _ *record.Origin) []byte {
			return time.Unix(0, r.TimestampNanos).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
		}
	case record.NameID:
		return record.AppendID
	case record.NameTime:
		return func(dst []byte, r *record.Record, _ *record.Origin) []byte {
			return strconv.AppendInt(dst, time.Unix(0, r.TimestampNanos).UnixMilli(), 10)
		}
	case record.NameType:
		return constant(record.TypePacket)
	case record.NameProcessor:
		return constant(record.ProcessorName)
	case record.NameHost:
		return func(dst []byte, _ *record.Record, o *record.Origin) []byte { return append(dst, o.Host...) }
	case record.NameInterface, record.NameQueue:
		return constant("")
	case record.NameSegmentLength, record.NameDataLength:
		return func(dst []byte, r *record.Record, _ *record.Origin) []byte {
			segment, data, ok := codec.TCPLengths(r)
			if !ok {
				return dst
			}
			if name == record.NameDataLength {
				segment = data
			}
			return strconv.AppendUint(dst, uint64(segment), 10)
		}
	case record.NameCommunityID:
		return func(dst []byte, r *record.Record, _ *record.Origin) []byte { return codec.AppendCommunityID(dst, r) }
	case record.NameErrors:
		return func(dst []byte, r *record.Record, _ *record.Origin) []byte { return record.AppendErrorText(dst, r) }
	}
	in := record.ByName(name)
	return func(dst []byte, r *record.Record, _ *record.Origin) []byte { return in.AppendText(dst, r) }
}

func constant(text string) cell {
	return func(dst []byte, _ *record.Record, _ *record.Origin) []byte { return append(dst, text...) }
}
