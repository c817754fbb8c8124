// Package packet reads the headers of one frame: link layer, VLAN tags, ARP,
// IPv4, IPv6 with its extension headers, TCP, UDP, ICMP and the ports of SCTP,
// UDP-Lite and DCCP. Pure functions over a byte slice: no I/O, no clock, no
// allocation, no panic on any input.
//
// In: the bytes of a frame, its link type and its length on the wire. Out: a
// Packet and its Status.
//
// Non-obvious:
//   - Clip to the IP length first: bytes behind the datagram (Ethernet padding)
//     are never read as a header.
//   - A later fragment has no transport header: no ports.
//   - Longer than captured is not malformed. The snap length cut it (snapped)
//     or the frame itself ends there (truncated); the wire length decides.
//   - Total length 0 is what segmentation offload leaves; the frame counts.
package packet
