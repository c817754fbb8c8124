package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// bulkFilter keeps the reply to what is read of it: 28 bytes for a stored item.
var bulkFilter = []string{"errors", "items.*.status", "items.*.error.type", "items.*.error.reason"}

// Bounds of a bulk reply: a stored item is 28 bytes, a refused one carries a
// reason with a preview of the value.
const (
	replyBase    = 64 << 10
	replyPerItem = 4 << 10
	replyMax     = 32 << 20
)

func replyLimit(items int) int64 { return int64(min(replyBase+items*replyPerItem, replyMax)) }

// itemError is why an item was not stored.
type itemError struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// reply is what a bulk reply says of its items, by position. Reused.
type reply struct {
	status []int
	errors map[int]itemError
}

// parse reads the reply to a bulk of n items. A reply that does not answer
// exactly n items answers none of them: it is an error.
func (r *reply) parse(b []byte, n int) error {
	r.status = r.status[:0]
	clear(r.errors)
	if !r.parsePlain(b) {
		if err := r.parseAny(b); err != nil {
			return err
		}
	}
	if len(r.status) != n {
		return fmt.Errorf("read the bulk reply: it answers %d of %d items", len(r.status), n)
	}
	return nil
}

// The reply when everything was stored, byte for byte; some 60 times as fast to
// read this way.
var (
	plainHead = []byte(`{"errors":false,"items":[`)
	plainItem = []byte(`{"create":{"status":`)
	plainTail = []byte(`]}`)
)

// parsePlain reads a reply in which no item has an error; false: it is not of
// that form (parseAny decides what it is).
func (r *reply) parsePlain(b []byte) bool {
	b, ok := bytes.CutPrefix(b, plainHead)
	for ok && !bytes.Equal(b, plainTail) {
		if len(r.status) > 0 {
			if b, ok = bytes.CutPrefix(b, []byte(",")); !ok {
				break
			}
		}
		if b, ok = bytes.CutPrefix(b, plainItem); !ok || len(b) < 5 || b[3] != '}' || b[4] != '}' {
			ok = false
			break
		}
		status := int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0')
		if status < 200 || status > 299 {
			ok = false
			break
		}
		r.status = append(r.status, status)
		b = b[5:]
	}
	if !ok {
		r.status = r.status[:0]
	}
	return ok
}

// parseAny reads any bulk reply.
func (r *reply) parseAny(b []byte) error {
	var doc struct {
		Items []map[string]struct {
			Status int        `json:"status"`
			Error  *itemError `json:"error"`
		} `json:"items"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("read the bulk reply: %w", err)
	}
	for i, item := range doc.Items {
		if len(item) != 1 {
			return fmt.Errorf("read the bulk reply: item %d has %d actions, want 1", i, len(item))
		}
		for _, a := range item {
			if a.Status <= 0 || a.Status > math.MaxUint16 {
				return fmt.Errorf("read the bulk reply: item %d has the status %d", i, a.Status)
			}
			r.status = append(r.status, a.Status)
			if a.Error != nil {
				if r.errors == nil {
					r.errors = map[int]itemError{}
				}
				r.errors[i] = *a.Error
			}
		}
	}
	return nil
}
