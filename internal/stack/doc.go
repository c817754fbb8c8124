// Package stack runs the whole path against real servers: kafka.sh and
// elasticsearch.sh start Apache Kafka (KRaft) and Elasticsearch, fetched with
// Maven in pinned versions, on free ports, with small heaps, as an unprivileged
// user. The test behind the build tag stack sends packets over a veth pair,
// captures them with the built binary, indexes them, and asks Elasticsearch
// what it got; a second one kills the indexer into the Parquet store ten times.
//
// In: bin/xcapa (or $XCAPA_BIN), mvn and java for the first run. Out: a verdict;
// test.sh ends with a line that says what it was reached against.
//
// Non-obvious:
//   - As root everything runs in a network namespace of its own, the servers
//     included: the interface that is captured and the brokers must be in reach
//     of one process. Fetching comes first, outside.
//   - The archive is Elasticsearch's own for integration tests: it has no
//     GET /, no Kibana and no scripts, and its bulk and search are the real ones.
//   - Not root: there is no interface to capture, so the packets come from a
//     file; everything behind that is the same.
package stack
