package packet

import "encoding/binary"

// End of Options and No-Operation are one byte long, every other option carries
// its length in its second byte; IPv4 and TCP agree on that (RFC 791 3.1, RFC
// 9293 3.1).
const (
	optionEnd  = 0
	optionNoOp = 1
)

// endOfOptions returns the length of the options in b up to and with End of
// Options: len(b) if there is none, or if an option's length is wrong, since
// nothing behind it can be told from anything else.
func endOfOptions(b []byte) int {
	for i := 0; i < len(b); {
		switch b[i] {
		case optionEnd:
			return i + 1
		case optionNoOp:
			i++
		default:
			if i+1 >= len(b) || b[i+1] < 2 {
				return len(b)
			}
			i += int(b[i+1])
		}
	}
	return len(b)
}

// setIPOptions keeps views of the options and the padding in b, which is not
// empty, and returns the fields set.
func (p *Packet) setIPOptions(b []byte) FieldSet {
	n := endOfOptions(b)
	p.IPOptions = b[:n]
	if n == len(b) {
		return 1 << FieldIPOptions
	}
	p.IPPadding = b[n:]
	return 1<<FieldIPOptions | 1<<FieldIPPadding
}

// timestampOptions is No-Operation twice and the head of the Timestamps option
// (RFC 7323 3.2): what most TCP segments carry and nothing else.
const timestampOptions = optionNoOp<<24 | optionNoOp<<16 | 8<<8 | 10

// setTCPOptions is setIPOptions for the TCP header.
func (p *Packet) setTCPOptions(b []byte) FieldSet {
	if len(b) == 12 && binary.BigEndian.Uint32(b) == timestampOptions {
		p.TCPOptions = b
		return 1 << FieldTCPOptions
	}
	return p.setOddTCPOptions(b)
}

func (p *Packet) setOddTCPOptions(b []byte) FieldSet {
	n := endOfOptions(b)
	p.TCPOptions = b[:n]
	if n == len(b) {
		return 1 << FieldTCPOptions
	}
	p.TCPPadding = b[n:]
	return 1<<FieldTCPOptions | 1<<FieldTCPPadding
}
