package pcap

import (
	"encoding/binary"
)

// Files are written in the byte order of the machines they are written on.
var le = binary.LittleEndian

// appendClassicHeader appends the header of a pcap file
// (draft-ietf-opsawg-pcap 4).
func appendClassicHeader(dst []byte, magic uint32, i Interface) []byte {
	dst = le.AppendUint32(dst, magic)
	dst = le.AppendUint16(dst, 2)
	dst = le.AppendUint16(dst, 4)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // thiszone, sigfigs
	dst = le.AppendUint32(dst, i.snapLen())
	return le.AppendUint32(dst, uint32(i.LinkType))
}

// appendRecord appends one pcap record. The format counts seconds in 32 bits
// without a sign: times before 1970 become 0.
func appendRecord(dst []byte, nanosInUnit, nanos int64, data []byte, origLen uint32) []byte {
	nanos = max(nanos, 0)
	dst = le.AppendUint32(dst, uint32(nanos/nanosPerSecond))
	dst = le.AppendUint32(dst, uint32(nanos%nanosPerSecond/nanosInUnit))
	dst = le.AppendUint32(dst, uint32(len(data)))
	dst = le.AppendUint32(dst, origLen)
	return append(dst, data...)
}

// beginBlock appends type and a place for the length of a pcapng block;
// endBlock, given where the block began, fills it in and closes the block.
func beginBlock(dst []byte, kind uint32) []byte {
	dst = le.AppendUint32(dst, kind)
	return append(dst, 0, 0, 0, 0)
}

func endBlock(dst []byte, start int) []byte {
	total := uint32(len(dst) - start + 4)
	le.PutUint32(dst[start+4:], total)
	return le.AppendUint32(dst, total)
}

// pad appends zeros up to a multiple of 4 behind n bytes.
func pad(dst []byte, n int) []byte {
	var zeros [3]byte
	return append(dst, zeros[:-n&3]...)
}

// appendOption appends a pcapng option; a string that is too long for one is
// cut, an empty one left out.
func appendOption(dst []byte, code uint16, value string) []byte {
	if value == "" {
		return dst
	}
	value = value[:min(len(value), 1<<15)]
	dst = le.AppendUint16(dst, code)
	dst = le.AppendUint16(dst, uint16(len(value)))
	dst = append(dst, value...)
	return pad(dst, len(value))
}

func appendOption64(dst []byte, code uint16, value uint64) []byte {
	dst = le.AppendUint16(dst, code)
	dst = le.AppendUint16(dst, 8)
	return le.AppendUint64(dst, value)
}

func appendEndOfOptions(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// appendSection appends a section header block of unknown length (pcapng 4.1).
func appendSection(dst []byte, o *WriteOptions) []byte {
	start := len(dst)
	dst = beginBlock(dst, blockSection)
	dst = le.AppendUint32(dst, byteOrderMagic)
	dst = le.AppendUint16(dst, 1)
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint64(dst, ^uint64(0))
	dst = appendOption(dst, optSHBHardware, o.Hardware)
	dst = appendOption(dst, optSHBOS, o.OS)
	dst = appendOption(dst, optSHBUserAppl, o.Application)
	return endBlock(appendEndOfOptions(dst), start)
}

// appendInterface appends an interface description block (pcapng 4.2) with
// times in nanoseconds.
func appendInterface(dst []byte, i Interface, os string) []byte {
	start := len(dst)
	dst = beginBlock(dst, blockInterface)
	dst = le.AppendUint16(dst, i.LinkType)
	dst = append(dst, 0, 0)
	dst = le.AppendUint32(dst, i.snapLen())
	dst = appendOption(dst, optIfName, i.Name)
	dst = appendOption(dst, optIfTSResol, "\x09")
	dst = appendOption(dst, optIfOS, os)
	return endBlock(appendEndOfOptions(dst), start)
}

// appendEnhanced appends an enhanced packet block (pcapng 4.3). Times before
// 1970 become 0: the format has no sign.
func appendEnhanced(dst []byte, iface uint32, nanos int64, data []byte, origLen uint32) []byte {
	ticks := uint64(max(nanos, 0))
	total := uint32(enhancedPacketLen + (len(data)+3)&^3)
	dst = le.AppendUint32(dst, blockEnhancedPacket)
	dst = le.AppendUint32(dst, total)
	dst = le.AppendUint32(dst, iface)
	dst = le.AppendUint32(dst, uint32(ticks>>32))
	dst = le.AppendUint32(dst, uint32(ticks))
	dst = le.AppendUint32(dst, uint32(len(data)))
	dst = le.AppendUint32(dst, origLen)
	dst = append(dst, data...)
	dst = pad(dst, len(data))
	return le.AppendUint32(dst, total)
}

// appendStatistics appends an interface statistics block (pcapng 4.6) taken at
// nanos, in the interface's nanoseconds.
func appendStatistics(dst []byte, iface uint32, nanos, startNanos int64, s Statistics) []byte {
	start := len(dst)
	dst = beginBlock(dst, blockStatistics)
	dst = le.AppendUint32(dst, iface)
	dst = appendSplit(dst, nanos)
	for _, t := range []struct {
		code  uint16
		nanos int64
	}{{optISBStart, startNanos}, {optISBEnd, nanos}} {
		dst = le.AppendUint16(dst, t.code)
		dst = le.AppendUint16(dst, 8)
		dst = appendSplit(dst, t.nanos)
	}
	dst = appendOption64(dst, optISBIfRecv, s.Received)
	dst = appendOption64(dst, optISBIfDrop, s.Dropped)
	return endBlock(appendEndOfOptions(dst), start)
}

// appendSplit appends a time as pcapng has it: the upper 32 bits first, whatever
// the byte order.
func appendSplit(dst []byte, nanos int64) []byte {
	ticks := uint64(max(nanos, 0))
	dst = le.AppendUint32(dst, uint32(ticks>>32))
	return le.AppendUint32(dst, uint32(ticks))
}

// lastBoundary is the largest sum of whole records (or blocks) at the start of
// b that is not above n, and how many of them are packets.
func lastBoundary(b []byte, n int, ng bool) (end, packets int) {
	for end < len(b) {
		next, isPacket := end+classicRecordHeaderLen, true
		if ng {
			next = end + int(le.Uint32(b[end+4:]))
			isPacket = le.Uint32(b[end:]) == blockEnhancedPacket
		} else {
			next += int(le.Uint32(b[end+8:]))
		}
		if next > n {
			break
		}
		end = next
		if isPacket {
			packets++
		}
	}
	return end, packets
}
