package pcap

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"
)

// Interface describes where packets come from.
type Interface struct {
	Name     string
	LinkType uint16 // LINKTYPE number
	SnapLen  uint32 // bytes; 0: whole packets
}

func (i Interface) snapLen() uint32 {
	if i.SnapLen == 0 {
		return MaxPacket
	}
	return i.SnapLen
}

// Statistics are the counts of an interface for the end of a pcapng file.
type Statistics struct {
	Received uint64 // packets that the capture was given
	Dropped  uint64 // of those, lost for want of room
}

// Format of the files to write.
type Format uint8

// The formats.
const (
	PCAPNG      Format = iota // nanoseconds, several interfaces, statistics
	PCAP                      // microseconds, as every reader knows it
	PCAPNanos                 // pcap with nanoseconds
	formatNames = "pcapng, pcap or nsecpcap"
)

// ParseFormat reads the names that editcap and tcpdump's readers use.
func ParseFormat(name string) (Format, error) {
	switch name {
	case "pcapng":
		return PCAPNG, nil
	case "pcap":
		return PCAP, nil
	case "nsecpcap":
		return PCAPNanos, nil
	}
	return 0, fmt.Errorf("capture file format %q: want %s", name, formatNames)
}

// WriteOptions say what to write. Interfaces needs at least one entry, pcap
// takes packets of one link type only.
type WriteOptions struct {
	Format     Format
	Interfaces []Interface
	Rotation   Rotation

	Hardware, OS, Application string // for the pcapng section header; "" leaves one out

	// Statistics is asked for each interface when a pcapng file ends; nil
	// leaves the statistics out.
	Statistics func(iface int) Statistics
}

// WriteStats counts what is in the files, whole.
type WriteStats struct {
	Packets uint64 // in files or the pipe
	Bytes   uint64 // of the files, compressed
	Files   int    // begun
	Lost    uint64 // packets that Write took and that a full disk or closed pipe kept out
}

// writeBuffer is how much is gathered before it is written, and at most what one
// gzip member or zstd frame holds.
const writeBuffer = 1 << 20

// Writer writes packets to a file, a row of files or a pipe. It is used by one
// goroutine.
//
// Whatever happens to the disk, a file ends behind a whole packet: what is
// written is whole records, and what got through of one when the disk was full
// is cut off again.
type Writer struct {
	options WriteOptions
	path    string // "" for NewWriter
	name    string // of the current file
	out     output
	pack    compressor
	ring    ring
	err     error // the first one; every later call returns it
	isOpen  bool

	buf     []byte // whole records not written yet
	inBuf   uint64 // packets in it
	packed  []byte
	size    int64 // bytes in the current file
	packets uint64
	opened  time.Time // the current file
	started time.Time // the first file
	stats   WriteStats
	unit    int64 // pcap: ns in the fraction's unit
	magic   uint32
}

// Create starts writing to path: "-" is standard output, an end in .gz or .zst
// compresses. With a rotation the files are called as dumpcap calls them.
func Create(path string, o WriteOptions) (*Writer, error) {
	w, err := newWriter(o)
	if err != nil {
		return nil, err
	}
	w.path = path
	if path == "-" {
		if o.Rotation.isSet() {
			return nil, errors.New("standard output cannot be rotated: name a file")
		}
		if w.out, err = standardOutput(); err != nil {
			return nil, err
		}
		return w.orNil(w.begin("standard output"))
	}
	if w.pack, err = compressorFor(path); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return w.orNil(w.openFile())
}

// NewWriter writes to dst, uncompressed and without rotation. name stands for
// it in errors. dst is not closed.
func NewWriter(dst io.Writer, name string, o WriteOptions) (*Writer, error) {
	if o.Rotation.isSet() {
		return nil, fmt.Errorf("write %s: only files can be rotated", name)
	}
	w, err := newWriter(o)
	if err != nil {
		return nil, err
	}
	w.out = pipe{dst}
	return w.orNil(w.begin(name))
}

func (w *Writer) orNil(err error) (*Writer, error) {
	if err != nil {
		return nil, err
	}
	return w, nil
}

