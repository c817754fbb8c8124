package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// maxJSONDepth bounds nesting; our own documents have two levels.
const maxJSONDepth = 64

var errJSON = errors.New("no valid JSON object")

// scanObject checks that doc is exactly one JSON object (RFC 8259) and calls
// field for each member of its top level: key without quotes, value as it
// stands in doc. A key with escapes comes decoded, in memory of its own. The
// first error of field ends the calls but not the check.
func scanObject(doc []byte, field func(key, value []byte) error) error {
	i := skipSpace(doc, 0)
	if i == len(doc) || doc[i] != '{' {
		return errJSON
	}
	var first error
	i, ok := skipMembers(doc, i+1, 1, func(key, value []byte) {
		if first == nil {
			first = field(key, value)
		}
	})
	if !ok || skipSpace(doc, i) != len(doc) {
		return errJSON
	}
	return first
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipMembers reads the members of an object from behind its brace to behind
// its end.
func skipMembers(b []byte, i, depth int, field func(key, value []byte)) (end int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for {
		start := skipSpace(b, i)
		if i, ok = skipString(b, start); !ok {
			return i, false
		}
		key := b[start+1 : i-1]
		if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
			return i, false
		}
		start = skipSpace(b, i+1)
		if i, ok = skipValue(b, start, depth); !ok {
			return i, false
		}
		if field != nil {
			field(decodedKey(key), b[start:i])
		}
		if i = skipSpace(b, i); i == len(b) {
			return i, false
		}
		if b[i] != ',' {
			return i + 1, b[i] == '}'
		}
		i++
	}
}

// skipElements reads the elements of an array from behind its bracket to behind
// its end.
func skipElements(b []byte, i, depth int, element func(value []byte)) (end int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == ']' {
		return i + 1, true
	}
	for {
		start := skipSpace(b, i)
		if i, ok = skipValue(b, start, depth); !ok {
			return i, false
		}
		if element != nil {
			element(b[start:i])
		}
		if i = skipSpace(b, i); i == len(b) {
			return i, false
		}
		if b[i] != ',' {
			return i + 1, b[i] == ']'
		}
		i++
	}
}

// skipValue reads one value that starts at b[i], no space before it.
func skipValue(b []byte, i, depth int) (end int, ok bool) {
	if i == len(b) || depth > maxJSONDepth {
		return i, false
	}
	switch c := b[i]; {
	case c == '"':
		return skipString(b, i)
	case c == '-' || '0' <= c && c <= '9':
		return skipNumber(b, i)
	case c == '{':
		return skipMembers(b, i+1, depth+1, nil)
	case c == '[':
		return skipElements(b, i+1, depth+1, nil)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word), true
		}
	}
	return i, false
}

// skipString reads a string that starts with the quote at b[i].
func skipString(b []byte, i int) (end int, ok bool) {
	if i == len(b) || b[i] != '"' {
		return i, false
	}
	for i++; ; i++ {
		if i = skipPlain(b, i); i >= len(b) {
			return i, false
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, true
		case c < ' ':
			return i, false
		default: // a backslash
			if i++; i == len(b) {
				return i, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(b)-i < 5 || !isHex(b[i+1:i+5]) {
					return i, false
				}
				i += 4
			default:
				return i, false
			}
		}
	}
}

// skipPlain is the place, from i on, of the first byte that is a quote, a
// backslash or a control character, which strings are ended or escaped by. It
// looks at eight bytes at a time: in each of the three differences the lowest
// byte that has its top bit set is one of those looked for.
func skipPlain(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(b)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^'"'*ones, w^'\\'*ones
		found := ((quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}

func isHex(b []byte) bool {
	for _, c := range b {
		if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
			return false
		}
	}
	return true
}

// skipNumber reads -int.frac e+exp, RFC 8259 section 6.
func skipNumber(b []byte, i int) (end int, ok bool) {
	if b[i] == '-' {
		i++
	}
	digits := func() bool {
		start := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}

func decodedKey(key []byte) []byte {
	if bytes.IndexByte(key, '\\') < 0 {
		return key
	}
	decoded, _ := jsonString(append(append([]byte{'"'}, key...), '"'))
	return decoded
}

// jsonString returns the bytes of a JSON string value; without escapes they are
// a view into value. false: value is no string.
func jsonString(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	inside := value[1 : len(value)-1]
	if bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return inside, true
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, false
	}
	return []byte(s), true
}
