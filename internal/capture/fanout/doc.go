// Package fanout shares the frames of an RX queue out among several workers: for
// a NIC with fewer queues than there are cores to decode with.
//
// In: a capture.Device whose sources are capture.Lenders (package afxdp). Out: a
// capture.Device with more Sources, one per worker, so that a worker stays what
// it is. Between them, one receiver for each queue: a goroutine locked to its
// thread that takes batches from the queue, computes each frame's flow hash and
// nothing else, and puts the frame's descriptor on the ring of the worker that
// has the flow.
//
//	            ┌─ ring ─▶ worker 0 ─┐
//	queue ─▶ receiver                │ the same ring: what a worker is done with
//	   ▲        └─ ring ─▶ worker 1 ─┤ lies behind its index, until the receiver
//	   └──────────── Return ─────────┘ takes it home
//
// Non-obvious:
//   - A ring has one producer and one consumer and three indices, each written
//     by one side once a batch: put, done, and (the receiver's own) home. No
//     channel, lock or allocation per packet.
//   - A ring that is full drops, and counts worker_full: waiting for one slow
//     worker would make the queue lose the frames of all.
//   - All rings together hold half of the queue's memory at most: the kernel
//     always has the other half to receive into.
//   - A flow is always on one worker, both directions, and so in order.
//   - Frames keep the queue and the sequence number that the queue gave them:
//     record ids stay unique.
//   - A worker that finds nothing naps; after 2 ms it parks, and the receiver
//     wakes it with the next batch. At rest nobody spins.
//   - Behind Detach a source returns 0, nil only once the receiver has emptied
//     the queue: else a worker would call it drained too early.
package fanout
