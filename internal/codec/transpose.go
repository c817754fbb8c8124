package codec

// transpose64 turns a 64x64 bit matrix around its diagonal in place: bit c of
// word r becomes bit r of word c. Rows of presence bits become the validity
// bitmaps of the columns, at some 27 operations a row whatever their pattern.
//
// Divide and conquer: exchange the off-diagonal quarters of 32x32 bits, then
// of 16x16 inside each, down to single bits.
func transpose64(m *[64]uint64) {
	mask := uint64(0x00000000ffffffff)
	for width := 32; width != 0; width >>= 1 {
		for i := 0; i < 64; i = (i + width + 1) &^ width {
			lo, hi := &m[i&63], &m[(i+width)&63]
			t := (*lo>>uint(width) ^ *hi) & mask
			*lo ^= t << uint(width)
			*hi ^= t
		}
		mask ^= mask << uint(width>>1)
	}
}
