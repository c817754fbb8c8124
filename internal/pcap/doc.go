// Package pcap reads and writes capture files: pcap (microseconds and
// nanoseconds, both byte orders, and the "modified" variant) and pcapng.
//
// In: a file, standard input or any io.Reader, plain or compressed with gzip or
// zstd (told by content, not by name). Out: one Packet after another, each with
// the byte offset it was found at; damage comes out as a *DamageError that says
// what, where and how much was left out. The way back is Writer: packets in,
// files out, whole up to the last packet whatever happens to the disk.
//
// Reading is done by a parser of our own and not by gopacket's pcapgo (which is
// the second opinion in the tests): offsets, going on behind damage and a fixed
// window need the bytes and the parser in one place, and a reader that says
// "unexpected EOF" has lost both by the time it says so.
//
// Non-obvious:
//   - Every length read from a file is compared with a constant before anything
//     is done with it: 262,144 bytes for a packet, 16 MiB for a pcapng block.
//     The window grows only by bytes that have really arrived.
//   - Packet.Data is a view into that window, valid until the next call of Next.
//   - Offsets count bytes of the uncompressed stream.
//   - A pcap record whose captured length was damaged to another possible value
//     looks fine by itself. With Resync it is found out when no header follows
//     where the captured length says and one does where the original length says.
//   - A page of zeros is damage, not a row of packets of 0 bytes: it is what a
//     file system leaves at the end of a file whose writer lost power.
//   - A pcapng block ends with its length again; a block where the two differ is
//     damage, also without Resync. A block that is whole but holds nonsense
//     (interface that was never described, captured length over the block) is
//     left out alone, without a search.
//   - Fractions of a second beyond one second are added, not cut off: that is
//     what libpcap's readers do with such files.
package pcap
