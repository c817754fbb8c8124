package record

import "xcapa/internal/packet"

// SetPacket decodes frame into r and sets everything a record knows of a frame
// but its sequence number or source: time, lengths, link type. frame is what
// was captured of the frame, origLen its length on the wire (bytes). The
// options in r are views into frame.
func (r *Record) SetPacket(linkType uint16, frame []byte, origLen uint32, timestampNanos int64) {
	packet.Decode(&r.Packet, linkType, frame, origLen)
	r.TimestampNanos = timestampNanos
	r.OrigLen = origLen
	r.CapLen = uint32(len(frame))
	r.LinkType = linkType
	if linkType != packet.LinkTypeEthernet {
		r.Present |= 1 << FieldLinkType
	}
}
