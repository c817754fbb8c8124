package record

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
)

// NewRun draws the name of one attach to one interface: 12 hex digits. Two
// interfaces, or two starts in the same boot, never share one.
func NewRun() string {
	var b [6]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	return hex.EncodeToString(b[:])
}

// AppendID appends the record_id of r: run-queue-sequence for a captured
// packet, source-offset or source-offset-row (a message of several packets)
// for one that came from a raw topic or a file.
//
// The id depends on the packet's place alone, so a second delivery or a second
// parse gives the same one.
func AppendID(dst []byte, r *Record, o *Origin) []byte {
	if o.Source == "" {
		dst = append(append(dst, o.Run...), '-')
		dst = append(strconv.AppendInt(dst, int64(o.Queue), 10), '-')
		return strconv.AppendUint(dst, r.Sequence, 10)
	}
	dst = append(dst, o.Source...)
	if r.Present.Has(FieldSourceOffset) {
		dst = strconv.AppendInt(append(dst, '-'), r.SourceOffset, 10)
	}
	if r.Present.Has(FieldSourceRow) {
		dst = strconv.AppendUint(append(dst, '-'), uint64(r.SourceRow), 10)
	}
	return dst
}