func newWriter(o WriteOptions) (*Writer, error) {
	if len(o.Interfaces) == 0 {
		return nil, errors.New("write a capture: no interface is described")
	}
	w := &Writer{options: o, buf: make([]byte, 0, writeBuffer+MaxPacket+1024)}
	w.ring.keep = o.Rotation.Files
	switch o.Format {
	case PCAPNG:
		return w, nil
	case PCAP:
		w.magic, w.unit = magicMicros, 1000
	case PCAPNanos:
		w.magic, w.unit = magicNanos, 1
	default:
		return nil, fmt.Errorf("write a capture: format %d is not known", o.Format)
	}
	for _, i := range o.Interfaces {
		if i.LinkType != o.Interfaces[0].LinkType {
			return nil, fmt.Errorf("pcap holds one link type, and %s has another than %s: write pcapng", i.Name, o.Interfaces[0].Name)
		}
	}
	return w, nil
}

// openFile begins the next file.
func (w *Writer) openFile() error {
	name := w.path
	if w.options.Rotation.isSet() {
		name = rotatedName(w.path, w.stats.Files+1, time.Now())
	}
	var err error
	if w.out, err = createFile(name); err != nil {
		return err
	}
	if w.options.Rotation.isSet() {
		if err := w.ring.add(name); err != nil {
			w.out.Close()
			return err
		}
	}
	return w.begin(name)
}

// begin writes the head of a file at once, so that a file is a capture from the
// start.
func (w *Writer) begin(name string) error {
	w.name, w.size, w.packets, w.isOpen = name, 0, 0, true
	w.opened = time.Now()
	if w.stats.Files == 0 {
		w.started = w.opened
	}
	w.stats.Files++
	if w.options.Format == PCAPNG {
		w.buf = appendSection(w.buf, &w.options)
		for _, i := range w.options.Interfaces {
			w.buf = appendInterface(w.buf, i, w.options.OS)
		}
	} else {
		w.buf = appendClassicHeader(w.buf, w.magic, w.options.Interfaces[0])
	}
	if err := w.write(false); err != nil {
		w.closeFile()
		return err
	}
	return nil
}

// Write adds a packet of the iface-th interface: data is its first bytes (cut to
// the snap length), origLen its length on the wire, nanos its time since the
// Unix epoch. data is not kept.
//
// An error means that nothing more can be written: errors.Is tells ErrPipeClosed
// and syscall.ENOSPC. Write does not allocate, and writes out when a buffer of
// 1 MiB is full.
func (w *Writer) Write(iface int, nanos int64, origLen uint32, data []byte) error {
	if w.err != nil {
		return w.err
	}
	if iface < 0 || iface >= len(w.options.Interfaces) {
		return fmt.Errorf("write a packet of interface %d: %d are described", iface, len(w.options.Interfaces))
	}
	if w.isDue() {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	data = data[:min(len(data), MaxPacket, int(w.options.Interfaces[iface].snapLen()))]
	if w.options.Format == PCAPNG {
		w.buf = appendEnhanced(w.buf, uint32(iface), nanos, data, origLen)
	} else {
		w.buf = appendRecord(w.buf, w.unit, nanos, data, origLen)
	}
	w.packets++
	w.inBuf++
	if len(w.buf) >= writeBuffer {
		return w.Flush()
	}
	return nil
}

// AddInterface describes one more interface, from here on and in every further
// file, and returns its number for Write. pcap has no place for one.
func (w *Writer) AddInterface(i Interface) (int, error) {
	if w.options.Format != PCAPNG {
		return 0, fmt.Errorf("pcap holds one interface: write pcapng for packets of %s as well", i.Name)
	}
	if w.err != nil {
		return 0, w.err
	}
	// Not with append: the options' slice is the caller's.
	w.options.Interfaces = append(slices.Clip(w.options.Interfaces), i)
	w.buf = appendInterface(w.buf, i, w.options.OS)
	return len(w.options.Interfaces) - 1, nil
}

// isDue reports whether the file is to end before the next packet.
func (w *Writer) isDue() bool {
	r := &w.options.Rotation
	switch {
	case !r.isSet() || w.packets == 0:
		return false
	case r.Packets > 0 && w.packets >= r.Packets:
		return true
	case r.FileSize > 0 && w.pack == nil && w.size+int64(len(w.buf)) >= r.FileSize:
		return true
	case r.FileSize > 0 && w.size >= r.FileSize:
		return true // packed: known only once it was written
	}
	return r.Duration > 0 && time.Since(w.opened) >= r.Duration
}

// rotate ends the file and begins the next.
func (w *Writer) rotate() error {
	if err := w.endFile(); err != nil {
		return err
	}
	if err := w.openFile(); err != nil {
		w.err = err
		return err
	}
	return nil
}

// Flush writes out what was gathered: for a pipe whose reader is waiting, or
// before a pause.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	return w.write(true)
}

