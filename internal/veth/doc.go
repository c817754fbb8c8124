// Package veth makes a pair of connected virtual Ethernet interfaces, each in a
// network namespace of its own: the wire of the demo and of every test.
//
// In: Open says how many queues, which MTU, which addresses. Out: two Ends;
// code, sockets and child processes are put inside with End.Do and End.Start.
//
// Non-obvious:
//   - The namespaces have no name. They live as long as a descriptor, thread or
//     process holds them: a SIGKILL of this process leaves nothing behind.
//   - The link is quiet: no ARP, no IPv6 address, neighbour or router
//     discovery, no multicast reports. What arrives is what was sent, unless
//     addresses are asked for.
//   - Checksum and VLAN offloads are off: with them a sender leaves checksums
//     partial and carries VLAN tags beside the frame, where XDP cannot see them.
//   - A goroutine started inside End.Do runs on another thread, outside the
//     namespace. Sockets opened inside stay inside.
package veth
