// Package elastic is the room between records and Elasticsearch: a client that
// says in words what is wrong with the server, a strict index template, the
// name of the index from the packet's time, and a bulk writer that settles
// every document exactly once.
//
// In: rows of messages through Writer.Write (an indexer.Destination). Out: bulk
// requests of create actions; for every message one call of settled, when all
// of its rows are stored or in the errors topic; the room "elastic" of the
// ledger. Only esapi and elastictransport of the official client are imported.
//
// Non-obvious:
//   - A row is done at 2xx and at 409 (an earlier delivery stored it). Everything
//     whose cause lies in the server (429, 5xx, blocks, closed index, missing
//     right) is sent again for ever; what lies in the document goes to the
//     errors topic. The list is in outcome.go, with the reason beside each.
//   - A reply that does not answer every item, or that never came, says nothing:
//     the whole bulk is sent again. create and stable ids make that harmless.
//   - A bulk over the server's limit is answered 429 for ever, not 413. After
//     maxRefusals whole refusals a bulk is halved; the halves grow again because
//     each right half is as large as all that was split off before it.
//   - The number of bulk buffers is the memory limit: Concurrency being sent and
//     one being filled. Write waits for a free one; nothing else bounds it.
//   - net/http may read a request's body after it has returned the reply (an
//     early 413). The buffer is touched again only after the body was closed.
//   - "Now" for the index guard is the time of the Kafka message, not the clock:
//     a second delivery must choose the same index or its 409 never comes.
//   - GET / is never sent: it may be refused. Any reply's X-Elastic-Product says
//     what the server is.
package elastic
