// Package bpf holds the XDP programs that hand frames to AF_XDP sockets, and
// loads them.
//
// In: Settings, written into the program as constants before the kernel's
// verifier reads it, so that what is not asked for costs nothing. Out: Objects,
// the loaded program with its maps: put a socket per RX queue into Sockets,
// attach Program to the interface, read Counters.
//
// xsk_redirect runs on any interface, native or generic, from Linux 6.1.
// xsk_redirect_meta also asks the NIC for its timestamp and the VLAN
// tag it took off; it is bound to one device, runs in native mode only and
// needs Linux 6.3 (the tag: 6.8). Both are made from ../headers/redirect.h.
//
// What a frame meets, in this order: the keep list (passed to the host), a
// queue without a socket (passed), the metadata area of 32 bytes in front of
// it, the snap length, its sequence number.
//
// Non-obvious:
//   - Nothing is ever dropped by the programs: what is not redirected is passed
//     to the host, unchanged, and counted.
//   - A sequence number is spent only on a frame that goes to a socket. A hole
//     is a loss in the socket's rings.
//   - With ShareClock up to ClockShare frames of one NAPI poll have the same
//     Timestamp. xsk_poll_end, on the tracepoint behind every poll, sees to it
//     that none is older than its poll.
//   - Ports are not seen in later fragments, in IPv6 packets with more than 8
//     extension headers or frames with more than 4 VLAN tags; such frames are
//     captured, not kept.
//   - HeadersOnly cuts what has no known header behind it right there: of an
//     unknown EtherType only the Ethernet header stays, of an unknown protocol
//     the IP headers. A header that the frame itself ends in stays whole.
//   - In a frame of several buffers only headers in the first one are seen.
//   - A map's kernel name ends in the interface index, so that two captures can
//     be told apart in bpftool; programs have the names of their functions.
package bpf
