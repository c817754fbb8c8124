// Package e2e tests the whole program from outside: the built binary, its
// stages as processes of their own, real frames on a veth pair, and what
// arrives in Kafka and in the store. It holds tests only.
//
// Non-obvious:
//   - Broker, capture and indexer run inside the namespace of the receiving end;
//     the tests reach the broker by dialling from inside it.
//   - A loss while the capture waited long for a CPU is tried again: that judges
//     the machine. Books that do not balance fail at once.
package e2e
