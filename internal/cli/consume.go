package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/message"
	"xcapa/internal/packet"
	"xcapa/internal/pcap"
)

// consumeOptions are the flags of consume.
type consumeOptions struct {
	topicFlags
	report reportFlags
	save   saveFlags
	snap   uint32
	pretty int64
}

func newConsumeCommand(s *streams) *cobra.Command {
	var o consumeOptions
	cmd := &cobra.Command{
		Use:   "consume",
		Short: "Turn a raw topic back into pcap or pcapng",
		Long: `consume reads frames from a raw topic, xcapa's own or pycapa's and fastcapa's, and
writes them as a capture file: pcapng with nanoseconds, or pcap with microseconds.
Partitions are merged by packet time. What a frame was (its time to the nanosecond,
its length on the wire, its link type) comes from the record header xcapa; without
that, time comes from the key and the frame is Ethernet, as long as it is.`,
		Example: `  xcapa consume --brokers kafka:9092 -e | tshark -r -
  xcapa consume --brokers kafka:9092 --topic pcap --start 10m -w last.pcapng.zst -e
  xcapa consume --brokers kafka:9092 -w trace.pcap -F pcap -b duration:60 -b files:10
  xcapa consume --brokers kafka:9092 --start stored --group archive -w -
  xcapa consume --brokers kafka:9092 --start end --pretty-print 1000`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runConsume(cmd.Context(), s, &o)
		},
	}
	o.register(cmd)
	return cmd
}

func (o *consumeOptions) register(cmd *cobra.Command) {
	o.topicFlags.register(cmd, defaultRawTopic, "begin", "xcapa-consume")
	o.report.register(cmd)
	o.save.register(cmd, "write to a capture `FILE` (.gz, .zst: compressed; default '-': standard output)")
	f := cmd.Flags()
	f.Uint32VarP(&o.snap, "snaplen", "s", 0, "`BYTES` kept of each frame (0: all)")
	f.Int64Var(&o.pretty, "pretty-print", 0, "print a line every `N` packets, in pycapa's manner, and write no file")
}

// runConsume is the consume command from checked flags to final ledger.
func runConsume(ctx context.Context, s *streams, o *consumeOptions) error {
	switch {
	case o.pretty < 0:
		return usageErrorf("--pretty-print %d: want a line every so many packets", o.pretty)
	case o.pretty > 0 && o.save.path != "":
		return usageErrorf("--pretty-print and -w: lines or a capture file, not both")
	case o.pretty == 0 && o.save.path == "" && isTerminal(s.out):
		return usageErrorf("a capture file is nothing for a terminal: name a file with -w, pipe it as in | tshark -r -, or print lines with --pretty-print 1")
	case o.save.path == "":
		o.save.path = "-"
	}
	if o.report.statsFile == "-" && o.save.path == "-" {
		return usageErrorf("--stats-file -: the packets go to standard output already; name a file for one of them")
	}
	write, err := o.save.options()
	if err != nil {
		return err
	}
	out := &frameSink{limit: o.count}
	if o.pretty > 0 {
		out.lines = &prettyPrinter{out: bufio.NewWriterSize(s.out, 64<<10), every: o.pretty}
	} else {
		out.file = &frameFile{path: o.save.path, options: write, snap: o.snap}
	}
	r, err := o.open(ctx, s, o.report.quiet, rawOrder)
	if ctx.Err() != nil {
		return nil // told to end before anything began
	} else if err != nil {
		return err
	}
	out.reader = r
	report, err := newReporter(s, &o.report, "consume", o.pretty == 0, out.rooms)
	if err != nil {
		_ = r.Close(ctx)
		return err
	}
	reporting, stop := context.WithCancel(ctx)
	go report.run(reporting)
	err = follow(ctx, r, out, false)
	stop()
	return errors.Join(err, out.close(), report.finish())
}

// rawOrder is the place of a raw message in time.
func rawOrder(m *message.Message) kafka.Key {
	h := codec.RawHeaderOf(m)
	return kafka.Key{Nanos: h.TimestampNanos, Sequence: h.Sequence}
}

// frameSink takes raw messages for a capture file or for lines. The atomics are
// read by the reporter.
type frameSink struct {
	reader *kafka.Reader
	limit  int64 // packets; 0: none
	file   *frameFile
	lines  *prettyPrinter

	taken, out, otherLink, tooLarge, unreadable atomic.Uint64
}

