// Package testnet gives tests a wire: veth pairs in namespaces of their own,
// senders over AF_PACKET, numbered frames that can be checked on arrival, and a
// guard that knows when the machine was too busy to judge.
//
// In: tests of every package that needs an interface. Out: package veth, wrapped
// so that a failure fails the test and everything is undone by t.Cleanup.
//
// Non-obvious:
//   - RequireRoot skips without root, but fails when XCAPA_TEST_ROOT=1 says that
//     the run has it: a test that nobody runs is worse than none.
//   - A sender's TX queue, and so the receiver's RX queue, follows from the hash
//     over the flow: use several Flows to reach several queues.
package testnet
