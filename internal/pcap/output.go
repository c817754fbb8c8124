package pcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// ErrPipeClosed says that whoever read the capture does not want any more of
// it: the end of the run, not a failure of it.
var ErrPipeClosed = errors.New("the reader of the capture closed the pipe")

// output is an open file or pipe. Only files can be truncated.
type output interface {
	io.Writer
	Truncate(size int64) error
	Close() error
}

// pipe makes any writer an output.
type pipe struct{ io.Writer }

func (pipe) Truncate(int64) error { return errors.ErrUnsupported }
func (pipe) Close() error         { return nil }

// createFile makes or empties the file, readable by its owner only: captures
// hold what people send.
func createFile(path string) (output, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create capture file: %w", err)
	}
	return f, nil
}

// standardOutput is a duplicate of descriptor 1: on the real one, the Go runtime
// answers a closed pipe with SIGPIPE instead of an error.
func standardOutput() (output, error) {
	fd, err := unix.FcntlInt(os.Stdout.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate standard output: %w", err)
	}
	return os.NewFile(uintptr(fd), "standard output"), nil
}

// compressor packs whole buffers of records, each into a gzip member or zstd
// frame of its own: any number of them one behind the other is a valid file, so
// that a file can end behind any of them.
type compressor func(dst, src []byte) ([]byte, error)

// compressorFor goes by the name's end.
func compressorFor(name string) (compressor, error) {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return gzipMembers(), nil
	case strings.HasSuffix(name, ".zst"):
		return zstdFrames()
	}
	return nil, nil
}

func gzipMembers() compressor {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	return func(dst, src []byte) ([]byte, error) {
		buf.Reset()
		z.Reset(&buf)
		if _, err := z.Write(src); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		return append(dst, buf.Bytes()...), nil
	}
}

func zstdFrames() (compressor, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return func(dst, src []byte) ([]byte, error) { return z.EncodeAll(src, dst), nil }, nil
}
