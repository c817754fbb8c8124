package message

// Position is a place in a partition. Where a call is about the partition only,
// Offset is ignored.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}
