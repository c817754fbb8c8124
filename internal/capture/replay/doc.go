// Package replay is a capture file (or several, one after another) as a
// capture.Device: the same contract as an interface, for tests, benchmarks and
// the demo without privileges.
//
// In: files that package pcap can read, or a reader already opened. Out: frames
// of one Source, as fast as they are asked for: their pace is for the user to keep.
//
// Non-obvious:
//   - A frame is copied once, from the reader's window into an arena that
//     belongs to the source and is reused after Release: no allocation per
//     packet.
//   - A Device has one link type. Packets of another one (a pcapng file may mix
//     them) are dropped as ledger.OtherLinkType, never decoded as what they are not.
//   - Damage without Resync ends the source with that error, after every packet
//     before it was delivered.
//   - Packets without a time (pcapng simple packet blocks) have time 0.
package replay
