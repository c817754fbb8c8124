package codec

import (
	"strconv"

	"xcapa/internal/record"
)

// keyCreationDate is a key of the documents of both JSON serializers of
// Logisland's, and of no document of ours.
const keyCreationDate = "creationDate"

// flatten turns a document of Logisland's JsonSerializer or
// ExtendedJsonSerializer into the flat one: its fields, and @timestamp made of
// the packet's time, else of the record's. nil: no such document.
func flatten(doc []byte) []byte {
	var fields, created, nanos []byte
	member := func(key, value []byte) error {
		switch string(key) {
		case keyCreationDate:
			created = value
		case "fields":
			fields = value
		case record.NameNanos:
			nanos = value
		}
		return nil
	}
	if scanObject(doc, member) != nil || created == nil {
		return nil
	}
	own := []string{"id", "type", keyCreationDate}
	if fields != nil {
		doc, own = fields, nil
		if scanObject(fields, member) != nil {
			return nil
		}
	}
	out := append(make([]byte, 0, len(doc)+64), jsonTimestamp...)
	if n, err := strconv.ParseInt(string(nanos), 10, 64); err == nil {
		out = appendTimestamp(out, n)
	} else if ms, err := strconv.ParseInt(string(created), 10, 64); err == nil {
		out = appendTimestamp(out, ms*1e6)
	} else {
		return nil
	}
	out = append(out, '"')
	_ = scanObject(doc, func(key, value []byte) error {
		for _, k := range own {
			if string(key) == k {
				return nil
			}
		}
		if string(key) == record.NameTimestamp {
			return nil
		}
		out = append(out, ',')
		out = appendString(out, string(key))
		out = append(out, ':')
		out = append(out, value...)
		return nil
	})
	return append(out, '}')
}
