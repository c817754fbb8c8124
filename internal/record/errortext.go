package record

import (
	"bytes"
	"strconv"

	"xcapa/internal/packet"
)

// general says in a sentence what a status means, for records whose details
// are gone (read back from an Arrow block).
var general = [packet.NumStatus]string{
	packet.StatusTruncated:               "the frame ends inside a header",
	packet.StatusBadVersion:              "the IP version contradicts the EtherType",
	packet.StatusBadHeaderLength:         "a header length is below its minimum or beyond its datagram",
	packet.StatusBadTotalLength:          "the IP total length is below the header length",
	packet.StatusBadUDPLength:            "the UDP length is below 8",
	packet.StatusBadExtensionHeader:      "an IPv6 extension header is malformed",
	packet.StatusTooManyTags:             "more VLAN tags than are followed",
	packet.StatusTooManyExtensionHeaders: "more IPv6 extension headers than are followed",
}

// AppendErrorText appends one "code: what, where, how many bytes" for a status
// of class error, and nothing for any other:
//
//	truncated: the frame ends inside a header, tcp at byte 34, needs 20 bytes, has 12
//
// The text is plain ASCII without quotes.
func AppendErrorText(dst []byte, r *Record) []byte {
	if !r.Present.Has(packet.FieldStatus) || !r.Status.IsError() {
		return dst
	}
	dst = append(append(dst, r.Status.String()...), ": "...)
	if r.Status < packet.NumStatus {
		dst = append(dst, general[r.Status]...)
	} else {
		dst = strconv.AppendUint(append(dst, "status "...), uint64(r.Status), 10)
	}
	if !r.statusDetailed() {
		return dst
	}
	dst = append(append(dst, ", "...), r.StatusLayer.String()...)
	dst = strconv.AppendUint(append(dst, " at byte "...), uint64(r.StatusOffset), 10)
	if r.StatusNeed != 0 || r.StatusHave != 0 {
		dst = strconv.AppendUint(append(dst, ", needs "...), uint64(r.StatusNeed), 10)
		dst = strconv.AppendUint(append(dst, " bytes, has "...), uint64(r.StatusHave), 10)
	}
	return dst
}

// statusDetailed reports whether the decoder's own account of the status is
// there. All zero is what a reader of blocks leaves: a decoder's error at byte
// 0 of the link layer always needs some bytes.
func (r *Record) statusDetailed() bool {
	return r.StatusLayer != 0 || r.StatusOffset != 0 || r.StatusNeed != 0 || r.StatusHave != 0
}

// SetErrorDetail reads the layer, offset and lengths of a status from a text of
// AppendErrorText. A text without them, or of another kind, leaves them 0.
func (r *Record) SetErrorDetail(text []byte) {
	r.StatusLayer, r.StatusOffset, r.StatusNeed, r.StatusHave = 0, 0, 0, 0
	where, ok := bytes.CutPrefix(text, []byte(r.Status.String()+": "))
	if !ok || r.Status >= packet.NumStatus {
		return
	}
	where, ok = bytes.CutPrefix(where, []byte(general[r.Status]+", "))
	if !ok {
		return
	}
	for l := packet.Layer(0); l < packet.NumLayers; l++ {
		rest, ok := bytes.CutPrefix(where, []byte(l.String()+" at byte "))
		if !ok {
			continue
		}
		r.StatusLayer = l
		for i, v := range []*uint32{&r.StatusOffset, &r.StatusNeed, &r.StatusHave} {
			rest = bytes.TrimPrefix(rest, []byte([...]string{"", ", needs ", " bytes, has "}[i]))
			*v, rest = leadingUint(rest)
		}
	}
}

// leadingUint reads the decimal digits at the start of b.
func leadingUint(b []byte) (v uint32, rest []byte) {
	for len(b) > 0 && '0' <= b[0] && b[0] <= '9' {
		v, b = 10*v+uint32(b[0]-'0'), b[1:]
	}
	return v, b
}
