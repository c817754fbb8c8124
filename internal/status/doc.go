// Package status is what a running stage says of itself: its books, its latest
// batches, how far its consumer is behind, what went wrong, and the flags it
// runs with. The page, the metrics and the JSON answers show it and nothing else.
//
// In: a Recorder, which the stage's wiring tells of batches, lag and troubles.
// Out: a Status, a plain value that a stage hands to the page of its own process,
// or writes to a file from which the supervisor's page reads it; and a History,
// the time series drawn from a row of Statuses.
//
// Non-obvious:
//   - Nothing here is called per packet. A batch is one fetch-to-commit cycle of
//     one partition; warnings come from the logger of the stage.
//   - Totals are sums since the start, so that two Statuses give exact means of
//     what lay between them, also of batches that are no longer listed.
//   - A Status file is replaced, never appended to: it stays as small as one
//     Status however long the run.
package status
