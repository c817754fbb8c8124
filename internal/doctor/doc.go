// Package doctor looks at a host before it captures and says what will stand in
// the way: one file per check, and for each finding what was looked at, its
// state, why it matters and the command that mends it.
//
// In: an opened interface and the settings a capture would have. Out: findings
// in a fixed order, whatever order the checks end in. Checks of brokers and
// Elasticsearch are handed in by the command line, which knows their clients.
//
// Non-obvious:
//   - Checks run side by side, each within a time of its own; one that hangs or
//     panics is a finding and stops no other.
//   - The sentences about what stops a capture are package host's: the engines
//     fail with the same ones.
//   - What only AF_XDP needs is a warning, not a failure, on an interface that
//     AF_PACKET would capture.
//   - Only a clear yes or a clear "not supported" of a feature probe proves
//     anything; without the privilege to ask the check is skipped.
//   - Sysfs and /proc are looked at for this process, the interface for the
//     network namespace it was opened in.
package doctor
