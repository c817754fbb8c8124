package bpf

import "encoding/binary"

// Meta is struct xcapa_meta: what the program writes in front of each
// redirected frame unless Stamp is StampNone, in host byte order.
//
//	Timestamp       ns of CLOCK_TAI, or of the NIC's clock with FlagNICTime; 0: not stamped
//	Sequence        number of the frame on its RX queue, from 0
//	OriginalLength  bytes on the wire, without FCS and without a tag the NIC took off
//	Flags           Flag*
//	Reserved        0
//	VlanTpid        0x8100 or 0x88a8, valid with FlagVLAN
//	VlanTci         PCP, DEI and VID, valid with FlagVLAN
type Meta = xskRedirectXcapaMeta

// MetaSize is the length of the metadata area in bytes: it ends where the frame
// begins.
const MetaSize = 32

// The bits of Meta.Flags.
const (
	FlagNICTime = uint32(xskRedirectXcapaMetaFlagsXCAPA_NIC_TIME)
	FlagVLAN    = uint32(xskRedirectXcapaMetaFlagsXCAPA_VLAN)
)

// ReadMeta reads the metadata area b. It does not allocate.
func ReadMeta(b *[MetaSize]byte) Meta {
	return Meta{
		Timestamp:      binary.NativeEndian.Uint64(b[0:]),
		Sequence:       binary.NativeEndian.Uint64(b[8:]),
		OriginalLength: binary.NativeEndian.Uint32(b[16:]),
		Flags:          binary.NativeEndian.Uint32(b[20:]),
		Reserved:       binary.NativeEndian.Uint32(b[24:]),
		VlanTpid:       binary.NativeEndian.Uint16(b[28:]),
		VlanTci:        binary.NativeEndian.Uint16(b[30:]),
	}
}