// write hands the buffer to the file. inRecords is false for a file's head.
func (w *Writer) write(inRecords bool) error {
	out := w.buf
	if w.pack != nil {
		packed, err := w.pack(w.packed[:0], w.buf)
		if err != nil {
			return w.fail(fmt.Errorf("compress for %s: %w", w.name, err), 0, 0)
		}
		w.packed, out = packed, packed
	}
	n, err := w.out.Write(out)
	if err != nil {
		end, whole := 0, 0
		if w.pack == nil && inRecords {
			end, whole = lastBoundary(w.buf, n, w.options.Format == PCAPNG)
		}
		return w.fail(err, end, whole)
	}
	w.size += int64(n)
	w.stats.Bytes += uint64(n)
	w.stats.Packets += w.inBuf
	w.buf, w.inBuf = w.buf[:0], 0
	return nil
}

// fail ends the writing: of the buffer, end bytes and whole packets got through
// whole, and what follows them in the file is cut off.
func (w *Writer) fail(cause error, end, whole int) error {
	w.size += int64(end)
	w.stats.Bytes += uint64(end)
	w.stats.Packets += uint64(whole)
	w.stats.Lost += w.inBuf - uint64(whole)
	w.buf, w.inBuf = w.buf[:0], 0
	truncated := w.out.Truncate(w.size)
	switch {
	case errors.Is(cause, syscall.EPIPE) || errors.Is(cause, io.ErrClosedPipe):
		w.err = fmt.Errorf("write %s: %w", w.name, ErrPipeClosed)
	case truncated == nil:
		w.err = fmt.Errorf("write %s: %w: the file is whole up to its packet %d, %d packets are lost", w.name, cause, w.packets-w.stats.Lost, w.stats.Lost)
	default:
		w.err = fmt.Errorf("write %s: %w: %d packets are lost", w.name, cause, w.stats.Lost)
	}
	return w.err
}

// endFile adds the statistics, writes out and closes.
func (w *Writer) endFile() error {
	if w.err == nil && w.options.Format == PCAPNG && w.options.Statistics != nil {
		now := time.Now().UnixNano()
		for i := range w.options.Interfaces {
			w.buf = appendStatistics(w.buf, uint32(i), now, w.started.UnixNano(), w.options.Statistics(i))
		}
	}
	err := w.Flush()
	return errors.Join(err, w.closeFile())
}

func (w *Writer) closeFile() error {
	if !w.isOpen {
		return nil
	}
	w.isOpen = false
	if err := w.out.Close(); err != nil {
		err = fmt.Errorf("close %s: %w", w.name, err)
		if w.err == nil {
			w.err = err
		}
		return err
	}
	return nil
}

// Stats returns the counts of what is written out.
func (w *Writer) Stats() WriteStats { return w.stats }

// Name is the file being written.
func (w *Writer) Name() string { return w.name }

// Close writes out what is left, with the statistics, and closes the file. An
// error that Write or Flush returned before is not returned again. It may be
// called twice.
func (w *Writer) Close() error {
	if !w.isOpen {
		return nil
	}
	failed := w.err != nil
	err := w.endFile()
	if failed {
		return nil
	}
	return err
}
