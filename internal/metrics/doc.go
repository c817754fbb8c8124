// Package metrics holds every metric that xcapa offers, each declared once, in
// the table of families.go.
//
// In: a status.Source. Out: an HTTP handler that asks it when it is scraped, and
// the list of families for the documentation.
//
// Non-obvious:
//   - Nothing is counted here. The rooms count in plain fields, the ledger reads
//     them, a scrape shows that ledger: the three can never disagree.
//   - Labels are closed sets: stage, room, reason, status, topic, partition.
//     Never an address, a port, a key or an error's text.
//   - Rooms are part of the names of their families. A new room needs no change
//     here; a name that cannot stand in a metric name is left out and counted in
//     xcapa_scrape_skipped.
package metrics
