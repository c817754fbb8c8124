package pcap

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds what a zstd frame header can make the decoder allocate.
// Files made with zstd's levels up to 19 need 8 MiB; --long=25 is the limit,
// beyond that pipe through "zstd -dc --long=31".
const maxZstdWindow = 32 << 20

var (
	gzipMagic = []byte{0x1f, 0x8b}             // RFC 1952 2.3.1
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd} // RFC 8878 3.1.1
)

// decompress looks at the first bytes of src and returns a reader of the
// uncompressed stream, the compression's name ("" for none) and what to call
// when done with it. Decompression is streamed: a bomb costs time, not memory.
func decompress(src io.Reader) (io.Reader, string, func(), error) {
	head := bufio.NewReaderSize(src, 64<<10)
	magic, _ := head.Peek(len(zstdMagic)) // an error shows again when reading
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		z, err := gzip.NewReader(head)
		if err != nil {
			return nil, "gzip", nil, err
		}
		return z, "gzip", func() { z.Close() }, nil
	case bytes.Equal(magic, zstdMagic):
		z, err := zstd.NewReader(head, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, "zstd", nil, err
		}
		return z, "zstd", z.Close, nil
	}
	return head, "", func() {}, nil
}
