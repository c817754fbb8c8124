package query

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Zone says how times without a zone are meant, and what "now" is.
type Zone struct {
	Location *time.Location
	Now      time.Time
}

// timeLayouts are the ways a time can be written, the zone left out or given.
var timeLayouts = []string{
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02",
}

// ParseTime reads a point in time as ns since 1970: a date with or without time
// and zone, "now", a time ago (-15m), or seconds since 1970 (@1732340280.5). end
// is the last ns of what was written: the end of the day for a date alone, of
// the minute or second for one of those.
func (z Zone) ParseTime(s string) (first, end int64, err error) {
	if s == "now" {
		return z.Now.UnixNano(), z.Now.UnixNano(), nil
	}
	if epoch, ok := strings.CutPrefix(s, "@"); ok {
		return parseEpoch(epoch)
	}
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		if d, err := ParseDuration(ago); err == nil {
			n := z.Now.Add(-d).UnixNano()
			return n, n, nil
		}
	}
	for _, layout := range timeLayouts {
		for _, zone := range []string{"", "Z07:00", " Z07:00"} {
			t, err := time.ParseInLocation(layout+zone, s, z.Location)
			if err != nil {
				continue
			}
			if t.Before(minTime) || t.After(maxTime) {
				return 0, 0, fmt.Errorf("time %q: before 1678 or after 2261, which no packet time can be", s)
			}
			return t.UnixNano(), t.UnixNano() + precision(layout, s), nil
		}
	}
	return 0, 0, fmt.Errorf("time %q: want 2006-01-02, '2006-01-02 15:04', 2006-01-02T15:04:05.999Z, @1732340280.5, -15m or now", s)
}

var minTime, maxTime = time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC)

// precision is how many ns after its beginning what was written ends.
func precision(layout, s string) int64 {
	switch {
	case !strings.Contains(layout, ":"):
		return int64(24*time.Hour) - 1
	case !strings.Contains(layout, ":05"):
		return int64(time.Minute) - 1
	}
	_, fraction, found := strings.Cut(s, ".")
	if !found {
		return int64(time.Second) - 1
	}
	digits := len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
	n := int64(1)
	for range 9 - min(9, digits) {
		n *= 10
	}
	return n - 1
}

func parseEpoch(s string) (first, end int64, err error) {
	whole, fraction, _ := strings.Cut(s, ".")
	seconds, err := strconv.ParseInt(whole, 10, 34)
	if err != nil || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" {
		return 0, 0, fmt.Errorf("time @%s: want seconds since 1970, as in @1732340280.5", s)
	}
	nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	first = seconds*1e9 + nanos
	unit := int64(1)
	for range 9 - len(fraction) {
		unit *= 10
	}
	return first, first + unit - 1, nil
}

// ParseDuration is time.ParseDuration with days and weeks.
func ParseDuration(s string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			if v, err := strconv.ParseFloat(n, 64); err == nil && v >= 0 && v < 1e5 {
				return time.Duration(v * float64(unit)), nil
			}
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("duration %q: want a number and a unit, as in 90s, 15m, 1h, 7d", s)
	}
	return d, nil
}

// numberSpan reads a number, a name of one, or names of flags joined by + or |.
func (f *Field) numberSpan(s string) (span, error) {
	v, err := f.number(s)
	return span{v, v}, err
}

func (f *Field) number(s string) (uint64, error) {
	all := domain(f.bits, f.signed)
	if f.signed {
		v, err := strconv.ParseInt(s, 0, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%q is no number, which %s is", s, f.Name)
		}
		if k := signedKey(v); err == nil && k >= all.lo && k <= all.hi {
			return k, nil
		}
		return 0, fmt.Errorf("%s is out of range: %s is %d to %d", s, f.Name, int64(all.lo^signBit), int64(all.hi^signBit))
	}
	if v, ok := f.named(s); ok {
		return v, nil
	}
	v, err := strconv.ParseUint(s, 0, 64)
	switch {
	case err == nil && v <= all.hi:
		return v, nil
	case err == nil || errors.Is(err, strconv.ErrRange) || strings.HasPrefix(s, "-") && isNumber(s[1:]):
		return 0, fmt.Errorf("%s is out of range: %s is 0 to %d", s, f.Name, all.hi)
	case f.names != nil:
		return 0, fmt.Errorf("%q is neither a number nor a name that %s has: %s", s, f.Name, strings.Join(slices.Sorted(maps.Keys(f.names)), " "))
	}
	return 0, fmt.Errorf("%q is no number, which %s is", s, f.Name)
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 0, 64)
	return err == nil
}

// named is the number of a name; flags can be joined.
func (f *Field) named(s string) (v uint64, ok bool) {
	if !f.flags {
		v, ok = f.names[strings.ToLower(s)]
		return v, ok
	}
	for name := range strings.FieldsFuncSeq(strings.ToLower(s), func(r rune) bool { return r == '+' || r == '|' }) {
		bit, known := f.names[name]
		if !known {
			return 0, false
		}
		v, ok = v|bit, true
	}
	return v, ok
}

// timeSpan reads a time, of kindMillis as ms; a bare number is in the field's
// unit.
func (f *Field) timeSpan(s string, z Zone) (span, error) {
	if v, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) > 8 && f.Name != "@timestamp" {
		return span{signedKey(v), signedKey(v)}, nil
	}
	first, end, err := z.ParseTime(s)
	if f.kind == kindMillis {
		first, end = floorMillis(first), floorMillis(end)
	}
	return span{signedKey(first), signedKey(end)}, err
}

func floorMillis(nanos int64) int64 {
	ms := nanos / 1_000_000
	if nanos%1_000_000 < 0 {
		ms--
	}
	return ms
}

// addressSpan reads an address or a network.
func (f *Field) addressSpan(s string) (addressSpan, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return addressSpan{}, fmt.Errorf("%q is no network: want an address and a length, as in 10.0.0.0/8 or 2001:db8::/32", s)
		}
		return prefixSpan(p), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return addressSpan{}, fmt.Errorf("%q is no address, which %s is: want 10.0.0.1, 2001:db8::1 or a network such as 10.0.0.0/8", s, f.Name)
	}
	a = a.Unmap()
	return addressSpan{a, a}, nil
}

// textValue reads a text as the store spells it.
func (f *Field) textValue(s string) (string, error) {
	switch f.kind {
	case kindMAC:
		mac, err := net.ParseMAC(s)
		if err != nil || len(mac) != 6 {
			return "", fmt.Errorf("%q is no MAC address, which %s is: want aa:bb:cc:dd:ee:ff", s, f.Name)
		}
		return mac.String(), nil
	case kindBytes:
		b, err := hex.DecodeString(strings.NewReplacer(":", "", "0x", "").Replace(s))
		if err != nil {
			return "", fmt.Errorf("%q are no bytes, which %s are: want hex digits, as in 0101080a", s, f.Name)
		}
		return string(b), nil
	}
	if f.values != nil && !slices.Contains(f.values, s) {
		return "", fmt.Errorf("%s is never %q: it is one of %s, or absent (is null)", f.Name, s, strings.Join(f.values, " "))
	}
	return s, nil
}
