package elastic

import "net/http"

// outcome is what an answer means for a document, or for a whole bulk.
type outcome uint8

const (
	indexed   outcome = iota // stored now
	already                  // stored by an earlier delivery
	again                    // the server's fault, or nobody's: send it again
	refused                  // the document's fault: errors topic
	unknown                  // whole bulk: nothing is known of any item, send it again
	answered                 // whole bulk: look at the items
	tooLarge                 // whole bulk: halve it
	overload                 // whole bulk: send it again; may be too large to ever pass
	malformed                // whole bulk: one item spoils it; halve to find it
	denied                   // whole bulk: a person must act; ask seldom
)

// passing are the error types of items that say nothing about the document,
// although their status (400, 403, 404) looks as if they did.
var passing = map[string]bool{
	"cluster_block_exception":         true, // 403: read-only, by a person or by the disk's flood stage
	"index_closed_exception":          true, // 400: can be opened again
	"security_exception":              true, // 403: the key lacks a right on this index
	"validation_exception":            true, // 400: the cluster's shard limit stops the creation of an index
	"index_not_found_exception":       true, // 404: action.auto_create_index forbids it
	"unavailable_shards_exception":    true,
	"es_rejected_execution_exception": true,
	"circuit_breaking_exception":      true,
}

// itemOutcome classes the answer to one create action.
func itemOutcome(status int, kind string) outcome {
	switch {
	case status >= 200 && status < 300:
		return indexed
	case status == http.StatusConflict: // create: the only conflict is an _id that is there
		return already
	case status == http.StatusTooManyRequests, status >= 500, passing[kind]:
		return again
	case status >= 400:
		return refused
	}
	return again // 1xx, 3xx for an item: no server says so; do not lose it
}

// wholeOutcome classes a reply other than a 2xx of Elasticsearch's own.
func wholeOutcome(e *StatusError) outcome {
	switch {
	case e.Status == http.StatusRequestEntityTooLarge:
		return tooLarge
	case e.Status == http.StatusTooManyRequests:
		return overload
	case e.Status == http.StatusRequestTimeout, e.Status >= 500:
		return unknown
	case e.Status == http.StatusBadRequest && e.Genuine && !passing[e.Type]:
		return malformed
	}
	return denied // 401, 403; 3xx, 404, 405, 406: not the server we should talk to
}
