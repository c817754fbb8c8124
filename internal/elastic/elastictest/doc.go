// Package elastictest is a stand-in for Elasticsearch: a strict HTTP server that
// takes _bulk requests, keeps documents by index and id, and answers whatever a
// test scripts, item by item or for the whole request.
//
// In: the requests of a client. Out: replies in Elasticsearch's words (measured
// on 8.19), the documents kept, and a list of Problems: everything in a request
// that a real server would have refused, or would have taken for something else.
//
// Non-obvious:
//   - A bad action line, a missing final newline or an _id over 512 bytes is a
//     400 for the whole request, as on the real server. Such a request is also
//     a Problem, because a writer must make it impossible.
//   - 413 has no body and no X-Elastic-Product header.
//   - With a template installed its mapping is enforced: unknown fields, text in
//     an ip or integer, dates outside 1970..2262 are item 400s.
package elastictest
