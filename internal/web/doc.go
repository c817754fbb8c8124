// Package web is the monitoring page: a server-rendered view of the running
// stages, the same as JSON, Prometheus metrics, and the two questions an
// orchestrator asks.
//
// In: a status.Source, asked for each request and once a second for the
// history. Out: HTTP on one address, by default a loopback one.
//
// Paths, each also below /streaming/ (where Spark's page was):
//
//	/             the page          /metrics      Prometheus
//	/api/ledger   the books         /healthz      200 while every stage runs
//	/api/status   everything        /readyz       200 while every stage is ready
//	/api/history  the series        /debug/pprof/ profiles, only if asked for
//
// Non-obvious:
//   - Names of interfaces, topics and errors come from outside. They reach HTML
//     through html/template alone, and the Content-Security-Policy allows no
//     inline script, so that a name can never become code.
//   - There is one rendering. The script fetches the page again and puts its
//     parts in place; what it cannot do is missing nowhere.
//   - On a loopback address a request must name a loopback host: a page of
//     someone else's, open in the same browser, could otherwise read this one
//     under a name of its own (DNS rebinding).
package web
