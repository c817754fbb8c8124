// Package record is what xcapa says of one frame: the decoded headers, when
// and where it was captured, its name. One table of fields (fields.go) gives
// the names, types and meanings from which the JSON encoder, the Arrow schema,
// the Elasticsearch template and `xcapa fields` come.
//
// In: a packet.Packet filled in place by the decoder. Out: a Record that
// codecs append and stores keep.
//
// Non-obvious:
//   - A field counts only if its bit in Present is set; the others hold what an
//     earlier frame left there. Uint and Bytes do not look at the bit.
//   - The bit order (packet.Field) is not the order of a document: the table is.
//   - Status details (layer, offset, bytes) are not stored in Arrow blocks, so a
//     record read back explains its status in general words.
//   - In a record of a raw topic or a file, SourceOffset names it; in a captured
//     one, Sequence does. A topic's name may hold dashes and digits: an id is
//     written from its parts and never needs to be taken apart.
package record

import "xcapa/internal/packet"

// Record is one frame, decoded. It embeds the Packet, so the decoder writes
// straight into it. Reused, one per worker.
type Record struct {
	packet.Packet

	TimestampNanos int64  // ns since the Unix epoch, UTC
	Sequence       uint64 // number of the frame on its queue; valid with FieldSequence
	SourceOffset   int64  // offset of the raw message (or number in the file); valid with FieldSourceOffset
	SourceRow      uint32 // number of the packet in a message of several; valid with FieldSourceRow
	OrigLen        uint32 // bytes on the wire
	CapLen         uint32 // bytes held
	LinkType       uint16 // LINKTYPE number; FieldLinkType is set when it is not Ethernet
}

// The fields that the capture side sets, numbered behind those of the decoder.
const (
	FieldSequence = packet.NumFields + iota
	FieldSourceOffset
	FieldLinkType
	FieldSourceRow
	NumFields
)

// Origin is what the records of one message share: it travels in the message's
// headers, not in every row.
type Origin struct {
	Host      string // name of the capture host
	Run       string // 12 hex digits, drawn for each interface at each attach
	Interface string
	Queue     int    // RX queue
	Source    string // instead of Run, Interface and Queue: topic-partition, or 12 hex digits of a file's SHA-256
}
