// Package afxdp captures with AF_XDP: an XDP program puts every frame of an RX
// queue into memory shared with this process, past the host's network stack.
//
// In: Open takes an interface by name and makes, for each of its RX queues, a
// socket with its UMEM (the frames), fill ring (frames lent to the kernel) and
// RX ring (frames filled); then it attaches the program of package bpf. Out: one
// capture.Source per queue, whose Frames are views into the UMEM.
//
//	fill ring ──▶ kernel ──▶ RX ring ──▶ Receive ──▶ worker ──▶ Release ─┐
//	   ▲                                                                │
//	   └────────────────────────────────────────────────────────────────┘
//
// A frame has one owner at a time: the kernel from the fill ring on, this
// process from Receive to Release. The fill ring has room for all frames, so
// giving back never waits.
//
// Transmitter is the way out: a socket with TX and completion ring, for package
// transmit.
//
// Hook is the interface's side alone (program, link, counters, promiscuous
// mode, VLAN offload), for an engine with rings of its own.
//
// Non-obvious:
//   - Sockets are bound and in the map before the program is attached, and the
//     program is detached before they are closed: no frame meets a queue
//     without a socket, and the kernel never redirects to one that is going.
//   - After detaching, a grace period of the kernel is waited for. Without it a
//     core in the middle of a batch still counts, and the books move once more.
//   - An empty fill ring moves rx_dropped and rx_fill_ring_empty_descs for the
//     same frame; a frame longer than a chunk moves rx_dropped alone.
//   - Nothing tells a socket that its interface is gone: poll reports nothing.
//     A netlink socket does.
//   - Everything that acts on the interface later (netlink, ethtool, the
//     watcher) is a socket opened by Open, in the caller's network namespace.
//   - The kernel lets go of a queue some time after its socket was closed:
//     binding it again can answer EBUSY for about 0.4 s.
//   - On veth a tag that the peer adds by offload travels beside the frame; only
//     xsk_redirect_meta (native mode) sees it.
package afxdp
