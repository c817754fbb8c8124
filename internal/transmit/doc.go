// Package transmit puts frames onto a wire: those of a capture file, at a pace.
//
// In: frames as bytes, from the destination MAC address; a capture file as
// package capture/replay gives it. Out: the wire, and the room wire of the
// books.
//
// Non-obvious:
//   - A frame longer than the interface's MTU allows is counted, not sent: cut
//     or split it would be another frame. The rule is the kernel's own for
//     packet sockets (MTU, Ethernet header, and one VLAN tag where there is
//     one), since behind an AF_XDP ring nobody says that a frame was too long.
//   - Frames from an AF_XDP ring pass the host's queueing discipline and its
//     packet sockets by: tcpdump on the sending interface does not see them.
//   - The kernel takes frames for a link without carrier and throws them away
//     without a word: the link is looked at every 100 ms.
//   - A frame is counted as out when the kernel is done with it. What a driver
//     drops behind that shows only in the interface's own counters.
//   - The packet socket is bound to protocol 0: it sends and never receives.
package transmit
