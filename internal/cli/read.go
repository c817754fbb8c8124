package cli

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/ledger"
	"xcapa/internal/line"
	"xcapa/internal/packet"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
)

// readOptions are the flags of read.
type readOptions struct {
	output string
	host   string
	schema string
	count  int64
	verify bool
	line   lineFlags
	quiet  bool
}

func newReadCommand(s *streams) *cobra.Command {
	var o readOptions
	cmd := &cobra.Command{
		Use:   "read FILE...",
		Short: "Decode capture files: one JSON document, or one line, a packet",
		Long: `read decodes pcap and pcapng files (microseconds and nanoseconds, both byte
orders, gzip and zstd by content; '-' is standard input) in file order. Every
packet gives one document, also one that cannot be decoded. Damage in a file is
reported with its place, and reading goes on behind it.`,
		Example: `  xcapa read capture.pcap                       JSON on a pipe, text on a terminal
  xcapa read -o json capture.pcapng.gz | jq .src_ip
  xcapa read -o text -e -v capture.pcap
  cat capture.pcap | xcapa read -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRead(cmd.Context(), s, &o, args)
		},
	}
	f := cmd.Flags()
	host, _ := os.Hostname()
	f.StringVarP(&o.output, "output", "o", "", "`FORMAT`: json or text (default: text on a terminal, else json)")
	f.StringVar(&o.host, "host", host, "`NAME` of the capture host in the documents")
	f.StringVar(&o.schema, "schema", "logisland", "field `NAMES` and values: logisland or seed")
	f.Int64VarP(&o.count, "count", "c", 0, "stop after `COUNT` packets")
	f.BoolVar(&o.verify, "verify-checksums", false, "verify IP, TCP, UDP and ICMP checksums")
	o.line.register(cmd)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "text: protocol and length only; no ledger at the end")
	return cmd
}

func runRead(ctx context.Context, s *streams, o *readOptions, files []string) error {
	if len(files) == 0 {
		return usageErrorf("no file: name capture files, or - for standard input; see xcapa read --help")
	}
	if o.count < 0 {
		return usageErrorf("-c %d: want the number of packets to stop after", o.count)
	}
	rd, err := newFileReader(s, o)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range files {
		if err := rd.file(ctx, name); err != nil {
			if errors.Is(err, errOutputClosed) || errors.Is(err, errEnough) {
				break
			}
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
		}
	}
	if err := rd.out.Flush(); err != nil && !errors.Is(err, syscall.EPIPE) {
		errs = append(errs, fmt.Errorf("write standard output: %w", err))
	}
	if !o.quiet && isTerminal(s.err) {
		_ = rd.ledger().WriteTable(s.err)
	}
	return errors.Join(errs...)
}

// fileReader decodes files to one output.
type fileReader struct {
	streams *streams
	options *readOptions
	out     *bufio.Writer
	json    codec.JSONOptions
	text    *line.Printer // nil: JSON
	rec     record.Record
	buf     []byte
	packets uint64
	status  [packet.NumStatus]uint64
}

var errEnough = errors.New("the number of packets asked for was read")

func newFileReader(s *streams, o *readOptions) (*fileReader, error) {
	r := &fileReader{streams: s, options: o, out: bufio.NewWriterSize(s.out, 256<<10)}
	format := o.output
	if format == "" {
		if format = "json"; isTerminal(s.out) {
			format = "text"
		}
	}
	switch format {
	case "json":
	case "text":
		printer := o.line.printer(o.quiet)
		r.text = &printer
	default:
		return nil, usageErrorf("-o %q: want json or text", o.output)
	}
	var err error
	if r.json.Schema, err = record.ParseSchema(o.schema); err != nil {
		return nil, usageErrorf("--schema: %w", err)
	}
	return r, nil
}

// file decodes one file; damage is reported and passed over, and makes the
// whole an error.
func (r *fileReader) file(ctx context.Context, name string) error {
	origin := record.Origin{Host: r.options.host}
	var err error
	if origin.Source, err = fileSource(name); err != nil {
		return err
	}
	var in *pcap.Reader
	if name == "-" {
		in, err = pcap.NewReader(r.streams.in, "standard input", pcap.Options{Resync: true})
	} else {
		in, err = pcap.Open(name, pcap.Options{Resync: true})
	}
	if err != nil {
		return err
	}
	defer in.Close()
	damaged := 0
	for number := int64(1); ; {
		p, err := in.Next()
		var damage *pcap.DamageError
		switch {
		case errors.Is(err, io.EOF):
			if damaged > 0 {
				return fmt.Errorf("%s is damaged in %d place(s); every packet that is whole was read", name, damaged)
			}
			return nil
		case errors.As(err, &damage):
			damaged++
			fmt.Fprintf(r.streams.err, "xcapa: %v\n", damage)
			if !damage.Resumed {
				return fmt.Errorf("%s could not be read to its end; the packets before the damage were", name)
			}
			continue
		case err != nil:
			return err
		}
		if err := r.packet(&p, &origin, number); err != nil {
			return err
		}
		number++
		if r.options.count > 0 && r.packets >= uint64(r.options.count) {
			return errEnough
		}
		if r.packets%4096 == 0 && ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d packets", r.packets)
		}
	}
}

// packet decodes and writes one packet.
func (r *fileReader) packet(p *pcap.Packet, origin *record.Origin, number int64) error {
	rec := &r.rec
	rec.SetPacket(p.LinkType, p.Data, p.OrigLen, p.TimestampNanos)
	if r.options.verify {
		packet.Verify(&rec.Packet, p.Data)
	}
	rec.SourceOffset = number
	rec.Present |= 1 << record.FieldSourceOffset
	r.packets++
	r.status[rec.Status]++
	if r.text != nil {
		r.buf = r.text.Append(r.buf[:0], rec)
	} else {
		r.buf = append(codec.AppendJSON(r.buf[:0], rec, origin, &r.json), '\n')
	}
	if _, err := r.out.Write(r.buf); err != nil {
		if errors.Is(err, syscall.EPIPE) {
			return errOutputClosed
		}
		return fmt.Errorf("write standard output: %w", err)
	}
	return nil
}

// ledger is the account of what was read.
func (r *fileReader) ledger() *ledger.Ledger {
	decode := ledger.Room{Room: "decode", In: r.packets, ByStatus: map[string]uint64{}}
	for i, n := range r.status {
		decode.Out += n
		if i != int(packet.StatusWhole) {
			decode.ByStatus[packet.Status(i).String()] = n
		}
	}
	l := &ledger.Ledger{Command: "read", Final: true, Rooms: []ledger.Room{{Room: "file", In: r.packets, Out: r.packets}, decode}}
	l.Settle()
	return l
}

// fileSource names a file by its content: the first 12 hex digits of its
// SHA-256, so that the ids of its records are the same whenever it is read.
// Standard input is read once and gets a random name.
func fileSource(name string) (string, error) {
	if name == "-" {
		return record.NewRun(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("open capture file: %w", err)
	}
	defer f.Close()
	if s, err := f.Stat(); err == nil && !s.Mode().IsRegular() {
		return record.NewRun(), nil // a pipe can be read only once
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read capture file %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}
