package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/kafka"
	"xcapa/internal/line"
	"xcapa/internal/message"
	"xcapa/internal/record"
)

// tailOptions are the flags of tail.
type tailOptions struct {
	topicFlags
	encoding string
	output   string
	format   string
	line     lineFlags
	quiet    bool
}

func newTailCommand(s *streams) *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show a topic as it grows: records, raw frames, errors",
		Long: `tail follows a topic in any of xcapa's encodings and shows one line a packet. What a
message is it finds out by itself, except for raw frames, which look like nothing in
particular: --encoding raw. Entries of the errors topic are shown with their reason,
the place where decoding stopped and where the packet is; -v adds the packet's line
and its bytes. Partitions are merged by packet time.

-f prints in a format of your own:
` + line.FormatHelp(),
		Example: `  xcapa tail --brokers kafka:9092
  xcapa tail --brokers kafka:9092 -f '%t %s:%p > %d:%q'
  xcapa tail --brokers kafka:9092 --topic xcapa.errors --start 1h -v
  xcapa tail --brokers kafka:9092 --topic pcap --encoding raw --start begin -e -c 100
  xcapa tail --brokers kafka:9092 --start -1000 -e -o json | jq .src_ip`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runTail(cmd.Context(), s, &o)
		},
	}
	o.topicFlags.register(cmd, defaultPacketsTopic, "end", "xcapa-tail")
	f := cmd.Flags()
	f.StringVar(&o.encoding, "encoding", "auto", "`auto`, arrow, json or raw")
	f.StringVarP(&o.output, "output", "o", "", "`FORMAT`: text (default) or json, a document a line")
	f.StringVarP(&o.format, "format", "f", "", "print each packet by this `TEMPLATE`, see above")
	o.line.registerWith(cmd, "") // -e is the end
	f.BoolVarP(&o.quiet, "quiet", "q", false, "text: protocol and length only; errors only on standard error")
	return cmd
}

// runTail is the tail command from checked flags to the end.
func runTail(ctx context.Context, s *streams, o *tailOptions) error {
	encoding, err := codec.ParseEncoding(o.encoding)
	if err != nil || encoding == codec.EncodingString || encoding == codec.EncodingAvro {
		return usageErrorf("--encoding %q: want auto, arrow, json, seed-json, extended-json or raw", o.encoding)
	}
	sink := &tailSink{
		streams: s, limit: o.count, verbose: o.line.verbose > 0, reader: codec.NewReader(encoding),
		out: bufio.NewWriterSize(s.out, 64<<10), printer: o.line.printer(o.quiet),
	}
	switch {
	case o.format != "" && o.output != "":
		return usageErrorf("-f and -o: a format of your own or one of these, not both")
	case o.format != "":
		if sink.format, err = line.ParseFormat(o.format, sink.printer); err != nil {
			return usageErrorf("-f: %w", err)
		}
	case o.output == "json":
		sink.json = true
	case o.output != "" && o.output != "text":
		return usageErrorf("-o %q: want text or json", o.output)
	}
	order := &tailOrder{reader: codec.NewReader(encoding)}
	r, err := o.open(ctx, s, true, order.of)
	if ctx.Err() != nil {
		return nil // told to end before anything began
	} else if err != nil {
		return err
	}
	err = follow(ctx, r, sink, true)
	if sink.unreadable > 0 && !o.quiet {
		fmt.Fprintf(s.err, "xcapa: %d message(s) could not be read\n", sink.unreadable)
	}
	return err
}

// tailOrder finds a message's place in time: that of its first packet.
type tailOrder struct{ reader *codec.Reader }

var errFirstRow = errors.New("the first row is enough")

func (o *tailOrder) of(m *message.Message) kafka.Key {
	key := kafka.Key{Nanos: m.Time.UnixNano()}
	_ = o.reader.Read(m, func(row *codec.Row) error {
		key.Nanos = row.TimestampNanos
		if row.Present.Has(record.FieldSequence) {
			key.Sequence = row.Sequence
		} else if row.Present.Has(record.FieldSourceOffset) {
			key.Sequence = uint64(row.SourceOffset)
		}
		return errFirstRow
	})
	return key
}

// tailSink prints messages.
type tailSink struct {
	streams *streams
	limit   int64 // rows; 0: none
	verbose bool
	reader  *codec.Reader
	out     *bufio.Writer
	printer line.Printer
	format  *line.Format // nil: text or JSON
	json    bool

	rows       int64
	unreadable int
	buf        []byte
	parsed     record.Record
	origin     record.Origin
}

// take prints one message.
func (t *tailSink) take(m *message.Message) error {
	err := t.reader.Read(m, func(row *codec.Row) error {
		if row.JSON != nil && codec.IsFailure(row.JSON) {
			return t.failure(m, row.JSON)
		}
		return t.row(m, row)
	})
	var bad *codec.UnreadableError
	switch {
	case errors.As(err, &bad):
		t.unreadable++
		fmt.Fprintf(t.streams.err, "xcapa: %s partition %d offset %d: %v\n", m.Topic, m.Partition, m.Offset, bad)
		return nil
	case err == nil && t.isFull():
		return errEnough
	case errors.Is(err, errRowsLeft):
		return errOutputClosed // a group gets the whole message again
	}
	return err
}

