package elastic

import (
	"fmt"
	"slices"
	"time"

	"xcapa/internal/codec"
)

// named is the index that a document names itself, in Config.IndexField: the
// whole name, without a date. "": it names none that may be used. There are at
// most as many of them as there may be old indices.
func (n *namer) named(value string) string {
	if value == "" || checkIndexPrefix(value) != nil || !n.open(value) {
		return ""
	}
	return value
}

// index is the index of a row; w.mu is held.
func (w *Writer) index(row *codec.Row, seen time.Time) string {
	if field := w.config.IndexField; field != "" {
		if name := w.names.named(w.text(row, field)); name != "" {
			return name
		}
	}
	before := w.names.overflow
	name := w.names.name(row.TimestampNanos, seen)
	w.outside.Add(w.names.overflow - before)
	return name
}

// text is the value of a field of a row's document, "" if it has none.
func (w *Writer) text(row *codec.Row, field string) string {
	doc := row.JSON
	if doc == nil {
		w.scratch = codec.AppendJSON(w.scratch[:0], &row.Record, row.Origin, &w.config.JSON)
		doc = w.scratch
	}
	return codec.FieldText(doc, field)
}

// typed is row with its type: Elasticsearch has none since version 8, so it is a
// field of the document, and one that lacks it gets DefaultType.
func (w *Writer) typed(row *codec.Row) *codec.Row {
	if w.config.DefaultType == "" || row.JSON == nil || codec.FieldText(row.JSON, w.config.TypeField) != "" {
		return row // a row of ours has its type
	}
	with := *row
	with.JSON = codec.WithField(row.JSON, w.config.TypeField, w.config.DefaultType)
	return &with
}

// The back-off policies under Logisland's names.
const (
	NoBackoff          = "noBackoff"
	ConstantBackoff    = "constantBackoff"
	ExponentialBackoff = "exponentialBackoff"
	DefaultBackoff     = "defaultExponentialBackoff"
)

// leastBackoff is the wait of NoBackoff: a server that is away must not be
// asked a thousand times a second.
const leastBackoff = 20 * time.Millisecond

// SetBackoff sets the waits between tries by the name of a policy; delay is the
// constant one, or the first. How often is not limited: a document is tried until
// it is answered for.
func (c *Config) SetBackoff(policy string, delay time.Duration) error {
	if delay <= 0 && slices.Contains([]string{ConstantBackoff, ExponentialBackoff}, policy) {
		return fmt.Errorf("throttling delay %v: use a time above 0, as in 500ms", delay)
	}
	switch policy {
	case NoBackoff:
		c.BackoffInit, c.BackoffMax = leastBackoff, leastBackoff
	case ConstantBackoff:
		c.BackoffInit, c.BackoffMax = delay, delay
	case ExponentialBackoff:
		c.BackoffInit, c.BackoffMax = delay, max(delay, DefaultBackoffMax)
	case DefaultBackoff, "":
		c.BackoffInit, c.BackoffMax = DefaultBackoffInit, DefaultBackoffMax
	default:
		return fmt.Errorf("back-off policy %q: use %s, %s, %s or %s", policy, DefaultBackoff, ExponentialBackoff, ConstantBackoff, NoBackoff)
	}
	return nil
}
