package store

import (
	"encoding/binary"
	"fmt"
)

// bitWords is how many words n bits need, and one that putBits may touch.
func bitWords(n int) int { return (n+63)/64 + 1 }

// putBits sets the bits of word in dst, from bit at on.
func putBits(dst []uint64, at int, word uint64) {
	dst[at/64] |= word << (at & 63)
	dst[at/64+1] |= word >> 1 >> (63 - at&63)
}

// bitLevels reads n bits, in runs, into dst, which is zero.
func bitLevels(dst []uint64, src []byte, n int) error {
	for at := 0; at < n; {
		head, used := binary.Uvarint(src)
		if used <= 0 {
			return errShort
		}
		src = src[used:]
		if head&1 == 0 {
			run := int(min(head>>1, uint64(n-at)))
			if run == 0 || len(src) == 0 || src[0] > 1 {
				return errShort
			}
			if src[0] == 1 {
				for left := run; left > 0; left -= 64 {
					putBits(dst, at+run-left, ^uint64(0)>>(64-min(left, 64)))
				}
			}
			src = src[1:]
			at += run
			continue
		}
		run := int(min(head>>1*8, uint64(n-at)))
		if run == 0 || (run+7)/8 > len(src) {
			return errShort
		}
		for left, from := run, src; left > 0; left -= 64 {
			word := uint64(0)
			if len(from) >= 8 {
				word, from = binary.LittleEndian.Uint64(from), from[8:]
			} else {
				word = bitsAt(from, 0, 64)
			}
			putBits(dst, at+run-left, word&(^uint64(0)>>(64-min(left, 64))))
		}
		src = src[min(head>>1, uint64(len(src))):]
		at += run
	}
	return nil
}

// largestOf is slices.Max of a slice that is not empty, four at a time.
func largestOf(s []uint32) uint32 {
	a, b, c, d := s[0], s[0], s[0], s[0]
	for ; len(s) >= 4; s = s[4:] {
		a, b, c, d = max(a, s[0]), max(b, s[1]), max(c, s[2]), max(d, s[3])
	}
	for _, v := range s {
		a = max(a, v)
	}
	return max(a, b, c, d)
}

// bitCodes reads indices of a dictionary, each of width bits, in runs: as many
// as dst is long.
func bitCodes(dst []uint32, src []byte, width uint) error {
	if width > 32 {
		return fmt.Errorf("indices of %d bits", width)
	}
	size := int(width+7) / 8
	for len(dst) > 0 {
		head, used := binary.Uvarint(src)
		if used <= 0 {
			return errShort
		}
		src = src[used:]
		if head&1 == 0 {
			run := int(min(head>>1, uint64(len(dst))))
			if run == 0 || len(src) < size {
				return errShort
			}
			var b [4]byte
			copy(b[:], src[:size])
			v := binary.LittleEndian.Uint32(b[:])
			for i := range dst[:run] {
				dst[i] = v
			}
			dst, src = dst[run:], src[size:]
			continue
		}
		groups := head >> 1
		run := int(min(groups*8, uint64(len(dst))))
		packed := (uint64(run)*uint64(width) + 7) / 8
		if run == 0 || uint64(len(src)) < packed {
			return errShort
		}
		unpack(dst[:run], src, width)
		dst, src = dst[run:], src[min(groups*uint64(width), uint64(len(src))):]
	}
	return nil
}

