// Package packet reads the headers of one frame: link layer, VLAN tags, ARP,
// IPv4, IPv6 with its extension headers, TCP, UDP, ICMP and the ports of SCTP,
// UDP-Lite and DCCP. Pure functions over a byte slice: no I/O, no clock, no
// allocation, no panic on any input.
//
// In: the bytes of a frame, its link type and its length on the wire. Out: a
// Packet and its Status.
//
// Non-obvious:
//   - Two ways, one result. decodeCommon takes nearly all traffic in a dozen
//     nanoseconds; anything it does not like goes to decodeAny from the start.
//     Tests hold them equal.
//   - Nothing is cleared. A field counts only if its bit is in Present.
//   - Clip to the IP length first: bytes behind the datagram (Ethernet padding)
//     are never read as a header.
//   - A later fragment has no transport header: no ports.
//   - Longer than captured is not malformed. The snap length cut it (snapped)
//     or the frame itself ends there (truncated); the wire length decides. While
//     every header is whole, a total length beyond the wire is no status at all.
//   - Total length 0 is what segmentation offload leaves; the frame counts. It
//     stops nothing, so whatever stops decoding later is the status.
//   - A header that is cut gives the fields before the cut. A header whose length
//     field lies (IHL 4, data offset 3) still gives its fixed fields as they are
//     on the wire: who hunts a broken sender needs its address.
//   - Total length below 20 is bad_total_length; an IHL above the total length is
//     bad_header_length, since it is the IHL that points outside.
//   - The innermost tag and the protocol behind extension headers are known only
//     when the walk reached its end: a cut or endless stack has neither.
package packet
