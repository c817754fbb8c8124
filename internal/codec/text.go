package codec

import (
	"math/bits"
	"net/netip"
	"strconv"
	"unicode/utf8"
)

// The putX functions write at b[n] and return where they stopped. The caller
// has made room: jsonBound.

const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

var powersOf10 = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// decimalLen is the number of digits of v: its bits times log10(2), less one
// where that is a digit too many.
func decimalLen(v uint64) int {
	t := bits.Len64(v|1) * 1233 >> 12
	if v|1 < powersOf10[t] {
		return t
	}
	return t + 1
}

func putUint(b []byte, n int, v uint64) int {
	if v < 10 {
		b[n] = byte('0' + v)
		return n + 1
	}
	end := n + decimalLen(v)
	putDigits(b[n:end], v)
	return end
}

// putDigits fills b with the last len(b) digits of v.
func putDigits(b []byte, v uint64) {
	i := len(b)
	for ; i >= 2; i -= 2 {
		q := v / 100
		p := (v - q*100) * 2
		b[i-1], b[i-2] = pairs[p+1], pairs[p]
		v = q
	}
	if i == 1 {
		b[0] = byte('0' + v%10)
	}
}

func putInt(b []byte, n int, v int64) int {
	if v < 0 {
		b[n] = '-'
		return putUint(b, n+1, -uint64(v))
	}
	return putUint(b, n, uint64(v))
}

// floorDiv is a divided by b > 0, rounded towards minus infinity, as times
// before 1970 need it.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

const nanosPerDay = 24 * 3600 * 1e9

// putTimestamp writes nanos since 1970 as RFC 3339 in UTC with nine digits:
// 2026-11-23T05:38:00.123456789Z, 30 bytes. An int64 reaches from 1677 to 2262.
func putTimestamp(b []byte, n int, nanos int64) int {
	days := floorDiv(nanos, nanosPerDay)
	rest := uint64(nanos - days*nanosPerDay)
	year, month, day := civil(days)
	t := (*[30]byte)(b[n:])
	*t = [30]byte([]byte("0000-00-00T00:00:00.000000000Z"))
	putDigits(t[0:4], year)
	putDigits(t[5:7], month)
	putDigits(t[8:10], day)
	seconds := rest / 1e9
	putDigits(t[11:13], seconds/3600)
	putDigits(t[14:16], seconds/60%60)
	putDigits(t[17:19], seconds%60)
	putDigits(t[20:29], rest%1e9)
	return n + len(t)
}

// civil is the date of a day counted from 1970-01-01, by the Gregorian
// calendar: years begin in March, so that the leap day is a year's last, and
// months have 153 days in fives.
func civil(days int64) (year, month, day uint64) {
	z := uint64(days + 719468) // days since 0000-03-01; an int64 of nanoseconds never gets below it
	era := z / 146097          // of 400 years
	doe := z % 146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
		yoe++
	}
	return era*400 + yoe, month, day
}

const hexDigits = "0123456789abcdef"

func putMAC(b []byte, n int, mac *[6]byte) int {
	t := (*[19]byte)(b[n:])
	t[0] = '"'
	for i, v := range mac {
		t[1+3*i] = hexDigits[v>>4]
		t[2+3*i] = hexDigits[v&15]
		t[3+3*i] = ':'
	}
	t[18] = '"'
	return n + len(t)
}

// octets are the numbers 0 to 255 with a dot behind, and their length.
var octets = func() (t [256]struct {
	text [4]byte
	n    uint8
}) {
	for i := range t {
		t[i].n = uint8(copy(t[i].text[:], strconv.Itoa(i)+"."))
	}
	return t
}()

func putIPv4(b []byte, n int, a0, a1, a2, a3 byte) int {
	o := &octets[a0]
	*(*[4]byte)(b[n:]) = o.text
	n += int(o.n)
	o = &octets[a1]
	*(*[4]byte)(b[n:]) = o.text
	n += int(o.n)
	o = &octets[a2]
	*(*[4]byte)(b[n:]) = o.text
	n += int(o.n)
	o = &octets[a3]
	*(*[4]byte)(b[n:]) = o.text
	return n + int(o.n) - 1
}

var mappedPrefix = [12]byte{10: 0xff, 11: 0xff}

// putAddress writes an address in quotes. A mapped address is an IPv4 packet's
// unless the packet was IPv6.
func putAddress(b []byte, n int, a *[16]byte, v6 bool) int {
	b[n] = '"'
	if [12]byte(a[:12]) == mappedPrefix && !v6 {
		n = putIPv4(b, n+1, a[12], a[13], a[14], a[15])
	} else {
		n = len(netip.AddrFrom16(*a).AppendTo(b[:n+1]))
	}
	b[n] = '"'
	return n + 1
}

// plain reports whether s is the same inside a JSON string.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if plain(s) {
		dst = append(dst, s...)
	} else {
		dst = appendEscaped(dst, s)
	}
	return append(dst, '"')
}

// appendEscaped appends s as the inside of a JSON string: control characters,
// quote and backslash escaped, bytes that are no UTF-8 replaced by U+FFFD, as
// encoding/json does. At most 6 bytes for one.
func appendEscaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r) // RuneError for what is none
			i += size
		}
	}
	return dst
}
