// Package fastcapa reads the command line and the configuration file of Apache
// Metron's fastcapa probe: DPDK's options, "--", fastcapa's own; and a GLib key
// file with the groups [kafka-global] and [kafka-topic], whose keys are
// librdkafka's.
//
// In: arguments, a file. Out: Options and Settings, with a word for every one
// that has no counterpart; the command line makes a capture of them.
//
// Non-obvious:
//   - -c is the core mask in front of "--" and the configuration file behind
//     it; -w is a PCI address in front and the transmit burst behind.
//   - fastcapa names DPDK ports, which the kernel does not know. A PCI address
//     (-w) does name an interface, as long as the kernel's driver has it; -i
//     names it otherwise, and is ours.
//   - The receive descriptors are -r in the first releases and -d in the last.
package fastcapa
