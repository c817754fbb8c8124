// Package afpacket takes frames with AF_PACKET sockets and TPACKET_V3 rings: the
// engine for interfaces that the host itself uses. The host keeps every packet,
// and both directions are seen.
//
// In: an interface. Out: frames as views into the ring that the kernel fills,
// given back block by block on Release.
//
// The ring is our own and not gopacket/afpacket's: that one hands out a frame
// per call under a lock and takes a block back as soon as the next one is
// asked for, so that a batch cannot be held; it allocates to put a VLAN tag
// back; and it can neither be woken nor stopped with exact books.
//
// Non-obvious:
//   - Reading PACKET_STATISTICS resets it, and its packets include its drops.
//   - A VLAN tag is beside the frame, not in it. It is put back in place: the
//     addresses move 4 bytes to the front, into room that PACKET_RESERVE keeps.
//   - The kernel hands over a block at its timeout even with one frame in it:
//     slow traffic uses the ring up as fast as the timeout, not the bytes, says.
//     So there are many blocks rather than large ones.
//   - Detach attaches a filter that refuses everything, waits until no CPU can
//     still be inside the old one (membarrier), and only then reads the
//     statistics: from then on it is known how many frames are still to come,
//     and Receive waits for the kernel's block timer until they are there.
//   - poll(2) says readable as long as the block before the current one is not
//     given back. Receive called twice without Release in between therefore
//     naps instead.
//   - On the loopback interface every frame passes twice, out and in. The
//     outgoing copy is refused in the kernel, as tcpdump does in user space, so
//     that the books know of one.
//   - An interface that goes down stays captured and goes on when it comes up;
//     one that is removed ends the source with an error.
//   - Sockets sharing an interface (Workers) begin with a filter that refuses
//     everything, or the first would see frames twice until the last has joined
//     and no CPU is on its way between the two any more.
//   - A fanout group can have number 0: the first after boot has.
package afpacket
