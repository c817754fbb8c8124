// Command bench measures xcapa against its limits and its peers, side by side in
// one run, and writes a report: `make bench`.
//
// In: the built program, root, two cores. Out: NAME.json, NAME.md and plots in
// bench/results.
//
// Non-obvious:
//   - Only ratios inside one run carry over to another machine or day.
//   - A trial has a fresh veth pair and fresh processes; cases take turns, so
//     that what disturbs the machine disturbs all of them.
//   - A receiver shares no core with the generator, whose core also does the
//     receiving interface's work.
//   - CPU is read from schedstat between the first frame and the last one
//     settled: neither start nor end of a process counts.
//   - A case that cannot run says why in the report; it never stands in with a
//     figure of something else.
package main