// errRowsLeft: the rows asked for are printed, and the message has more.
var errRowsLeft = errors.New("the message has more rows")

func (t *tailSink) isFull() bool { return t.limit > 0 && t.rows >= t.limit }

// row prints one record.
func (t *tailSink) row(m *message.Message, row *codec.Row) error {
	rec, origin := &row.Record, row.Origin
	if row.JSON != nil && !t.json {
		if err := codec.ParseJSON(row.JSON, &t.parsed, &t.origin); err != nil {
			return t.print(append(append(t.buf[:0], row.JSON...), '\n')) // no document of ours: as it is
		}
		rec, origin = &t.parsed, &t.origin
	}
	document := func() []byte {
		if row.JSON != nil {
			return row.JSON
		}
		return codec.AppendJSON(nil, rec, origin, nil)
	}
	switch {
	case t.json && row.JSON != nil:
		t.buf = append(append(t.buf[:0], row.JSON...), '\n')
	case t.json:
		t.buf = append(codec.AppendJSON(t.buf[:0], rec, origin, nil), '\n')
	case t.format != nil:
		t.buf = t.format.Append(t.buf[:0], t.subject(m, rec, origin, row.ID, document))
	default:
		t.buf = t.printer.Append(t.buf[:0], rec)
	}
	return t.print(t.buf)
}

func (t *tailSink) subject(m *message.Message, r *record.Record, o *record.Origin, id []byte, document func() []byte) *line.Subject {
	return &line.Subject{Record: r, Origin: o, ID: id, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Document: document}
}

// failure prints one entry of the errors topic.
func (t *tailSink) failure(m *message.Message, doc []byte) error {
	if t.json {
		return t.print(append(append(t.buf[:0], doc...), '\n'))
	}
	var f codec.Failure
	if err := codec.ParseFailure(doc, &f); err != nil {
		return t.print(append(append(t.buf[:0], doc...), '\n'))
	}
	if t.format != nil {
		rec, origin := f.Record, f.Origin
		if rec == nil {
			rec, origin = &record.Record{TimestampNanos: f.TimestampNanos}, &record.Origin{}
		}
		t.buf = t.format.Append(t.buf[:0], t.subject(m, rec, origin, nil, func() []byte { return doc }))
		return t.print(t.buf)
	}
	t.buf = appendFailureLine(t.buf[:0], &f)
	if t.verbose {
		t.buf = t.appendFailureDetails(t.buf, &f)
	}
	return t.print(t.buf)
}

// appendFailureLine appends when, where and why something failed:
//
//	2026-11-23 05:38:00.123456 capture: truncated, tcp header, byte 34: … (topic raw partition 0 offset 7)
func appendFailureLine(dst []byte, f *codec.Failure) []byte {
	dst = time.Unix(0, f.TimestampNanos).AppendFormat(dst, "2006-01-02 15:04:05.000000 ")
	dst = fmt.Appendf(dst, "%s: %s", f.Stage, f.Code)
	if f.Layer != "" {
		dst = fmt.Appendf(dst, ", %s header", f.Layer)
	}
	if f.Offset >= 0 {
		dst = fmt.Appendf(dst, ", byte %d", f.Offset)
	}
	dst = fmt.Appendf(dst, ": %s", strings.TrimPrefix(f.Message, f.Code+": "))
	switch {
	case f.Topic != "":
		dst = fmt.Appendf(dst, " (topic %s partition %d offset %d", f.Topic, f.Partition, f.Position)
		if f.Row >= 0 {
			dst = fmt.Appendf(dst, " row %d", f.Row)
		}
		dst = append(dst, ')')
	case f.File != "":
		dst = fmt.Appendf(dst, " (%s byte %d)", f.File, f.Byte)
	case f.Origin != nil && f.Origin.Interface != "":
		dst = fmt.Appendf(dst, " (%s %s)", f.Origin.Host, f.Origin.Interface)
	}
	if f.Index != "" {
		dst = fmt.Appendf(dst, " (index %s)", f.Index)
	}
	return append(dst, '\n')
}

// appendFailureDetails appends the packet's own line, the refused document and
// the bytes, each line moved in.
func (t *tailSink) appendFailureDetails(dst []byte, f *codec.Failure) []byte {
	if f.Record != nil {
		dst = append(dst, "    "...)
		dst = t.printer.Append(dst, f.Record)
	}
	if f.Document != nil {
		var compact bytes.Buffer
		if json.Compact(&compact, f.Document) != nil {
			compact.Write(f.Document)
		}
		dst = append(append(append(dst, "    "...), compact.Bytes()...), '\n')
	}
	for l := range bytes.Lines([]byte(hex.Dump(f.Frame))) {
		dst = append(append(dst, "    "...), l...)
	}
	return dst
}

// print writes one row and counts it.
func (t *tailSink) print(b []byte) error {
	if t.isFull() {
		return errRowsLeft
	}
	t.rows++
	_, err := t.out.Write(b)
	return outputError(err)
}

func (t *tailSink) flush() error { return outputError(t.out.Flush()) }
