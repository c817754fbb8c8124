package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"xcapa/bpf"
	"xcapa/internal/packet"
)

// Config says what frames are sent. The zero value is 60-byte IPv4 UDP frames
// of one flow, as fast as it goes.
type Config struct {
	// Sizes are the lengths of frames, taken in turn, bytes without FCS.
	// Default: 60.
	Sizes []int
	IPv6  bool
	TCP   bool    // else UDP
	VLAN  uint16  // VID of a tag; 0: none
	Flows int     // rounded up to a power of two; default 1
	Rate  float64 // frames a second; 0: as many as it goes
	// Alone drops every frame where it would be sent: what making it costs.
	Alone bool
}

// IMIX is the classic mix of lengths, 7:4:1, spread out.
var IMIX = []int{60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60}

const (
	maxSize  = 3000    // a live frame and its headroom share a page
	maxFlows = 1 << 24 // 2^14 ports of 2^10 addresses
	portBits = 14
	// mostLate is how much of its schedule a paced generator makes up for.
	mostLateNanos = 50_000
)

// NumberedPort is the destination port of every frame.
const NumberedPort = 4790

// template is the frame that is copied, the longest of its kind, with what the
// program must know about it.
type template struct {
	frame    []byte
	settings bpf.GeneratorSettings
}

// newTemplate lays the headers out: Ethernet, tag, IP, UDP or TCP. The number
// is the first 8 bytes of the UDP payload, or the sequence and acknowledgment
// numbers of TCP: a TCP frame of 60 bytes has no room behind them.
func newTemplate(c Config) (*template, error) {
	if len(c.Sizes) == 0 {
		c.Sizes = []int{60}
	}
	if len(c.Sizes) > bpf.MaxShapes {
		return nil, fmt.Errorf("%d sizes of frames: give at most %d", len(c.Sizes), bpf.MaxShapes)
	}
	if c.Flows < 0 || c.Flows > maxFlows || c.Rate < 0 || c.VLAN > 4094 {
		return nil, fmt.Errorf("%d flows, rate %v, VLAN %d: want at most %d flows, a rate of 0 or more, a VLAN of 0 to 4094", c.Flows, c.Rate, c.VLAN, maxFlows)
	}
	t := &template{}
	ip, transport, end := t.layOut(c)
	longest := 0
	for _, size := range c.Sizes {
		if size < end || size > maxSize {
			return nil, fmt.Errorf("frames of %d bytes: these headers and the number need %d, a page has room for %d", size, end, maxSize)
		}
		longest = max(longest, size)
	}
	t.frame = append(t.frame, make([]byte, longest-len(t.frame))...)
	for _, size := range c.Sizes {
		t.settings.Shapes = append(t.settings.Shapes, t.shape(c, size, ip, transport))
	}
	t.settings.Flows = 1 << bits.Len32(uint32(max(c.Flows, 1)-1))
	if c.Rate > 0 {
		t.settings.Gap = uint64(1024e9 / c.Rate)
	}
	t.settings.MostLateNanos = mostLateNanos
	return t, nil
}

