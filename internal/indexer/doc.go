// Package indexer is the stage behind Kafka: it reads messages, turns each into
// rows, writes them to a destination (Elasticsearch or the Parquet store) and
// commits an offset only when everything before it is settled.
//
// In: a Consumer's batches. Out: Destination.Write for each message, one record
// in the errors topic for each message that cannot be read, committed offsets,
// the rooms "fetch", "decode" and the destination's own.
//
// Run polls, commits and answers the group; lanes do the work, each one goroutine
// with a Work of its own. An index has one lane, alone with the destination; the
// parse stage (package parse) has one for each partition. A Work that has to wait
// for hours costs neither the membership in the group nor memory: what was polled
// waits in queues bounded together by Config.MaxQueuedBytes, and the partitions
// are paused.
//
// Non-obvious:
//   - Messages settle in any order; the committed offset is that of the first
//     one that has not (offsets.go). It never passes an unsettled message, also
//     not at a rebalance or exit.
//   - A message is counted when its lane takes it, not when it is polled: what
//     is still queued at exit was never ours, and is read again by the next.
//   - An unreadable message counts as one packet: nobody can know how many it
//     held.
//   - What a lane has begun of a revoked partition is flushed within
//     Config.FlushTimeout and committed; the rest is skipped. What settles later
//     is not committed: the new owner writes it again, and stable ids make that
//     harmless.
//   - A batch is released when its lane is done with it: its bytes then become
//     those of another. What has to outlive that is a copy.
//   - Destination calls come from one goroutine, in the order of the queue: an
//     Assigned stands before the first Write of its partition.
package indexer
