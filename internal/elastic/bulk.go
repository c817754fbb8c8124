package elastic

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync/atomic"

	"xcapa/internal/codec"
	"xcapa/internal/message"
)

// maxIDLen is Elasticsearch's limit for an _id, in bytes. A longer one would
// cost the whole request.
const maxIDLen = 512

// bulk is one request being filled or sent. The actions stand in data one
// behind the other; a run of items is a run of bytes, so a part of a bulk is
// sent without a copy.
type bulk struct {
	data    []byte
	items   []item
	refused []refusal // rows that must not be sent
	zip     bytes.Buffer
	reply   reply
	read    bytes.Buffer
}

// item is one create action: data[start:doc] is its action line, data[doc:end]
// the document, both with their newline.
type item struct {
	group           *group
	start, doc, end int
	row             int
}

// refusal is a row that goes to the errors topic without having been sent.
type refusal struct {
	group   *group
	failure codec.Failure
}

// group is one message: it is settled when all of its rows are.
type group struct {
	topic     string
	partition int32
	offset    int64
	left      atomic.Int64
	settled   func()
}

func newGroup(m *message.Message, rows int, settled func()) *group {
	g := &group{topic: m.Topic, partition: m.Partition, offset: m.Offset, settled: settled}
	g.left.Store(int64(rows))
	return g
}

// done settles n rows.
func (g *group) done(n int) {
	if n > 0 && g.left.Add(-int64(n)) == 0 {
		g.settled()
	}
}

func (b *bulk) len() int { return len(b.items) + len(b.refused) }

// reset empties b for its next use and lets go of the messages.
func (b *bulk) reset() {
	clear(b.items)
	clear(b.refused)
	b.data, b.items, b.refused = b.data[:0], b.items[:0], b.refused[:0]
}

// The action line is fixed but for the index and the id.
const (
	actionHead = `{"create":{"_index":"`
	actionID   = `","_id":"`
	actionTail = "\"}}\n"
)

// appendAction appends the action line of a row. index needs no escaping (its
// prefix was checked), an id of our own neither; anything else is escaped.
func appendAction(dst []byte, index string, id []byte) []byte {
	dst = append(dst, actionHead...)
	dst = append(dst, index...)
	dst = append(dst, actionID...)
	if plainID(id) {
		dst = append(dst, id...)
	} else {
		quoted, _ := json.Marshal(string(id)) // a string cannot fail
		dst = append(dst, quoted[1:len(quoted)-1]...)
	}
	return append(dst, actionTail...)
}

// plainID reports whether an id stands in JSON as it is.
func plainID(id []byte) bool {
	for _, c := range id {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// index is the index an item goes to, read back from its action line.
func (b *bulk) index(it item) string {
	line := b.data[it.start+len(actionHead) : it.doc]
	return string(line[:bytes.IndexByte(line, '"')])
}

// document is the document of an item, without the newline.
func (b *bulk) document(it item) []byte { return b.data[it.doc : it.end-1] }

// appendRow appends one row to b. The document must be one line: a newline in
// JSON that came as it is would cost the whole request.
func (b *bulk) appendRow(g *group, n int, row *codec.Row, index string, opt *codec.JSONOptions) {
	it := item{group: g, row: n, start: len(b.data)}
	if len(row.ID) > 0 {
		b.data = appendAction(b.data, index, row.ID)
	} else {
		b.data = appendAction(b.data, index, appendPosition(nil, g, n))
	}
	it.doc = len(b.data)
	if row.JSON == nil {
		b.data = codec.AppendJSON(b.data, &row.Record, row.Origin, opt)
	} else {
		b.data = appendLine(b.data, row.JSON)
	}
	b.data = append(b.data, '\n')
	it.end = len(b.data)
	b.items = append(b.items, it)
}

// appendLine appends a JSON document, its line ends (legal only between tokens)
// as blanks.
func appendLine(dst, doc []byte) []byte {
	start := len(dst)
	dst = append(dst, doc...)
	if bytes.IndexByte(doc, '\n') >= 0 || bytes.IndexByte(doc, '\r') >= 0 {
		for i, c := range dst[start:] {
			if c == '\n' || c == '\r' {
				dst[start+i] = ' '
			}
		}
	}
	return dst
}

// appendPosition is the id of a row without one: topic-partition-offset-row.
func appendPosition(dst []byte, g *group, row int) []byte {
	dst = append(append(dst, g.topic...), '-')
	dst = append(strconv.AppendInt(dst, int64(g.partition), 10), '-')
	dst = append(strconv.AppendInt(dst, g.offset, 10), '-')
	return strconv.AppendInt(dst, int64(row), 10)
}

// keep moves the items for which again is true to the front of their run of
// bytes and returns them. Bytes before and behind the run stay.
func (b *bulk) keep(items []item, keep []bool) []item {
	out, pos := items[:0], items[0].start
	for i, it := range items {
		if !keep[i] {
			continue
		}
		n := copy(b.data[pos:], b.data[it.start:it.end])
		it.start, it.doc, it.end = pos, pos+it.doc-it.start, pos+n
		pos += n
		out = append(out, it)
	}
	clear(items[len(out):])
	return out
}
