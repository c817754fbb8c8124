package store

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	incomingDir = ".incoming" // temporary files; DuckDB and pyarrow pass over names with a dot
	lockName    = ".lock"
	extension   = ".parquet"
	tempSuffix  = ".tmp"
	topicIDLen  = 8  // hex digits of the topic's id that a name holds
	offsetWidth = 20 // digits of an offset in a name, as in Kafka's own log segments

	// hiveNull is Hive's name for "no value" in a partition folder; DuckDB and
	// pyarrow read it as NULL.
	hiveNull = "__HIVE_DEFAULT_PARTITION__"
)

// fileName is what the name of a data file says.
type fileName struct {
	Topic     string
	Partition int32
	First     int64  // offset of the first message
	Last      int64  // offset of the last message, inclusive
	TopicID   string // 8 hex digits, "" if the writer did not know it
}

// String is the name without a folder.
func (n fileName) String() string {
	id := ""
	if n.TopicID != "" {
		id = "." + n.TopicID
	}
	return fmt.Sprintf("%s-%d-%0*d-%0*d%s%s", n.Topic, n.Partition, offsetWidth, n.First, offsetWidth, n.Last, id, extension)
}

// parseFileName is the inverse of String; ok is false for anything else.
func parseFileName(base string) (n fileName, ok bool) {
	s, ok := strings.CutSuffix(base, extension)
	if !ok {
		return n, false
	}
	if i := strings.LastIndexByte(s, '.'); i >= 0 && len(s)-i-1 == topicIDLen && isHex(s[i+1:]) {
		s, n.TopicID = s[:i], s[i+1:]
	}
	var nums [3]int64 // last, first, partition
	for i := range nums {
		cut := strings.LastIndexByte(s, '-')
		if cut < 0 {
			return n, false
		}
		v, err := strconv.ParseUint(s[cut+1:], 10, 63)
		if err != nil {
			return n, false
		}
		nums[i], s = int64(v), s[:cut]
	}
	n.Last, n.First, n.Partition, n.Topic = nums[0], nums[1], int32(nums[2]), s
	// The one spelling: a name that reads the same but is written otherwise
	// (offsets without zeros) is not ours.
	return n, n.String() == base
}

// isHex reports whether s has lower-case hex digits only.
func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// checkTopic refuses a name that Kafka would refuse, so that it can be part of
// a path. Kafka: 1 to 249 of [a-zA-Z0-9._-], neither "." nor "..".
func checkTopic(topic string) error {
	bad := topic == "" || topic == "." || topic == ".." || len(topic) > 249
	for _, c := range []byte(topic) {
		bad = bad || !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-')
	}
	if bad {
		return fmt.Errorf("store topic %q: not a name Kafka allows", topic)
	}
	return nil
}

// topicFolder is the folder of a topic, below the store's.
func topicFolder(topic string) string { return "topic=" + topic }

// hour counts hours since the Unix epoch, rounded down.
type hour int64

const (
	nanosPerHour = int64(time.Hour)
	anyHour      = hour(-1 << 62) // the file of a window that spans too many hours
)

func hourOf(timestampNanos int64) hour {
	h := timestampNanos / nanosPerHour
	if timestampNanos%nanosPerHour < 0 {
		h--
	}
	return hour(h)
}

// folder is where the files of topic and h live, below the store's.
func (h hour) folder(topic string) string {
	if h == anyHour {
		return filepath.Join(topicFolder(topic), "date="+hiveNull, "hour="+hiveNull)
	}
	t := time.Unix(int64(h)*3600, 0).UTC()
	return filepath.Join(topicFolder(topic), "date="+t.Format(time.DateOnly), "hour="+t.Format("15"))
}

// folderTimes is the inverse of folder: the packet times that a file at path
// can hold, ok false where the folder does not say.
func folderTimes(path string) (first, last int64, ok bool) {
	dir := filepath.Dir(path)
	h, isHour := strings.CutPrefix(filepath.Base(dir), "hour=")
	d, isDate := strings.CutPrefix(filepath.Base(filepath.Dir(dir)), "date=")
	if !isHour || !isDate {
		return 0, 0, false
	}
	t, err := time.Parse(time.DateOnly+" 15", d+" "+h)
	if err != nil {
		return 0, 0, false
	}
	first = t.Unix() / 3600 * nanosPerHour
	return first, first + nanosPerHour - 1, true
}

// tempName is the temporary name of a file: one partition has at most one at a
// time for each hour, and cleaning up needs to know the partition only.
func tempName(n fileName, h hour) string {
	return fmt.Sprintf("%s.%d%s", n, int64(h), tempSuffix)
}

// parseTempName returns the file name a temporary file was to get.
func parseTempName(base string) (fileName, bool) {
	s, ok := strings.CutSuffix(base, tempSuffix)
	if !ok {
		return fileName{}, false
	}
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return fileName{}, false
	}
	return parseFileName(s[:i])
}
