// Package load makes more traffic than any capture can take: numbered frames
// sent by a BPF program that the kernel runs over and over on one core (live
// frames), tens of millions a second, paced inside the program.
//
// In: a Config (sizes, IP version, transport, tag, flows, rate) and the name of
// an interface in the calling thread's network namespace, which is one end of a
// veth pair. Out: frames on the other end; Check says whether one of them is
// what was sent.
//
// Non-obvious:
//   - The receiver's XDP program and its softirq run on the generator's core. A
//     receiver that is to be measured belongs on another one.
//   - A veth end without an XDP program takes such frames only with GRO on.
//   - A run costs the kernel 15 to 25 ms of silence at its start, so there is
//     one call with a large count, ended by a signal to its thread.
//   - Frames that come too late for their rate are not made up for beyond a
//     batch: a burst would measure the rings and not the receiver.
package load
