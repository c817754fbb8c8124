package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// From says where a Reader starts, in every partition alike. The zero value is
// the end: what comes from now on.
type From struct {
	kind   fromKind
	offset int64
	time   time.Time
}

type fromKind uint8

const (
	fromEnd fromKind = iota
	fromBegin
	fromStored
	fromOffset // below 0: that many before the end
	fromTime
)

// FromHelp is what ParseFrom takes, for help texts and errors.
const FromHelp = "begin, end, stored, an offset (-10: ten before the end), or a time: 2026-11-23T05:38:00Z, @1795412282 or 10m (ago)"

// FromStored is where the group has committed.
var FromStored = From{kind: fromStored}

// ParseFrom reads the words of --start. Times are those of the messages, to the
// millisecond; one without a zone is local.
func ParseFrom(s string) (From, error) {
	switch s {
	case "begin", "beginning", "earliest":
		return From{kind: fromBegin}, nil
	case "end", "latest":
		return From{kind: fromEnd}, nil
	case "stored":
		return FromStored, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return From{kind: fromOffset, offset: n}, nil
	}
	if t, ok := parseFromTime(s, time.Now()); ok {
		return From{kind: fromTime, time: t}, nil
	}
	return From{}, fmt.Errorf("%q: want %s", s, FromHelp)
}

func parseFromTime(s string, now time.Time) (time.Time, bool) {
	if seconds, ok := strings.CutPrefix(s, "@"); ok {
		f, err := strconv.ParseFloat(seconds, 64)
		if err != nil || !(f >= 0 && f < 1<<33) {
			return time.Time{}, false
		}
		return time.UnixMilli(int64(f*1000 + 0.5)), true
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), true
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// span is the part of a partition that is there at one instant, and where in it
// reading starts.
type span struct{ start, end int64 }

// locate finds where f is in every partition of topics, and their ends.
func (f From) locate(ctx context.Context, admin *kadm.Client, topics []string, ends kadm.ListedOffsets) (map[kgoPartition]span, error) {
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, err
	}
	var after kadm.ListedOffsets
	if f.kind == fromTime {
		if after, err = admin.ListOffsetsAfterMilli(ctx, f.time.UnixMilli(), topics...); err == nil {
			err = after.Error()
		}
		if err != nil {
			return nil, err
		}
	}
	spans := map[kgoPartition]span{}
	ends.Each(func(end kadm.ListedOffset) {
		low, _ := starts.Lookup(end.Topic, end.Partition)
		s := span{start: end.Offset, end: end.Offset}
		switch f.kind {
		case fromBegin:
			s.start = low.Offset
		case fromOffset:
			if s.start = f.offset; f.offset < 0 {
				s.start = end.Offset + f.offset
			}
		case fromTime:
			if l, ok := after.Lookup(end.Topic, end.Partition); ok {
				s.start = l.Offset
			}
		}
		s.start = min(max(s.start, low.Offset), max(end.Offset, low.Offset))
		spans[kgoPartition{end.Topic, end.Partition}] = s
	})
	return spans, nil
}
