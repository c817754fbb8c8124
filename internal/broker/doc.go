// Package broker is the Kafka broker of a machine that has none: kfake
// (franz-go's fake cluster) on loopback, speaking the real protocol, so that
// any Kafka client can read along. It runs in a process of its own and stays
// within a limit.
//
// In: Run with a Config. Out: the address, through Config.Ready and the port
// file; then whatever Kafka clients ask for, until the context ends.
//
// Non-obvious:
//   - Records that every group has committed are deleted, once a second. The
//     committed offset of a group that reads a topic is a floor; a topic no
//     group reads keeps everything, unless it is one of Config.Rings.
//   - Above its budget the broker answers produce requests with
//     KAFKA_STORAGE_ERROR, which every client retries: a capture then fills its
//     own buffer and drops with buffer_full, a source that can wait waits.
//     Consumers are served all the time, and that is what makes room.
//   - The budget for records is a part of the limit: kfake keeps a log in
//     segments whose memory doubles as they grow and is freed by whole
//     segments, requests are read into memory, and Go's heap has slack. The
//     pages of the binary count too: see processBytes.
//   - kfake allocates what a connection's first four bytes claim. The listener
//     cuts connections that claim more than a Kafka request may have: a browser
//     pointed at the port would take 1.2 GB.
//   - There is no authentication; addresses other than loopback are refused.
package broker
