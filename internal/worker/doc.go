// Package worker is the loop between a ring and Kafka: one worker per RX queue,
// on one goroutine locked to its thread, run to completion: receive a batch,
// decode each frame into one reused record, append it to the open message, give
// the batch back, hand full messages on. Nothing is shared between workers: no
// channel, lock or map per packet. That is all "lock-free worker pool" means.
//
// In: a capture.Source. Out: messages for a Sink (Kafka), or text for a person.
//
// Non-obvious:
//   - A frame's bytes are the engine's until Release; Append copies what it
//     keeps, and Release comes after the whole batch.
//   - The capture end never waits: a Sink that is full drops, and counts: a whole
//     message, which is up to Gathering.Bytes of packets.
//   - A record per packet (PacketOutput) does not mean a message per packet: the
//     worker writes Kafka's records itself, one open message for each partition.
//     The client's way for single records cost 1,000 ns a packet, five times as
//     much as everything else.
//   - Counters are plain fields of the worker's own, published once a batch to
//     atomics on a cache line of their own.
package worker
