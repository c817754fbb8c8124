package record

import (
	"encoding/base64"
	"net/netip"
	"strconv"

	"xcapa/internal/packet"
)

// AppendText appends the value of a stored field as it stands in documents,
// without quotes: numbers in decimal, addresses in RFC 5952 form or as dotted
// quads, MACs with colons, statuses by name, options in base64. Nothing where r
// does not have the field.
func (in *Info) AppendText(dst []byte, r *Record) []byte {
	switch {
	case in.Name == NameNanos:
		return strconv.AppendInt(dst, r.TimestampNanos, 10)
	case in.Name == NameFrameLength:
		return strconv.AppendUint(dst, uint64(r.OrigLen), 10)
	case in.Name == NameCapturedLength:
		return strconv.AppendUint(dst, uint64(r.CapLen), 10)
	case in.Kind != Stored || !r.Present.Has(in.Field):
		return dst
	case in.Field == packet.FieldStatus:
		return append(dst, r.Status.String()...)
	case in.Field == packet.FieldIPChecksumStatus:
		return append(dst, r.IPChecksumStatus.String()...)
	case in.Field == packet.FieldTransportChecksumStatus:
		return append(dst, r.TransportChecksumStatus.String()...)
	case in.Elastic == "ip" && in.Arrow == ArrowUint32:
		v := uint32(r.Uint(in.Field))
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).AppendTo(dst)
	}
	switch in.Arrow {
	case ArrowFixed16:
		return netip.AddrFrom16([16]byte(r.Bytes(in.Field))).Unmap().AppendTo(dst)
	case ArrowFixed6:
		return appendMAC(dst, r.Bytes(in.Field))
	case ArrowBinary:
		return base64.StdEncoding.AppendEncode(dst, r.Bytes(in.Field))
	case ArrowInt64:
		return strconv.AppendInt(dst, int64(r.Uint(in.Field)), 10)
	}
	return strconv.AppendUint(dst, r.Uint(in.Field), 10)
}

func appendMAC(dst, mac []byte) []byte {
	const hex = "0123456789abcdef"
	for i, b := range mac {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, hex[b>>4], hex[b&15])
	}
	return dst
}