// unpack reads numbers of width bits (32 at most) that lie side by side, the
// lowest bits first. src has all of them.
func unpack(dst []uint32, src []byte, width uint) {
	le := binary.LittleEndian
	mask := uint64(1)<<width - 1
	w := int(width)
	switch {
	case width == 0:
		clear(dst)
		return
	case width <= 8: // one word has eight
		for len(dst) >= 8 && len(src) >= 8 {
			v, o := le.Uint64(src), dst[:8]
			o[0] = uint32(v & mask)
			o[1] = uint32(v >> (width & 63) & mask)
			o[2] = uint32(v >> (2 * width & 63) & mask)
			o[3] = uint32(v >> (3 * width & 63) & mask)
			o[4] = uint32(v >> (4 * width & 63) & mask)
			o[5] = uint32(v >> (5 * width & 63) & mask)
			o[6] = uint32(v >> (6 * width & 63) & mask)
			o[7] = uint32(v >> (7 * width & 63) & mask)
			dst, src = dst[8:], src[w:]
		}
	case width <= 16: // one word has four, the next four begin at half a byte
		half, shift := w/2, 4*width&7
		for len(dst) >= 8 && len(src) >= half+8 {
			o := dst[:8]
			v := le.Uint64(src)
			o[0] = uint32(v & mask)
			o[1] = uint32(v >> (width & 63) & mask)
			o[2] = uint32(v >> (2 * width & 63) & mask)
			o[3] = uint32(v >> (3 * width & 63) & mask)
			v = le.Uint64(src[half:]) >> (shift & 63)
			o[4] = uint32(v & mask)
			o[5] = uint32(v >> (width & 63) & mask)
			o[6] = uint32(v >> (2 * width & 63) & mask)
			o[7] = uint32(v >> (3 * width & 63) & mask)
			dst, src = dst[8:], src[w:]
		}
	default:
		for len(dst) >= 8 && len(src) >= w+8 {
			o := dst[:8]
			for i := range o {
				at := uint(i) * width
				o[i] = uint32(le.Uint64(src[at/8:]) >> (at & 7) & mask)
			}
			dst, src = dst[8:], src[w:]
		}
	}
	for i := range dst {
		dst[i] = uint32(bitsAt(src, uint(i)*width, width))
	}
}

// bitsAt is the number of width bits (64 at most) that begins at a bit of src.
func bitsAt(src []byte, at, width uint) uint64 {
	var b [9]byte
	copy(b[:], src[min(at/8, uint(len(src))):])
	v := binary.LittleEndian.Uint64(b[:])>>(at&7) | uint64(b[8])<<(64-at&7)
	if at&7 == 0 {
		v = binary.LittleEndian.Uint64(b[:])
	}
	if width == 64 {
		return v
	}
	return v & (1<<width - 1)
}

// plainNumbers reads numbers of 4 or 8 bytes.
func plainNumbers(dst []uint64, src []byte, size int) error {
	if len(dst)*size > len(src) {
		return errShort
	}
	if size == 4 {
		for i := range dst {
			dst[i] = uint64(binary.LittleEndian.Uint32(src[4*i:]))
		}
		return nil
	}
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint64(src[8*i:])
	}
	return nil
}

// deltaNumbers reads delta coded numbers: a first one, and blocks of what each
// is above the one before, less the smallest such step. Numbers wrap, so those
// of 4 bytes are right in their lower half.
func deltaNumbers(dst []uint64, src []byte) error {
	var head [3]uint64 // numbers of a block, parts of a block, all numbers
	for i := range head {
		v, used := binary.Uvarint(src)
		if used <= 0 {
			return errShort
		}
		head[i], src = v, src[used:]
	}
	value, used := binary.Varint(src)
	if used <= 0 {
		return errShort
	}
	src = src[used:]
	block, parts := head[0], head[1]
	if parts == 0 || block > 1<<20 || block%parts != 0 || block/parts%8 != 0 || block == 0 || head[2] < uint64(len(dst)) {
		return fmt.Errorf("a delta page of %d numbers, %d a block of %d parts; want %d", head[2], block, parts, len(dst))
	}
	last := uint64(value)
	dst[0] = last
	dst = dst[1:]
	each := int(block / parts)
	for len(dst) > 0 {
		smallest, used := binary.Varint(src)
		if used <= 0 || uint64(len(src)-used) < parts {
			return errShort
		}
		widths := src[used:][:parts]
		src = src[used+int(parts):]
		for _, width := range widths {
			if len(dst) == 0 {
				break
			}
			n := min(each, len(dst))
			if width > 64 || len(src) < (n*int(width)+7)/8 {
				return errShort
			}
			last = unpackSteps(dst[:n], src, uint(width), last, uint64(smallest))
			dst, src = dst[n:], src[min(each*int(width)/8, len(src)):]
		}
	}
	return nil
}

// unpackSteps adds up the steps of one part of a block and returns the last
// number.
func unpackSteps(dst []uint64, src []byte, width uint, last, smallest uint64) uint64 {
	if width == 0 {
		for i := range dst {
			last += smallest
			dst[i] = last
		}
		return last
	}
	le, at := binary.LittleEndian, uint(0)
	i := 0
	if width <= 56 {
		mask := uint64(1)<<width - 1
		for ; i < len(dst) && at/8+8 <= uint(len(src)); i++ {
			last += smallest + le.Uint64(src[at/8:])>>(at&7)&mask
			dst[i] = last
			at += width
		}
	}
	for ; i < len(dst); i++ {
		last += smallest + bitsAt(src, at, width)
		dst[i] = last
		at += width
	}
	return last
}
