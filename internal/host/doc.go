// Package host is what this host has and lets us do, asked of the kernel: its
// interfaces, the privileges and limits of this process, the kernel's features.
//
// In: questions of the engines that capture, of doctor and of the command line.
// Out: answers, and for what is in the way a Problem, whose words are the same
// wherever it is met.
//
// Non-obvious:
//   - An Interface belongs to the network namespace in which it was opened: its
//     sockets stay there, whatever thread asks.
//   - Sysfs may show another network namespace's interfaces. What is read there
//     counts only where the interface index agrees.
//   - Capabilities are looked at, not tried: what is missing can be named then.
package host
