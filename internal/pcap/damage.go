package pcap

import (
	"errors"
	"fmt"
)

// ErrFormat is wrapped by the error for a stream that is no capture file, or
// one of a version that cannot be read.
var ErrFormat = errors.New("not a pcap or pcapng file")

// DamageError says that a part of a capture file makes no sense. Packets before
// it were delivered.
type DamageError struct {
	File    string // as given to Open or NewReader
	Offset  int64  // where the damaged record or block starts: bytes of the uncompressed stream
	Skipped int64  // bytes left out from there on
	Reason  string // what is wrong there
	Resumed bool   // reading goes on behind the gap; else this is the end
	Err     error  // the cause underneath, if any: ErrFormat, io.ErrUnexpectedEOF, a decompressor's error
}

func (e *DamageError) Error() string {
	switch {
	case errors.Is(e.Err, ErrFormat):
		return fmt.Sprintf("%s: %s", e.File, e.Reason)
	case e.Resumed:
		return fmt.Sprintf("%s: damaged at byte %d: %s; %d bytes skipped", e.File, e.Offset, e.Reason, e.Skipped)
	case e.Skipped > 0:
		return fmt.Sprintf("%s: damaged at byte %d: %s; the last %d bytes are lost", e.File, e.Offset, e.Reason, e.Skipped)
	}
	return fmt.Sprintf("%s: damaged at byte %d: %s; nothing behind it was read", e.File, e.Offset, e.Reason)
}

// Unwrap returns the cause, see Err.
func (e *DamageError) Unwrap() error { return e.Err }
