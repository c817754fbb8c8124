package pcap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Hard limits on what a file may claim, those of libpcap's savefile reader.
const (
	MaxPacket = 262144   // bytes captured of one packet
	maxBlock  = 16 << 20 // bytes of one pcapng block
)

// Packet is one packet of a capture file.
type Packet struct {
	Data           []byte // CapLen bytes from the link-layer header on; valid until the next call of Next
	TimestampNanos int64  // ns since the Unix epoch, UTC; 0 if HasTime is false
	HasTime        bool   // false for a pcapng simple packet block
	LinkType       uint16 // LINKTYPE number of the packet's interface
	OrigLen        uint32 // bytes on the wire, as the file says (a damaged one may be below len(Data))
	Interface      uint32 // number of the interface in its section; 0 in pcap
	InterfaceName  string // pcapng if_name; "" if not told
	FileOffset     int64  // where the record or block starts: bytes of the uncompressed stream
}

// Options for reading. The zero value stops at the first damage.
type Options struct {
	// Resync goes on behind damage: Next returns the *DamageError (Resumed set)
	// and its next call the first packet that makes sense again.
	Resync bool
}

// Stats counts what a Reader has met so far.
type Stats struct {
	Packets uint64 // delivered
	Bytes   uint64 // captured bytes of those
	Damaged uint64 // *DamageErrors returned
	Skipped uint64 // bytes left out by them
}

// Reader reads the packets of one capture file, in file order. It is used by
// one goroutine.
type Reader struct {
	name    string
	win     window
	options Options
	stats   Stats
	done    bool
	format  string // "pcap" or "pcapng"
	packing string // "gzip", "zstd" or ""
	undo    []func()
	pipe    *os.File // what Interrupt closes; nil: reads cannot be ended
	src     *counted
	size    int64 // bytes of the file as it lies on the disk; 0: not known

	big     bool // numbers of the file (or of the pcapng section) are big-endian
	classic classic
	ng      section
}

