package testnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Sizes of a numbered frame's parts, in bytes.
const (
	ethernetLen = 14
	ipv4Len     = 20
	udpLen      = 8
	headersLen  = ethernetLen + ipv4Len + udpLen
	numberLen   = 8
	crcLen      = 4

	// MinNumbered is the shortest numbered frame.
	MinNumbered = headersLen + numberLen + crcLen
)

// Ports of numbered frames: the destination, and the first of the sources.
const (
	NumberedPort    = 4789
	firstSourcePort = 20000
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrNotNumbered says that a frame is not a numbered one.
var ErrNotNumbered = errors.New("not a numbered frame")

// Numbered makes frame number n of flow: Ethernet, IPv4, UDP with right
// checksums, then the number, filler that depends on it, and a CRC-32C over all
// of the frame before it. size is the frame's length, at least MinNumbered.
func Numbered(n uint64, size, flow int) []byte {
	return renumber(newNumbered(size, flow), n)
}

// newNumbered makes the parts that do not depend on the number.
func newNumbered(size, flow int) []byte {
	if size < MinNumbered {
		panic(fmt.Sprintf("testnet: numbered frame of %d bytes, want at least %d", size, MinNumbered))
	}
	f := make([]byte, size)
	copy(f[0:], []byte{0x02, 0, 0, 0, 0, 0x01})
	copy(f[6:], []byte{0x02, 0, 0, 0, 0, 0x02})
	binary.BigEndian.PutUint16(f[12:], 0x0800)

	ip := f[ethernetLen:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(size-ethernetLen))
	ip[6] = 0x40 // DF
	ip[8] = 64
	ip[9] = 17
	copy(ip[12:], []byte{192, 0, 2, 1})
	copy(ip[16:], []byte{192, 0, 2, 2})
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip[:ipv4Len])))

	udp := ip[ipv4Len:]
	binary.BigEndian.PutUint16(udp[0:], uint16(firstSourcePort+flow))
	binary.BigEndian.PutUint16(udp[2:], NumberedPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(size-ethernetLen-ipv4Len))
	return f
}

// renumber makes f frame number n, in place.
func renumber(f []byte, n uint64) []byte {
	payload := f[headersLen:]
	binary.BigEndian.PutUint64(payload, n)
	filler := payload[numberLen : len(payload)-crcLen]
	for i := range filler {
		filler[i] = byte(n) + byte(i)
	}
	udp := f[ethernetLen+ipv4Len:]
	udp[6], udp[7] = 0, 0
	// The CRC leaves the UDP checksum out, which is over the CRC.
	crc := crc32.Checksum(f[:len(f)-crcLen], castagnoli)
	binary.BigEndian.PutUint32(f[len(f)-crcLen:], crc)

	pseudo := sum(f[ethernetLen+12:ethernetLen+ipv4Len]) + 17 + uint32(len(udp))
	checksum := ^fold(pseudo + sum(udp))
	if checksum == 0 {
		checksum = 0xffff // RFC 768: zero means none
	}
	binary.BigEndian.PutUint16(udp[6:], checksum)
	return f
}

// CheckNumbered returns the number of a frame made by Numbered. The error says
// that it is no such frame, or that a byte of it changed.
func CheckNumbered(f []byte) (uint64, error) {
	if len(f) < MinNumbered || binary.BigEndian.Uint16(f[ethernetLen+ipv4Len+2:]) != NumberedPort {
		return 0, ErrNotNumbered
	}
	n := binary.BigEndian.Uint64(f[headersLen:])
	at := ethernetLen + ipv4Len + 6
	crc := crc32.Checksum(f[:at], castagnoli)
	crc = crc32.Update(crc, castagnoli, []byte{0, 0})
	crc = crc32.Update(crc, castagnoli, f[at+2:len(f)-crcLen])
	if got := binary.BigEndian.Uint32(f[len(f)-crcLen:]); got != crc {
		return n, fmt.Errorf("frame %d: got CRC %08x, want %08x", n, got, crc)
	}
	udp := f[ethernetLen+ipv4Len:]
	if got := fold(sum(f[ethernetLen+12:ethernetLen+ipv4Len]) + 17 + uint32(len(udp)) + sum(udp)); got != 0xffff {
		return n, fmt.Errorf("frame %d: UDP checksum %x does not hold", n, udp[6:8])
	}
	return n, nil
}

// sum adds b up as 16-bit words, RFC 1071. b is at most 64 KiB.
func sum(b []byte) uint32 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
		s = s>>16 + s&0xffff
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