// layOut appends the headers to t.frame and returns where the IP and transport
// headers start and how long the shortest frame is.
func (t *template) layOut(c Config) (ip, transport, end int) {
	s := &t.settings
	f := append(t.frame, 0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02)
	if c.VLAN > 0 {
		f = binary.BigEndian.AppendUint16(append(f, 0x81, 0x00), c.VLAN)
	}
	protocol := byte(17)
	if c.TCP {
		protocol = 6
	}
	if c.IPv6 {
		f = append(f, 0x86, 0xdd)
		ip = len(f)
		f = append(f, 0x60, 0, 0, 0, 0, 0, protocol, 64) // RFC 8200 3
		f = append(f, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		f = append(f, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
		s.AtIPLength, s.AtSource = uint32(ip+4), uint32(ip+22)
	} else {
		f = append(f, 0x08, 0x00)
		ip = len(f)
		f = append(f, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0) // RFC 791 3.1
		f = append(f, 198, 18, 0, 0, 198, 19, 0, 2)                     // RFC 2544
		s.AtIPLength, s.AtIPChecksum, s.AtSource = uint32(ip+2), uint32(ip+10), uint32(ip+14)
	}
	transport = len(f)
	f = append(f, 0, 0, NumberedPort>>8, NumberedPort&0xff)
	s.AtSourcePort = uint32(transport)
	if c.TCP { // RFC 9293 3.1: ACK, PSH
		f = append(f, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x18, 1, 0xf5, 0, 0, 0, 0)
		s.AtNumber, s.AtChecksum = uint32(transport+4), uint32(transport+16)
	} else { // RFC 768
		f = append(f, 0, 0, 0, 0)
		s.AtUDPLength, s.AtChecksum, s.AtNumber = uint32(transport+4), uint32(transport+6), uint32(transport+8)
		f = append(f, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	t.frame = f
	return ip, transport, len(f)
}

// shape is what follows from one length. All that is not in the sums is
// written, and summed up, by the program.
func (t *template) shape(c Config, size, ip, transport int) bpf.Shape {
	segment := size - transport
	length := size - ip
	if c.IPv6 {
		length = segment
	}
	s := bpf.Shape{Size: uint32(size), IpLength: bigEndian(length)}
	header := append([]byte(nil), t.frame[:size]...)
	put := func(at uint32, v uint16) { binary.NativeEndian.PutUint16(header[at:], v) }
	put(t.settings.AtIPLength, s.IpLength)
	protocol := header[ip+9]
	addresses := header[ip+12 : ip+20]
	if c.IPv6 {
		protocol = header[ip+6]
		addresses = header[ip+8 : ip+40]
	} else {
		s.IpSum = sum(header[ip : ip+20])
	}
	if !c.TCP {
		s.UdpLength = bigEndian(segment)
		put(t.settings.AtUDPLength, s.UdpLength)
	}
	// Pseudo header, RFC 768 and RFC 8200 8.1: zeros add nothing.
	s.TransportSum = sum(addresses) + uint32(bigEndian(int(protocol))) + uint32(bigEndian(segment)) + sum(header[transport:])
	return s
}

// bigEndian is v in network byte order, as a word of memory.
func bigEndian(v int) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, uint16(v)))
}

// sum adds up the words of b as they lie in memory, RFC 1071 2 (B): byte order
// does not matter to it. At most 64 KiB.
func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.NativeEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(binary.NativeEndian.Uint16([]byte{b[0], 0}))
	}
	return s
}

// ErrNotNumbered says that a frame is none that a Generator sent.
var ErrNotNumbered = errors.New("not a generated frame")

// Check returns the number of a generated frame. An error says that it is no
// such frame, or that its checksums say it was changed on its way.
func Check(frame []byte) (uint64, error) {
	var p packet.Packet
	packet.Decode(&p, packet.LinkTypeEthernet, frame, uint32(len(frame)))
	packet.Verify(&p, frame)
	if !p.Present.Has(packet.FieldDestinationPort) || p.DestinationPort != NumberedPort {
		return 0, ErrNotNumbered
	}
	n := uint64(p.SequenceNumber)<<32 | uint64(p.AcknowledgmentNumber)
	if p.Present.Has(packet.FieldUDPLength) {
		at := int(p.TransportOffset) + 8
		if len(frame) < at+8 {
			return 0, ErrNotNumbered
		}
		n = binary.BigEndian.Uint64(frame[at:])
	}
	if p.TransportChecksumStatus != packet.ChecksumGood || (p.IPVersion == 4 && p.IPChecksumStatus != packet.ChecksumGood) {
		return n, fmt.Errorf("frame %d: checksums: IP %v, transport %v", n, p.IPChecksumStatus, p.TransportChecksumStatus)
	}
	return n, nil
}