// Open opens the capture file at path, "-" for standard input.
func Open(path string, o Options) (*Reader, error) {
	if path == "-" {
		return openStandardInput(o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture file: %w", err)
	}
	if s, err := f.Stat(); err == nil && s.IsDir() {
		f.Close()
		return nil, fmt.Errorf("open capture file %s: it is a folder; name the files in it", path)
	}
	r, err := NewReader(f, path, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	r.undo = append(r.undo, func() { f.Close() })
	return r, nil
}

// NewReader reads a capture from src. name stands for it in errors. It reads
// the file's header; what is no capture file gives an error that wraps
// ErrFormat, a *DamageError.
func NewReader(src io.Reader, name string, o Options) (*Reader, error) {
	r := &Reader{name: name, options: o, src: &counted{Reader: src}}
	if f, ok := src.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			r.size = info.Size()
		}
	}
	plain, packing, closePlain, err := decompress(r.src)
	r.packing = packing
	if err != nil {
		return nil, r.final(0, fmt.Sprintf("not a pcap or pcapng file: it starts like %s but cannot be unpacked: %v", packing, err), ErrFormat)
	}
	r.undo = append(r.undo, closePlain)
	r.win = newWindow(plain)
	if err := r.start(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// start tells the format by the first four bytes.
func (r *Reader) start() error {
	b := r.win.peek(4)
	if len(b) < 4 {
		if err := r.win.err; err != io.EOF {
			return r.ended(0)
		}
		return r.final(0, fmt.Sprintf("not a pcap or pcapng file: it has %d bytes", len(b)), ErrFormat)
	}
	if isNG(b) {
		r.format = "pcapng"
		return r.startNG()
	}
	r.format = "pcap"
	return r.startClassic(b)
}

// Format is "pcap" or "pcapng".
func (r *Reader) Format() string { return r.format }

// Compression is "gzip", "zstd" or "".
func (r *Reader) Compression() string { return r.packing }

// Buffered is how many bytes of the stream are in memory and not yet used: 0
// tells that the next call of Next has to wait for the source.
func (r *Reader) Buffered() int { return r.win.w - r.win.r }

// Stats returns the counts so far.
func (r *Reader) Stats() Stats { return r.stats }

// LinkType is the link type of the file (pcap) or of the section's first
// interface so far (pcapng); ok is false before there is one.
func (r *Reader) LinkType() (linkType uint16, ok bool) {
	if r.format == "pcap" {
		return r.classic.linkType, true
	}
	if len(r.ng.interfaces) == 0 {
		return 0, false
	}
	return r.ng.interfaces[0].linkType, true
}

// openStandardInput reads standard input. A pipe is opened anew, so that closing
// it ends a read of it: Go cannot do that with what it was started with.
func openStandardInput(o Options) (*Reader, error) {
	const name = "standard input"
	info, err := os.Stdin.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return NewReader(os.Stdin, name, o)
	}
	// Nonblocking: a pipe whose writer is done already is not waited for.
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", os.Stdin.Fd()), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return NewReader(os.Stdin, name, o)
	}
	r, err := NewReader(f, name, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	r.pipe = f
	r.undo = append(r.undo, func() { f.Close() })
	return r, nil
}

// Interrupt ends a Next that waits for a pipe, from another goroutine: it then
// returns an error that errors.Is os.ErrClosed. A read of a file is not ended;
// it does not wait.
func (r *Reader) Interrupt() {
	if r.pipe != nil {
		r.pipe.Close()
	}
}

// Position is how far reading has come in the file as it lies on the disk, in
// bytes: up to the next packet, or in a compressed file what the decompressor
// has taken. size is 0 where it is not known, for a pipe.
func (r *Reader) Position() (at, size int64) {
	if r.packing != "" {
		return r.src.n, r.size
	}
	return r.win.offset(), r.size
}

// counted counts what is read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// Close releases the decompressor and the file, if Open opened it.
func (r *Reader) Close() error {
	for i := len(r.undo) - 1; i >= 0; i-- {
		r.undo[i]()
	}
	r.undo = nil
	r.done = true
	return nil
}

// Next returns the next packet. Its Data is valid until the following call.
//
// At the end it returns io.EOF. Damage is returned as a *DamageError: with
// Options.Resync the next call goes on behind it, else the next call returns
// io.EOF, so that a loop until io.EOF is right in both cases. Any other error
// is one of reading and final.
//
// Next does not allocate unless it returns an error.
func (r *Reader) Next() (Packet, error) {
	if r.done {
		return Packet{}, io.EOF
	}
	var p Packet
	var err error
	if r.format == "pcap" {
		p, err = r.nextClassic()
	} else {
		p, err = r.nextNG()
	}
	if err != nil {
		return Packet{}, r.note(err)
	}
	r.stats.Packets++
	r.stats.Bytes += uint64(len(p.Data))
	return p, nil
}

// note counts an error on its way out and ends the reading unless it goes on.
func (r *Reader) note(err error) error {
	var d *DamageError
	if errors.As(err, &d) {
		r.stats.Damaged++
		r.stats.Skipped += uint64(d.Skipped)
		r.done = !d.Resumed
		return err
	}
	r.done = true
	return err
}

// final is damage behind which nothing can be read.
func (r *Reader) final(offset int64, reason string, cause error) error {
	return &DamageError{File: r.name, Offset: offset, Reason: reason, Err: cause}
}

// cut says that the stream ends inside something that began at the window's
// position and needs need bytes.
func (r *Reader) cut(what string, need int) error {
	have := r.win.peek(need)
	if r.win.err != io.EOF {
		return r.ended(int64(len(have)))
	}
	return &DamageError{File: r.name, Offset: r.win.offset(), Skipped: int64(len(have)), Err: io.ErrUnexpectedEOF,
		Reason: fmt.Sprintf("the file ends inside %s: it needs %d bytes, %d are there", what, need, len(have))}
}

// ended turns what the source ended with into Next's error; left is how many
// bytes of it were not used.
func (r *Reader) ended(left int64) error {
	err := r.win.err
	if err == io.EOF {
		return io.EOF
	}
	if r.packing != "" {
		return &DamageError{File: r.name, Offset: r.win.offset(), Skipped: left, Err: err,
			Reason: fmt.Sprintf("%s cannot be unpacked further: %v", r.packing, err)}
	}
	return fmt.Errorf("read %s at byte %d: %w", r.name, r.win.offset(), err)
}

// The window during a search: candidates start in the first searchStep bytes,
// and behind each lie at least searchReach bytes, enough for the largest packet
// with its header and the next one's.
const (
	searchStep  = 64 << 10
	searchReach = MaxPacket + 4096
)

// resync looks, from the byte behind the window's position on, for the first
// place where sound says yes, and stays in front of it. sound gets the bytes
// from the candidate on, at least searchReach unless the file ends there.
// Without Options.Resync it only wraps the reason.
func (r *Reader) resync(reason string, sound func(b []byte) bool) error {
	d := &DamageError{File: r.name, Offset: r.win.offset(), Reason: reason}
	if !r.options.Resync {
		return d
	}
	for i := 1; ; i = 0 {
		b := r.win.peek(searchStep + searchReach)
		end := min(len(b), searchStep)
		for ; i < end; i++ {
			if sound(b[i:]) {
				r.win.skip(i)
				d.Skipped = r.win.offset() - d.Offset
				d.Resumed = true
				return d
			}
		}
		r.win.skip(end)
		if end < searchStep {
			d.Skipped = r.win.offset() - d.Offset
			return d
		}
	}
}

// leaveOut is damage inside one block whose end is known: with Options.Resync
// just these n bytes are skipped.
func (r *Reader) leaveOut(reason string, n int) error {
	d := &DamageError{File: r.name, Offset: r.win.offset(), Reason: reason}
	if r.options.Resync {
		r.win.skip(n)
		d.Skipped, d.Resumed = int64(n), true
	}
	return d
}
