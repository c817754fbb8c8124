// Package kafka is the room between xcapa and a Kafka cluster: a producer that
// never makes a capture wait, a group consumer that never drops, and the checks
// that say at start, in words, what is wrong with the broker.
//
// In: message.Message from workers and stages (TryProduce where packets arrive
// whether we are ready or not, Produce where the source can wait). Out: batches
// of message.Message from Consumer.Poll, and the room "kafka" of the ledger.
// No type of the client library (franz-go) passes either door.
//
// A message goes to the client as a record, or, where it is many records already
// (message.Bundle), to a sender of our own that makes produce requests of them.
// Both use the client's connections. Transactions are the client's: what it is
// given in one is always records.
//
// Non-obvious:
//   - The producer's own byte budget (Config.MaxBufferedBytes) decides what is
//     dropped, not the client's: a drop then costs a few atomic operations and
//     neither the client's lock nor its queue of promises, and cancelling a
//     waiting Produce cannot take back a message that is already buffered.
//   - Counters written at hand-over and counters written at acknowledgement
//     stand on different cache lines (books.go). With a message per packet,
//     sharing them cost a third of the whole path.
//   - A message is charged messageOverhead bytes beside its own, or 64 MiB of
//     60-byte frames would hold 400 MiB of the client's bookkeeping.
//   - Done runs on the client's promise goroutine, one at a time, or on that of a
//     produce request. Something that blocks there stops every acknowledgement of
//     the process, or of a broker.
//   - Client and sender have a producer id each: they write to the same
//     partitions, and brokers count the records of an id.
//   - A partition's batches are under way at once only after the broker has taken
//     one since the latest failure, and the next request is given to the client
//     only when the one before is being written: else a batch could overtake
//     another, and the broker would refuse that one for good.
//   - The client may still be writing a request that nobody waits for any more,
//     so produceRequest.end comes before a batch is anybody else's.
//   - Batches that are small wait while a request is under way or was a moment
//     ago, and then go as one (sink.prompt, join): a request takes one batch of a
//     partition, and several workers with a batch for each partition every linger
//     are many.
//   - Closing with messages in flight counts them as shutdown although the
//     broker may have stored some: their answer is unknown, not lost.
//   - Producer and consumer retry a connection that ends on its first answer; the
//     client would take it for missing SASL and fail every buffered message.
//     Check does not retry, so that missing SASL is still found.
//   - A topic deleted and created again is refused by the client until it is
//     told to forget the old one: the producer does, the consumer ends with
//     ErrTopicRecreated, since the offsets it has are of another topic.
//   - The round-robin partitioner passes over a partition whose backlog is far
//     above the shortest one. Without that a dead leader collects the whole
//     buffer and stops the partitions that are well.
//   - Consumer hooks run only while the caller is inside Poll or Close. The
//     client alone guarantees that only after a poll that returned messages.
//   - Start and reset offsets are always set: the client's own default for the
//     reset is "one minute back", which would lose and repeat records.
//   - The consumer has its own decompressor because the client's may let one
//     batch of 70 KB become 1 GiB, and because a batch that cannot be
//     decompressed at all would stop its partition for ever.
//   - What a batch is unpacked into comes from pools and goes back with
//     Batch.Release (pools.go). The client clears what goes back, so that a slice
//     held too long shows as zeros and not as another packet. The reader of several
//     partitions does so one Next after the last message of the batch.
package kafka
