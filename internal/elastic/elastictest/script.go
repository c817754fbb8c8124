package elastictest

import (
	"io"
	"log"
	"time"
)

var discardLog = log.New(io.Discard, "", 0)

// Request is one _bulk request as a script sees it.
type Request struct {
	N     int // number of the request, from 0
	Items []Item
	Bytes int // of the body, uncompressed
}

// Item is one action of a bulk request. Doc is valid while the script runs.
type Item struct {
	Index, ID string
	Doc       []byte
}

// Answer says how to answer one bulk request. The zero value answers as a
// healthy server does.
type Answer struct {
	// Status, when not 0, refuses the whole request with it; Error is the
	// error type ("es_rejected_execution_exception").
	Status int
	Error  string
	// Item answers item i; ItemAnswer{} leaves it to the server. nil: all are.
	Item func(i int, it Item) ItemAnswer

	Delay time.Duration // before anything else happens

	CutBefore bool // cut the connection without storing anything
	CutAfter  bool // store what is to be stored, then cut the connection

	NoItems   bool   // reply 200 {"errors":false}, with nothing stored
	Short     int    // leave the last n items out of the reply; they are stored
	Truncate  int    // send only the first n bytes of the reply, then cut
	Body      []byte // reply 200 with these bytes instead, with nothing stored
	Endless   bool   // after the stored items, an answer that never ends
	NoProduct bool   // no X-Elastic-Product on this reply
}

// ItemAnswer refuses one item. Status 0: the server decides (201, 409, 400).
type ItemAnswer struct {
	Status        int
	Error, Reason string
}

// Item answers that come up again and again, in the words of 8.19.
var (
	Rejected     = ItemAnswer{429, "es_rejected_execution_exception", "rejected execution of primary operation"}
	FloodStage   = ItemAnswer{429, "cluster_block_exception", "index [i] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block]"}
	WriteBlock   = ItemAnswer{403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)]"}
	NoShard      = ItemAnswer{503, "unavailable_shards_exception", "[i][0] primary shard is not active"}
	Unparsable   = ItemAnswer{400, "document_parsing_exception", "[1:8] failed to parse field [src_port] of type [integer]"}
	IndexClosed  = ItemAnswer{400, "index_closed_exception", "closed"}
	Unauthorized = ItemAnswer{403, "security_exception", "action [indices:admin/auto_create] is unauthorized"}
)

// OnBulk sets the script: fn is called for each bulk request, one call at a
// time. nil ends the scripting: everything succeeds again.
func (s *Server) OnBulk(fn func(Request) Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = fn
}

// Script answers the first requests with answers, in order, and those after
// them normally.
func (s *Server) Script(answers ...Answer) {
	base := s.Stats().Bulks
	s.OnBulk(func(r Request) Answer {
		if i := r.N - base; i < len(answers) {
			return answers[i]
		}
		return Answer{}
	})
}
