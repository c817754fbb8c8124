package query

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// set gathers the values a field is compared with.
type set struct {
	field     *Field
	spans     []span        // numbers and times
	addresses []addressSpan // addresses
	texts     []string      // everything else
}

func newSet(f *Field) *set { return &set{field: f} }

// textual reports whether the field's values have no order of their own.
func (f *Field) textual() bool {
	return f.kind == kindText || f.kind == kindMAC || f.kind == kindBytes
}

// domain is what the field's numbers can be.
func (f *Field) domain() span {
	if f.kind == kindNumber {
		return domain(f.bits, f.signed)
	}
	return domain(64, true)
}

// add includes the values that compare with text as op says: = < <= > >=.
func (s *set) add(text string, z Zone, op string) error {
	f := s.field
	switch {
	case f.textual():
		if op != "=" && op != "==" {
			return fmt.Errorf("%s is text, which has no order: want = or in or like", f.Name)
		}
		t, err := f.textValue(text)
		s.texts = append(s.texts, t)
		return err
	case f.kind == kindAddress:
		a, err := f.addressSpan(text)
		if err != nil {
			return err
		}
		s.addresses = append(s.addresses, addressesFrom(a, op)...)
		return nil
	}
	v, err := span{}, error(nil)
	if f.kind == kindNumber {
		v, err = f.numberSpan(text)
	} else {
		v, err = f.timeSpan(text, z)
	}
	if err != nil {
		return err
	}
	s.spans = append(s.spans, spansFrom(v, f.domain(), op)...)
	return nil
}

// spansFrom is the part of all that compares with v as op says.
func spansFrom(v, all span, op string) []span {
	switch {
	case op == "<" && v.lo == all.lo, op == ">" && v.hi >= all.hi:
		return nil
	case op == "<":
		return []span{{all.lo, v.lo - 1}}
	case op == "<=":
		return []span{{all.lo, v.hi}}
	case op == ">":
		return []span{{v.hi + 1, all.hi}}
	case op == ">=":
		return []span{{v.lo, all.hi}}
	}
	return []span{v}
}

// addressesFrom is spansFrom for addresses.
func addressesFrom(v addressSpan, op string) []addressSpan {
	before, after := v.lo.Prev(), v.hi.Next()
	if !before.IsValid() && v.lo.Is6() {
		before = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	if !after.IsValid() && v.hi.Is4() {
		after = netip.IPv6Unspecified()
	}
	switch op {
	case "<":
		if !before.IsValid() {
			return nil
		}
		return []addressSpan{{everyAddress.lo, before}}
	case "<=":
		return []addressSpan{{everyAddress.lo, v.hi}}
	case ">":
		if !after.IsValid() {
			return nil
		}
		return []addressSpan{{after, everyAddress.hi}}
	case ">=":
		return []addressSpan{{v.lo, everyAddress.hi}}
	}
	return []addressSpan{v}
}

// intersect keeps what is in other too; between needs it.
func (s *set) intersect(other *set) {
	if s.field.kind == kindAddress {
		lo, hi := s.addresses[0].lo, other.addresses[0].hi
		s.addresses = nil
		if lo.Compare(hi) <= 0 {
			s.addresses = []addressSpan{{lo, hi}}
		}
		return
	}
	all := s.field.domain()
	out := append(complement(normal(s.spans), all), complement(normal(other.spans), all)...)
	s.spans = complement(normal(out), all)
}

// test makes the set a node.
func (s *set) test(not bool) node {
	f := s.field
	switch {
	case f.textual():
		texts := slices.Clone(s.texts)
		slices.Sort(texts)
		texts = slices.Compact(texts)
		return &textTest{field: f, not: not, exact: texts,
			matches: func(t string) bool { _, found := slices.BinarySearch(texts, t); return found }}
	case f.kind == kindAddress:
		spans := normalAddresses(s.addresses)
		return &textTest{field: f, not: not, ranges: textRanges(spans), ranged: true, matches: func(t string) bool {
			a, err := netip.ParseAddr(t)
			return err == nil && within(spans, a)
		}}
	}
	spans := normal(s.spans)
	if not {
		spans = complement(spans, f.domain())
	}
	if f.kind == kindMillis {
		spans = normal(millisToNanos(spans))
	}
	return newSpanTest(f, spans)
}

// textRange is a range of texts in order of bytes: from lo on, below end ("":
// no end).
type textRange struct{ lo, end string }

// textRanges are ranges that hold the text of every address in spans, and
// maybe others: the store's bounds of an address column are those of its text.
func textRanges(spans []addressSpan) (out []textRange) {
	for _, s := range spans {
		switch {
		case s.lo == s.hi:
			t := s.lo.String()
			out = append(out, textRange{t, t + "\x00"})
		case s.hi.Is4() && commonOctets(s) != "":
			p := commonOctets(s)
			out = append(out, textRange{p, p[:len(p)-1] + "/"}) // '/' comes behind '.'
		default:
			return []textRange{{}}
		}
	}
	return out
}

// commonOctets is the text that all addresses of a span of IPv4 begin with, up
// to a dot.
func commonOctets(s addressSpan) string {
	lo, hi := strings.SplitAfter(s.lo.String(), "."), strings.SplitAfter(s.hi.String(), ".")
	p := ""
	for i := 0; i < 3 && lo[i] == hi[i]; i++ {
		p += lo[i]
	}
	return p
}
