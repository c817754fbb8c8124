package store

import (
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFileNames(t *testing.T) {
	for _, c := range []struct {
		base string
		want fileName
		ok   bool
	}{
		{"xcapa.packets-3-00000000000000000120-00000000000000000183.parquet", fileName{"xcapa.packets", 3, 120, 183, ""}, true},
		{"a-b-0-00000000000000000000-09223372036854775807.parquet", fileName{"a-b", 0, 0, 1<<63 - 1, ""}, true},
		{"t-0-00000000000000000001-00000000000000000002.0123abcd.parquet", fileName{"t", 0, 1, 2, "0123abcd"}, true},
		{"t-0-1-2.parquet", fileName{}, false},
		{"t-0-00000000000000000001-00000000000000000002.0123ABCD.parquet", fileName{}, false},
		{"t-0-00000000000000000001-09223372036854775808.parquet", fileName{}, false},
		{"t-0-00000000000000000001.parquet", fileName{}, false},
		{"t-99999999999-00000000000000000001-00000000000000000002.parquet", fileName{}, false},
		{"part-0.parquet", fileName{}, false},
		{"t-0-00000000000000000001-00000000000000000002.parquet.tmp", fileName{}, false},
		{"", fileName{}, false},
	} {
		got, ok := parseFileName(c.base)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("parseFileName(%q) = %+v, %v; want %+v, %v", c.base, got, ok, c.want, c.ok)
		}
	}
}

func TestFileNamesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := fileName{
			Topic:     rapid.StringMatching(`[a-zA-Z0-9._-]{1,60}`).Draw(t, "topic"),
			Partition: rapid.Int32Min(0).Draw(t, "partition"),
			First:     rapid.Int64Min(0).Draw(t, "first"),
			Last:      rapid.Int64Min(0).Draw(t, "last"),
			TopicID:   rapid.StringMatching(`([0-9a-f]{8})?`).Draw(t, "id"),
		}
		if got, ok := parseFileName(n.String()); !ok || got != n {
			t.Fatalf("%q reads back as %+v, %v; want %+v", n, got, ok, n)
		}
		h := hour(rapid.Int64Range(-1<<21, 1<<21).Draw(t, "hour"))
		if got, ok := parseTempName(tempName(n, h)); !ok || got != n {
			t.Fatalf("%q reads back as %+v, %v; want %+v", tempName(n, h), got, ok, n)
		}
	})
}

func TestFolderIsThePacketsHour(t *testing.T) {
	for _, c := range []struct {
		at   string
		want string
	}{
		{"2026-11-23T05:59:59.999999999Z", "topic=t/date=2026-11-23/hour=05"},
		{"2026-11-23T06:00:00Z", "topic=t/date=2026-11-23/hour=06"},
		{"1970-01-01T00:00:00Z", "topic=t/date=1970-01-01/hour=00"},
		{"1969-12-31T23:59:59.999999999Z", "topic=t/date=1969-12-31/hour=23"},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := hourOf(at.UnixNano()).folder("t"); got != filepath.FromSlash(c.want) {
			t.Errorf("folder of %s = %s, want %s", c.at, got, c.want)
		}
	}
}

func TestTopicsThatAreNoPath(t *testing.T) {
	for _, topic := range []string{"", ".", "..", "../x", "a/b", "a b", "a\x00", string(make([]byte, 300))} {
		if checkTopic(topic) == nil {
			t.Errorf("checkTopic(%q) = nil, want an error", topic)
		}
	}
	if err := checkTopic("xcapa.packets_1-a"); err != nil {
		t.Error(err)
	}
}
