package codec

import (
	"fmt"
	"strconv"

	"xcapa/internal/message"
	"xcapa/internal/record"
)

// schemaVersion is the value of the header that says a value is a block.
const schemaVersion = "1"

// ArrowHeaders builds the headers of a block: what its records share, and the
// first and last of their sequence numbers (offsets, where the origin is a
// source). The headers are new memory: the message owns them until it is done.
func ArrowHeaders(o *record.Origin, first, last uint64) []message.Header {
	h := make([]message.Header, 0, 7)
	add := func(key, value string) {
		h = append(h, message.Header{Key: key, Value: []byte(value)})
	}
	add(message.HeaderSchema, schemaVersion)
	add(message.HeaderHost, o.Host)
	if o.Source != "" {
		add(message.HeaderSource, o.Source)
	} else {
		add(message.HeaderRun, o.Run)
		add(message.HeaderInterface, o.Interface)
		add(message.HeaderQueue, strconv.Itoa(o.Queue))
	}
	add(message.HeaderFirst, strconv.FormatUint(first, 10))
	add(message.HeaderLast, strconv.FormatUint(last, 10))
	return h
}

// ParseHeaders is the inverse of ArrowHeaders. Headers of other names are
// ignored, missing ones leave their value empty or 0; a number that is none, or
// a schema of a later version, is an error.
func ParseHeaders(headers []message.Header, o *record.Origin) (first, last uint64, err error) {
	*o = record.Origin{}
	for _, h := range headers {
		value := string(h.Value)
		switch h.Key {
		case message.HeaderSchema:
			if value != schemaVersion {
				return 0, 0, fmt.Errorf("read block of schema %.20q: this version knows %s; update xcapa", value, schemaVersion)
			}
		case message.HeaderHost:
			o.Host = value
		case message.HeaderRun:
			o.Run = value
		case message.HeaderInterface:
			o.Interface = value
		case message.HeaderSource:
			o.Source = value
		case message.HeaderQueue:
			o.Queue, err = strconv.Atoi(value)
		case message.HeaderFirst:
			first, err = strconv.ParseUint(value, 10, 64)
		case message.HeaderLast:
			last, err = strconv.ParseUint(value, 10, 64)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("read header %s: %w; the message was not written by xcapa", h.Key, err)
		}
	}
	return first, last, nil
}
