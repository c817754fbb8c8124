package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// decompressor decompresses fetched batches of any codec Kafka knows, each to
// at most max bytes, and allocates no more than that for one, whatever the
// batch claims.
//
// Every failure, a damaged batch as well as one that is too large, wraps
// kgo.ErrMaxDecompress: only then does the client say which offsets the batch
// covers, which is what it takes to step over it. Other errors it meets again
// at every fetch, for ever.
//
// What it unpacks into comes from pools, where the client puts it back.
type decompressor struct {
	max  int
	pool *pools
	gzip sync.Pool // of *gzip.Reader
	lz4  sync.Pool // of *lz4.Reader
	zstd *zstd.Decoder
}

var errTooLong = errors.New("it would become larger than the limit")

func newDecompressor(limit int, p *pools) (*decompressor, error) {
	// Lowmem: the window is allocated as needed, not as the frame claims.
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, fmt.Errorf("prepare zstd: %w", err)
	}
	d := &decompressor{max: limit, pool: p, zstd: z}
	d.gzip.New = func() any { return new(gzip.Reader) }
	d.lz4.New = func() any { return lz4.NewReader(nil) }
	return d, nil
}

func (d *decompressor) close() { d.zstd.Close() }

// Decompress implements kgo.Decompressor.
func (d *decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := d.decompress(src, codec)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kgo.ErrMaxDecompress, err)
	}
	return out, nil
}

func (d *decompressor) decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	switch codec {
	case kgo.CodecNone:
		return src, nil
	case kgo.CodecGzip:
		r := d.gzip.Get().(*gzip.Reader)
		defer d.gzip.Put(r)
		if err := r.Reset(bytes.NewReader(src)); err != nil {
			return nil, err
		}
		return d.read(r, len(src))
	case kgo.CodecLz4:
		r := d.lz4.Get().(*lz4.Reader)
		defer d.lz4.Put(r)
		r.Reset(bytes.NewReader(src))
		return d.read(r, len(src))
	case kgo.CodecSnappy:
		return d.snappy(src)
	case kgo.CodecZstd:
		return d.zstd.DecodeAll(src, d.pool.room(d.zstdLen(src))[:0])
	}
	return nil, fmt.Errorf("unknown codec %d", codec)
}

// zstdLen is how much room a frame of zstd wants: what it says, or a guess.
func (d *decompressor) zstdLen(src []byte) int {
	var h zstd.Header
	if h.Decode(src) == nil && h.HasFCS && h.FrameContentSize <= uint64(d.max) {
		return int(h.FrameContentSize)
	}
	return min(4*len(src), d.max)
}

// read takes everything r has, up to the limit.
func (d *decompressor) read(r io.Reader, compressed int) ([]byte, error) {
	out := bytes.NewBuffer(d.pool.room(min(4*compressed+bytes.MinRead, d.max))[:0])
	n, err := out.ReadFrom(io.LimitReader(r, int64(d.max)+1))
	if err != nil {
		return nil, err
	}
	if n > int64(d.max) {
		return nil, errTooLong
	}
	return out.Bytes(), nil
}

// xerial is how Java's snappy library begins its stream of blocks: 8 bytes of
// magic, version and compatible version (4 bytes each), then blocks of a
// big-endian length and that many bytes of plain snappy. Java producers write
// it; everyone else writes plain snappy.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeaderLen = 16

func (d *decompressor) snappy(src []byte) ([]byte, error) {
	if len(src) < xerialHeaderLen || !bytes.HasPrefix(src, xerial) {
		return d.snappyBlock(nil, src)
	}
	out := d.pool.room(min(4*len(src), d.max))[:0]
	for src = src[xerialHeaderLen:]; len(src) > 0; {
		if len(src) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if n > math.MaxInt32 || int(n) > len(src) {
			return nil, io.ErrUnexpectedEOF
		}
		var err error
		if out, err = d.snappyBlock(out, src[:n]); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return out, nil
}

// snappyBlock appends one decoded block to dst. A block says its length first.
func (d *decompressor) snappyBlock(dst, block []byte) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, err
	}
	if n > d.max-len(dst) {
		return nil, errTooLong
	}
	if dst == nil {
		dst = d.pool.room(n)[:0]
	}
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	_, err = s2.Decode(dst[at:], block)
	return dst, err
}
