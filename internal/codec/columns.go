package codec

//lint:file-ignore U1000 the columns are reached by reflection, in the order of the schema

import (
	"reflect"
	"unsafe"

	"xcapa/internal/record"
)

// MaxBlockRows is how many records a block can hold. A power of two, so that a
// masked row index needs no bounds check.
const MaxBlockRows = 1024

// The arrays of columns, each one cache line longer than its rows: with sizes
// of exactly 1, 2 or 4 KiB the current row of every column would fall into the
// same few sets of the first-level cache.
type (
	uint8s  [MaxBlockRows + 64]uint8
	uint16s [MaxBlockRows + 32]uint16
	uint32s [MaxBlockRows + 16]uint32
	uint64s [MaxBlockRows + 8]uint64
	int64s  [MaxBlockRows + 8]int64
	macs    [MaxBlockRows + 11][6]byte
	addrs   [MaxBlockRows + 4][16]byte
)

// columns holds the fixed-width values of a block in the order of its schema
// (a test compares). Values are in the host's byte order, which is Arrow's on
// every machine this is built for: little endian.
type columns struct {
	nanos                                        int64s
	frameLength, capturedLength                  uint32s
	sequence                                     uint64s
	linkType                                     uint16s
	sourceMAC, destinationMAC                    macs
	etherType                                    uint16s
	vlanID                                       uint16s
	vlanPriority                                 uint8s
	vlanInnerID                                  uint16s
	vlanInnerPriority                            uint8s
	arpOperation                                 uint16s
	arpSenderMAC                                 macs
	arpSenderIP                                  uint32s
	arpTargetMAC                                 macs
	arpTargetIP                                  uint32s
	ipVersion, ipHeaderLen, tos                  uint8s
	totalLength, identification                  uint32s
	ipFlags                                      uint8s
	fragmentOffset                               uint16s
	ttl, protocol                                uint8s
	headerChecksum                               uint16s
	sourceAddress, destinationAddress            addrs
	flowLabel                                    uint32s
	nextHeader                                   uint8s
	extensionHeaders                             uint16s
	sourcePort, destinationPort                  uint16s
	sequenceNumber, acknowledgmentNumber         uint32s
	dataOffset                                   uint8s
	tcpFlags, window, tcpChecksum, urgentPointer uint16s
	udpLength, udpChecksum                       uint16s
	icmpType, icmpCode                           uint8s
	icmpChecksum                                 uint16s
	ipChecksumStatus, transportChecksumStatus    uint8s
	status                                       uint8s
	sourceOffset                                 int64s
	sourceRow                                    uint32s
}

// view is one fixed-width column as bytes, as many as MaxBlockRows rows need.
type view struct {
	data  []byte
	width int
	bit   uint64 // of the field in a FieldSet; 0: never null
	field uint8
}

// views returns the columns of c in the order of the schema.
func (c *columns) views() []view {
	rv := reflect.ValueOf(c).Elem()
	out := make([]view, 0, rv.NumField())
	for i, in := range fixedColumns {
		w := in.Arrow.Width()
		base := (*byte)(rv.Field(i).Addr().UnsafePointer())
		v := view{data: unsafe.Slice(base, w*MaxBlockRows), width: w, field: uint8(in.Field)}
		if in.Field != record.NoField {
			v.bit = 1 << in.Field
		}
		out = append(out, v)
	}
	return out
}
