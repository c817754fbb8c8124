package elastic

import (
	"fmt"
	"strings"
	"time"
)

// TimeBased says which index a packet goes to, by its own time in UTC.
type TimeBased string

// The ways to name an index.
const (
	Never     TimeBased = "no"        // PREFIX
	Today     TimeBased = "today"     // PREFIX.yyyy.MM.dd, the packet's day
	Yesterday TimeBased = "yesterday" // PREFIX.yyyy.MM.dd, the day before
	Monthly   TimeBased = "monthly"   // PREFIX.yyyy.MM
)

// ParseTimeBased reads no, none, today, yesterday or monthly.
func ParseTimeBased(name string) (TimeBased, error) {
	switch t := TimeBased(strings.ToLower(name)); t {
	case Never, Today, Yesterday, Monthly:
		return t, nil
	case "none":
		return Never, nil
	}
	return "", fmt.Errorf("read time-based index %q: use no, today, yesterday or monthly", name)
}

// The window of packet times, around the time of the Kafka message they came
// in, whose index is always made.
const (
	maxAhead  = 24 * time.Hour     // later than this is not believed
	maxBehind = 2 * 24 * time.Hour // earlier than this is old, and old indices are counted
)

// outsideName is the last part of the index that takes what the guard refuses.
const outsideName = "outside"

// namer gives each packet the name of its index. A timestamp can be chosen by
// whoever sends the packet file or message, so it cannot be let make an index
// for each of the 100,000 days there are:
//
//   - within two days before and one day after its Kafka message: its own index;
//   - later: PREFIX.outside;
//   - older: its own index for the first MaxOldIndices of them in the life of
//     this process, then PREFIX.outside.
//
// All but the last depend only on the message, so that a second delivery finds
// the first one's index and is answered 409.
type namer struct {
	prefix string
	kind   TimeBased
	limit  int

	old      map[string]bool
	overflow uint64 // packets sent to PREFIX.outside

	lastDay  int64 // days since 1970 of the last packet
	lastSeen int64 // days since 1970 of the last message
	last     string
}

func newNamer(prefix string, kind TimeBased, limit int) *namer {
	return &namer{prefix: prefix, kind: kind, limit: limit, old: map[string]bool{}, lastDay: -1}
}

const nanosPerDay = int64(24 * time.Hour)

// name is the index for a packet of time nanos (not negative) that came in a
// message of time seen. Successive packets of one day cost two divisions.
func (n *namer) name(nanos int64, seen time.Time) string {
	if n.kind == Never {
		return n.prefix
	}
	now := seen.UnixNano()
	if nanos > now+int64(maxAhead) {
		n.overflow++
		return n.prefix + "." + outsideName
	}
	day := nanos / nanosPerDay
	if day == n.lastDay && now/nanosPerDay == n.lastSeen {
		return n.last
	}
	name := n.format(nanos)
	if nanos < now-int64(maxBehind) && !n.open(name) {
		n.overflow++
		return n.prefix + "." + outsideName
	}
	n.lastDay, n.lastSeen, n.last = day, now/nanosPerDay, name
	return name
}

// open reports whether an old index may be used, and remembers it.
func (n *namer) open(name string) bool {
	if n.old[name] {
		return true
	}
	if len(n.old) >= n.limit {
		return false
	}
	n.old[name] = true
	return true
}

func (n *namer) format(nanos int64) string {
	t := time.Unix(0, nanos).UTC()
	switch n.kind {
	case Yesterday:
		return n.prefix + t.AddDate(0, 0, -1).Format(".2006.01.02")
	case Monthly:
		return n.prefix + t.Format(".2006.01")
	}
	return n.prefix + t.Format(".2006.01.02")
}

// checkIndexPrefix refuses what Elasticsearch refuses as an index name, before
// a suffix of at most 11 bytes.
func checkIndexPrefix(prefix string) error {
	switch {
	case prefix == "" || len(prefix) > 200:
		return fmt.Errorf("index prefix of %d bytes: use 1 to 200", len(prefix))
	case strings.ContainsFunc(prefix, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.+", r))
	}):
		return fmt.Errorf("index prefix %q: use a-z, 0-9, _ - . and + only", prefix)
	case strings.ContainsAny(prefix[:1], "_-+."):
		return fmt.Errorf("index prefix %q: it must start with a letter or digit", prefix)
	case strings.HasSuffix(prefix, "."):
		return fmt.Errorf("index prefix %q: leave the dot at the end out, it is added", prefix)
	}
	return nil
}
