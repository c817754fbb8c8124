package line

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// The kinds of TCP options with words of their own, as tcpdump has them.
const (
	optionEnd           = 0 // RFC 9293 3.2, as are nop and mss
	optionNop           = 1
	optionMSS           = 2
	optionWindowScale   = 3  // RFC 7323 2
	optionSACKPermitted = 4  // RFC 2018 2
	optionSACK          = 5  // RFC 2018 3
	optionTimestamps    = 8  // RFC 7323 3
	optionFastOpen      = 34 // RFC 7413 4.1.1
)

// appendTCPOptions adds the options of a TCP header, in tcpdump's words. What
// does not hold the length it gives ends the list.
func appendTCPOptions(dst, options []byte) []byte {
	dst = append(dst, "options ["...)
	for first := true; len(options) > 0; first = false {
		if !first {
			dst = append(dst, ',')
		}
		kind := options[0]
		if kind == optionEnd {
			dst = append(dst, "eol"...)
			break
		}
		if kind == optionNop {
			dst, options = append(dst, "nop"...), options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			dst = append(dst, "bad opt"...)
			break
		}
		dst = appendTCPOption(dst, kind, options[2:options[1]])
		options = options[options[1]:]
	}
	return append(dst, ']')
}

// appendTCPOption adds one option whose data is value. One of a length that its
// kind does not have is shown as bytes.
func appendTCPOption(dst []byte, kind byte, value []byte) []byte {
	be := binary.BigEndian
	number := func(dst []byte, n uint32) []byte { return strconv.AppendUint(dst, uint64(n), 10) }
	switch {
	case kind == optionMSS && len(value) == 2:
		return number(append(dst, "mss "...), uint32(be.Uint16(value)))
	case kind == optionWindowScale && len(value) == 1:
		return number(append(dst, "wscale "...), uint32(value[0]))
	case kind == optionSACKPermitted && len(value) == 0:
		return append(dst, "sackOK"...)
	case kind == optionSACK && len(value) > 0 && len(value)%8 == 0:
		dst = append(number(append(dst, "sack "...), uint32(len(value)/8)), ' ')
		for ; len(value) > 0; value = value[8:] {
			dst = number(append(dst, '{'), be.Uint32(value))
			dst = number(append(dst, ':'), be.Uint32(value[4:]))
			dst = append(dst, '}')
		}
		return dst
	case kind == optionTimestamps && len(value) == 8:
		dst = number(append(dst, "TS val "...), be.Uint32(value))
		return number(append(dst, " ecr "...), be.Uint32(value[4:]))
	case kind == optionFastOpen && len(value) == 0:
		return append(dst, "tfo cookiereq"...)
	case kind == optionFastOpen:
		return hex.AppendEncode(append(dst, "tfo cookie "...), value)
	}
	dst = number(append(dst, "unknown-"...), uint32(kind))
	if len(value) > 0 {
		dst = hex.AppendEncode(append(dst, " 0x"...), value)
	}
	return dst
}