// take writes one frame.
func (f *frameSink) take(m *message.Message) error {
	if m.Header(message.HeaderSchema) != nil {
		return fmt.Errorf("topic %s holds blocks of records, not frames (partition %d offset %d): `xcapa tail` shows it", m.Topic, m.Partition, m.Offset)
	}
	n := f.taken.Add(1)
	f.unreadable.Store(f.reader.Unreadable())
	h := codec.RawHeaderOf(m)
	switch {
	case f.lines != nil:
		f.out.Add(1)
		if err := f.lines.print(m, &h); err != nil {
			return err
		}
	case len(m.Value) > pcap.MaxPacket:
		f.tooLarge.Add(1)
	default:
		iface, ok, err := f.file.interfaceOf(m, h.LinkType)
		if err != nil {
			return err
		}
		if !ok {
			f.otherLink.Add(1)
			break
		}
		f.out.Add(1)
		f.file.save.write(iface, h.TimestampNanos, max(h.OrigLen, uint32(len(m.Value))), m.Value)
		if f.file.save.failure() != nil {
			return errOutputClosed // close says why
		}
	}
	if f.limit > 0 && n >= uint64(f.limit) {
		return errEnough
	}
	return nil
}

func (f *frameSink) flush() error {
	if f.lines != nil {
		return f.lines.flush()
	}
	if f.file.save == nil {
		return nil
	}
	f.file.save.Flush()
	if f.file.save.failure() != nil {
		return errOutputClosed
	}
	return nil
}

func (f *frameSink) close() error {
	if f.lines != nil {
		return f.lines.flush()
	}
	return f.file.close()
}

// rooms are fetch and, with a file, save.
func (f *frameSink) rooms() []ledger.Room {
	var save []ledger.Room
	out := f.out.Load()
	if f.file != nil {
		if s := f.file.shared.Load(); s != nil {
			r := s.room()
			r.In = out
			save = append(save, r)
		} else {
			save = append(save, ledger.Room{Room: "save", In: out})
		}
	}
	lost := f.unreadable.Load()
	fetch := ledger.Room{Room: "fetch", Out: out}
	fetch.Drop(ledger.OtherLinkType, f.otherLink.Load())
	fetch.Drop(ledger.TooLarge, f.tooLarge.Load())
	fetch.Drop(ledger.Unreadable, lost)
	fetch.In = f.taken.Load() + lost
	return append([]ledger.Room{fetch}, save...)
}

// frameFile is the capture file, made when the first frame says what link type
// it has.
type frameFile struct {
	path    string
	options pcap.WriteOptions
	snap    uint32
	save    *saveFile
	shared  atomic.Pointer[saveFile] // save, for the reporter
	ifaces  map[uint16]int           // by link type
}

// interfaceOf is the number of the interface with that link type. false: the
// file is pcap and has room for another one only.
func (f *frameFile) interfaceOf(m *message.Message, linkType uint16) (int, bool, error) {
	if n, ok := f.ifaces[linkType]; ok {
		return n, true, nil
	}
	about := pcap.Interface{Name: m.Topic, LinkType: linkType, SnapLen: f.snap}
	if f.save == nil {
		return 0, true, f.create(about)
	}
	if f.options.Format != pcap.PCAPNG {
		return 0, false, nil
	}
	n, err := f.save.addInterface(about)
	if err == nil {
		f.ifaces[linkType] = n
	}
	return n, true, err
}

func (f *frameFile) create(first pcap.Interface) error {
	o := f.options
	o.Interfaces = []pcap.Interface{first}
	w, err := pcap.Create(f.path, o)
	if err != nil {
		return err
	}
	f.save = &saveFile{w: w}
	f.shared.Store(f.save)
	f.ifaces = map[uint16]int{first.LinkType: 0}
	return nil
}

// close ends the file; with nothing in it, it is an empty capture.
func (f *frameFile) close() error {
	if f.save == nil {
		if err := f.create(pcap.Interface{Name: "xcapa", LinkType: packet.LinkTypeEthernet, SnapLen: f.snap}); err != nil {
			return err
		}
	}
	return f.save.Close()
}

// prettyPrinter writes a line for one packet in so many, as pycapa does.
type prettyPrinter struct {
	out   *bufio.Writer
	every int64
	seen  int64
	buf   []byte
}

func (p *prettyPrinter) print(m *message.Message, h *codec.RawHeader) error {
	p.seen++
	if p.seen%p.every != 0 {
		return nil
	}
	p.buf = fmt.Appendf(p.buf[:0], "Packet: count=%d date=%s topic=%s partition=%d offset=%d len=%d\n", p.seen,
		time.Unix(0, h.TimestampNanos).Format("2006-01-02 15:04:05.000000"), m.Topic, m.Partition, m.Offset, len(m.Value))
	_, err := p.out.Write(p.buf)
	return outputError(err)
}

func (p *prettyPrinter) flush() error { return outputError(p.out.Flush()) }

// outputError is an error of writing standard output; a reader that went away
// is errOutputClosed.
func outputError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return errOutputClosed
	}
	return fmt.Errorf("write standard output: %w", err)
}
