package query

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
)

// span is a range of numbers, both ends included, in an order that is the same
// for all widths: an unsigned number is itself, a signed one has its sign bit
// turned over.
type span struct{ lo, hi uint64 }

const signBit = 1 << 63

// signedKey is a signed number in the order of spans.
func signedKey(v int64) uint64 { return uint64(v) ^ signBit }

// keyBits is the inverse: the number's own bits.
func keyBits(key uint64, signed bool) uint64 {
	if signed {
		return key ^ signBit
	}
	return key
}

// domain is everything a number of that many bits can be.
func domain(bits int, signed bool) span {
	if signed {
		return span{signedKey(-1 << (bits - 1)), signedKey(1<<(bits-1) - 1)}
	}
	return span{0, 1<<bits - 1}
}

// normal sorts spans and joins those that meet.
func normal(in []span) []span {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	var out []span
	for _, s := range in {
		if n := len(out); n > 0 && (s.lo <= out[n-1].hi || s.lo == out[n-1].hi+1) {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

// complement is what of all is not in the normal spans in.
func complement(in []span, all span) (out []span) {
	lo := all.lo
	for _, s := range in {
		if s.lo > lo {
			out = append(out, span{lo, s.lo - 1})
		}
		if s.hi >= all.hi {
			return out
		}
		lo = s.hi + 1
	}
	return append(out, span{lo, all.hi})
}

// millisToNanos makes spans of milliseconds the ones of the nanoseconds in
// them, both signed.
func millisToNanos(in []span) []span {
	out := make([]span, len(in))
	for i, s := range in {
		lo, hi := int64(s.lo^signBit), int64(s.hi^signBit)
		out[i] = span{signedKey(scale(lo, 0)), signedKey(scale(hi, 999_999))}
	}
	return out
}

// scale is ms*1e6+add, at the ends of int64 where it would go beyond.
func scale(ms, add int64) int64 {
	switch {
	case ms > math.MaxInt64/1_000_000-1:
		return math.MaxInt64
	case ms < math.MinInt64/1_000_000+1:
		return math.MinInt64
	}
	return ms*1_000_000 + add
}

// addressSpan is a range of addresses, both ends included; all IPv4 ones come
// before all IPv6 ones.
type addressSpan struct{ lo, hi netip.Addr }

// lowest and highest address there is.
var everyAddress = addressSpan{netip.AddrFrom4([4]byte{}), netip.AddrFrom16([16]byte{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})}

// normalAddresses sorts spans and joins those that overlap.
func normalAddresses(in []addressSpan) []addressSpan {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b addressSpan) int { return a.lo.Compare(b.lo) })
	var out []addressSpan
	for _, s := range in {
		if n := len(out); n > 0 && s.lo.Compare(out[n-1].hi) <= 0 {
			if s.hi.Compare(out[n-1].hi) > 0 {
				out[n-1].hi = s.hi
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// prefixSpan is the range of a network's addresses.
func prefixSpan(p netip.Prefix) addressSpan {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	hi, _ := netip.AddrFromSlice(b)
	return addressSpan{p.Addr(), hi}
}

// within reports whether a is in one of the normal spans.
func within(spans []addressSpan, a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(spans, a, func(s addressSpan, a netip.Addr) int { return s.lo.Compare(a) })
	return found || i > 0 && a.Compare(spans[i-1].hi) <= 0
}
