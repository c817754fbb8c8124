package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"xcapa/internal/ledger"
	"xcapa/internal/packet"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
)

// readOptions are the flags of read.
type readOptions struct {
	output  string
	columns []string
	host    string
	schema  string
	count   int64
	verify  bool
	line    lineFlags
	quiet   bool
}

func newReadCommand(s *streams) *cobra.Command {
	var o readOptions
	cmd := &cobra.Command{
		Use:   "read FILE...",
		Short: "Decode capture files: documents, lines, CSV or Arrow, a packet each",
		Long: `read decodes pcap and pcapng files (microseconds and nanoseconds, both byte
orders, gzip and zstd by content) in the order they are named. FILE is a file, a
folder (its capture files in order of name), a pattern in quotes, or '-' for
standard input. Every packet gives one document, also one that cannot be decoded.
Damage in a file is reported on standard error with file, byte and reason, reading
goes on behind it, and the exit status is 1.`,
		Example: `  xcapa read capture.pcap                       JSON on a pipe, text on a terminal
  xcapa read -o json capture.pcapng.gz | jq .src_ip
  xcapa read -o text -e -v capture.pcap
  xcapa read -o csv --columns @timestamp,src_ip,dst_ip,frame_length 'captures/*.pcap'
  xcapa read -o arrow captures > packets.arrows
  cat capture.pcap | xcapa read -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRead(cmd.Context(), s, &o, args)
		},
	}
	f := cmd.Flags()
	host, _ := os.Hostname()
	f.StringVarP(&o.output, "output", "o", "", "`FORMAT`: text, json, csv or arrow (default: text on a terminal, else json)")
	f.StringSliceVar(&o.columns, "columns", nil, "csv: these `FIELDS`, see xcapa fields (default: all that a packet of a file has)")
	f.StringVar(&o.host, "host", host, "`NAME` of the capture host in the documents")
	f.StringVar(&o.schema, "schema", "logisland", "json: field `NAMES` and values: logisland or seed")
	f.Int64VarP(&o.count, "count", "c", 0, "stop after `COUNT` packets")
	f.BoolVar(&o.verify, "verify-checksums", false, "verify IP, TCP, UDP and ICMP checksums")
	o.line.register(cmd)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "text: protocol and length only; no ledger at the end")
	return cmd
}

func runRead(ctx context.Context, s *streams, o *readOptions, args []string) error {
	if len(args) == 0 {
		return usageErrorf("no file: name capture files, or - for standard input; see xcapa read --help")
	}
	if o.count < 0 {
		return usageErrorf("-c %d: want the number of packets to stop after", o.count)
	}
	format, err := newReadFormat(o, isTerminal(s.out))
	if err != nil {
		return err
	}
	files, err := captureFiles(args)
	if err != nil {
		return err
	}
	pipe := newReadPipe(ctx, s.out, &format, runtime.GOMAXPROCS(0), o.verify)
	r := &fileReader{streams: s, options: o, format: &format, pipe: pipe}
	var errs []error
	for _, name := range files {
		err := r.file(name)
		if errors.Is(err, errEnough) {
			break
		}
		errs = append(errs, err)
		if pipe.ctx.Err() != nil {
			break
		}
	}
	switch err := pipe.close(); {
	case errors.Is(err, errOutputClosed): // head has seen enough
		return nil
	case err != nil:
		return err
	}
	if !o.quiet && isTerminal(s.err) {
		_ = r.ledger().WriteTable(s.err)
	}
	return errors.Join(errs...)
}

// fileReader sends files through a pipe.
type fileReader struct {
	streams *streams
	options *readOptions
	format  *readFormat
	pipe    *readPipe
	packets int64
}

var errEnough = errors.New("the number of packets asked for was read")

// file reads one file; damage is reported and passed over, and makes the whole
// an error.
func (r *fileReader) file(name string) error {
	origin := record.Origin{Host: r.options.host, Source: "-"}
	var err error
	if r.format.hasIDs {
		if origin.Source, err = fileSource(name); err != nil {
			return err
		}
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
	damaged, lost := 0, false
	limit := int64(0)
	if r.options.count > 0 {
		limit = r.options.count - r.packets
	}
	n, err := r.pipe.file(in, origin, limit, func(d *pcap.DamageError) {
		damaged++
		lost = !d.Resumed
		fmt.Fprintf(r.streams.err, "xcapa: %v\n", d)
	})
	r.packets += n
	switch {
	case err != nil:
		return err
	case lost:
		return fmt.Errorf("%s could not be read to its end; the packets before the damage were", name)
	case damaged > 0:
		return fmt.Errorf("%s is damaged in %d place(s); every packet that is whole was read", name, damaged)
	}
	return nil
}

// ledger is the account of what was read.
func (r *fileReader) ledger() *ledger.Ledger {
	written := r.pipe.packets
	decode := ledger.Room{Room: "decode", In: written, ByStatus: map[string]uint64{}}
	for i, n := range r.pipe.status {
		decode.Out += n
		if i != int(packet.StatusWhole) {
			decode.ByStatus[packet.Status(i).String()] = n
		}
	}
	l := &ledger.Ledger{Command: "read", Final: true, Rooms: []ledger.Room{{Room: "file", In: uint64(r.packets), Out: written}, decode}}
	l.Settle()
	return l
}

// captureNames are how capture files in a folder are called, compressed or not.
var captureNames = regexp.MustCompile(`\.(pcap|pcapng|cap|ntar|dump)(\d+)?(\.gz|\.zst)?$`)

// captureFiles are the files that arguments stand for: themselves, the capture
// files of a folder, those that match a pattern.
func captureFiles(args []string) (out []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg == "-" || err == nil && !info.IsDir():
			out = append(out, arg)
		case err == nil:
			entries, err := os.ReadDir(arg)
			if err != nil {
				return nil, fmt.Errorf("open capture folder: %w", err)
			}
			before := len(out)
			for _, e := range entries {
				if !e.IsDir() && captureNames.MatchString(e.Name()) {
					out = append(out, filepath.Join(arg, e.Name()))
				}
			}
			if len(out) == before {
				return nil, fmt.Errorf("open capture folder %s: it has no .pcap, .pcapng or .cap files: name the files", arg)
			}
		case strings.ContainsAny(arg, "*?["):
			matches, err := filepath.Glob(arg)
			if err != nil {
				return nil, usageErrorf("pattern %q: %w", arg, err)
			}
			if len(matches) == 0 {
				return nil, fmt.Errorf("no file matches %q", arg)
			}
			out = append(out, matches...)
		default:
			out = append(out, arg) // opening it says why it cannot be
		}
	}
	return out, nil
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
