package codec

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"xcapa/internal/record"
)

// AppendFailure appends f as the JSON of the errors topic: one object without a
// newline. What f does not have is absent.
//
//	{"@timestamp":"…","stage":"parse","code":"truncated","layer":"tcp","offset":34,
//	 "message":"…","frame":"base64","source":{"topic":"…","partition":0,"offset":7},
//	 "record":{…}}
func AppendFailure(dst []byte, f *Failure) []byte {
	dst = append(dst, jsonTimestamp...)
	dst = appendTimestamp(dst, f.TimestampNanos)
	dst = append(dst, `","stage":`...)
	dst = appendString(dst, f.Stage)
	dst = append(dst, `,"code":`...)
	dst = appendString(dst, f.Code)
	if f.Layer != "" {
		dst = append(dst, `,"layer":`...)
		dst = appendString(dst, f.Layer)
	}
	if f.Offset >= 0 {
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendInt(dst, int64(f.Offset), 10)
	}
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, f.Message)
	if f.Frame != nil {
		dst = append(dst, `,"frame":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, f.Frame)
		dst = append(dst, '"')
	}
	dst = appendSource(dst, f)
	if f.Record != nil {
		o := f.Origin
		if o == nil {
			o = &record.Origin{}
		}
		dst = append(dst, `,"record":`...)
		dst = AppendJSON(dst, f.Record, o, nil)
	}
	if f.Document != nil {
		dst = append(dst, `,"document":`...)
		dst = appendDocument(dst, f.Document)
	}
	if f.Index != "" {
		dst = append(dst, `,"index":`...)
		dst = appendString(dst, f.Index)
	}
	return append(dst, '}')
}

func appendTimestamp(dst []byte, nanos int64) []byte {
	n := len(dst)
	dst = slices.Grow(dst, 30)
	return dst[:putTimestamp(dst[:cap(dst)], n, nanos)]
}

func appendSource(dst []byte, f *Failure) []byte {
	switch {
	case f.Topic != "":
		dst = append(dst, `,"source":{"topic":`...)
		dst = appendString(dst, f.Topic)
		dst = append(dst, `,"partition":`...)
		dst = strconv.AppendInt(dst, int64(f.Partition), 10)
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendInt(dst, f.Position, 10)
		if f.Row >= 0 {
			dst = append(dst, `,"row":`...)
			dst = strconv.AppendInt(dst, int64(f.Row), 10)
		}
	case f.File != "":
		dst = append(dst, `,"source":{"file":`...)
		dst = appendString(dst, f.File)
		dst = append(dst, `,"byte":`...)
		dst = strconv.AppendInt(dst, f.Byte, 10)
	default:
		return dst
	}
	return append(dst, '}')
}

// appendDocument appends a refused document as it is if it is JSON on one line,
// else as a string.
func appendDocument(dst, doc []byte) []byte {
	if scanObject(doc, func(_, _ []byte) error { return nil }) == nil && !slices.Contains(doc, '\n') {
		return append(dst, doc...)
	}
	return appendString(dst, string(doc))
}

// failureJSON is the errors topic's shape for reading, which nobody does often.
type failureJSON struct {
	Timestamp json.RawMessage `json:"@timestamp"`
	Stage     string          `json:"stage"`
	Code      string          `json:"code"`
	Layer     string          `json:"layer"`
	Offset    *int            `json:"offset"`
	Message   string          `json:"message"`
	Frame     []byte          `json:"frame"`
	Source    struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    int64  `json:"offset"`
		Row       *int   `json:"row"`
		File      string `json:"file"`
		Byte      int64  `json:"byte"`
	} `json:"source"`
	Record   json.RawMessage `json:"record"`
	Document json.RawMessage `json:"document"`
	Index    string          `json:"index"`
}

// ParseFailure is the inverse of AppendFailure.
func ParseFailure(doc []byte, f *Failure) error {
	var j failureJSON
	if err := json.Unmarshal(doc, &j); err != nil {
		return fmt.Errorf("read an entry of the errors topic: %w", err)
	}
	*f = Failure{
		Stage: j.Stage, Code: j.Code, Layer: j.Layer, Offset: -1, Message: j.Message, Frame: j.Frame,
		Topic: j.Source.Topic, Partition: j.Source.Partition, Position: j.Source.Offset, Row: -1,
		File: j.Source.File, Byte: j.Source.Byte, Index: j.Index,
	}
	if j.Offset != nil {
		f.Offset = *j.Offset
	}
	if j.Source.Row != nil {
		f.Row = *j.Source.Row
	}
	if j.Timestamp != nil {
		nanos, err := parseTime(j.Timestamp)
		if err != nil {
			return fmt.Errorf("read an entry of the errors topic: field @timestamp: %w", err)
		}
		f.TimestampNanos = nanos
	}
	if j.Record != nil {
		f.Record, f.Origin = &record.Record{}, &record.Origin{}
		if err := ParseJSON(j.Record, f.Record, f.Origin); err != nil {
			return fmt.Errorf("read an entry of the errors topic: field record: %w", err)
		}
	}
	if f.Document = j.Document; len(j.Document) > 0 && j.Document[0] == '"' {
		f.Document, _ = jsonString(j.Document)
	}
	return nil
}

// IsFailure reports whether a JSON document is an entry of the errors topic and
// not a record: it names a stage and a code.
func IsFailure(doc []byte) bool {
	found := 0
	err := scanObject(doc, func(key, _ []byte) error {
		if k := string(key); k == "stage" || k == "code" {
			found++
		}
		return nil
	})
	return err == nil && found == 2
}
