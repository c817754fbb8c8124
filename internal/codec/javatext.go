package codec

import (
	"strconv"
	"time"

	"xcapa/internal/record"
)

// javaDate is how java.util.Date prints itself.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

// appendText appends what Logisland's StringSerializer writes, the record's
// toString: for people and for searching. Byte strings are base64, where Java
// prints an address.
func (d *Documents) appendText(dst []byte) []byte {
	dst = append(dst, "Record{fields={"...)
	first := true
	for _, i := range byName {
		value, in := d.values[i], &record.Fields()[i]
		if value == nil {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(dst, in.Name...)
		dst = append(dst, "=Field{name='"...)
		dst = append(dst, in.Name...)
		dst = append(dst, "', type="...)
		dst = append(dst, javaType(in, value)...)
		dst = append(dst, ", rawValue="...)
		dst = appendJavaValue(dst, value)
		dst = append(dst, '}')
	}
	dst = append(dst, "}, time="...)
	if ms, err := strconv.ParseInt(string(d.values[lineTime]), 10, 64); err == nil {
		dst = time.UnixMilli(ms).UTC().AppendFormat(dst, javaDate)
	}
	dst = append(dst, ", type='"...)
	dst = appendJavaValue(dst, d.values[lineType])
	dst = append(dst, "', id='"...)
	dst = appendJavaValue(dst, d.values[lineID])
	return append(dst, "'}"...)
}

// javaType is Logisland's name of a field's type. Its packet fields are int
// where the value fits, its times are long.
func javaType(in *record.Info, value []byte) string {
	switch value[0] {
	case '[':
		return "array"
	case '"':
		if in.Arrow == record.ArrowBinary {
			return "bytes"
		}
		return "string"
	}
	if in.Name == record.NameTime || in.Name == record.NameNanos {
		return "long"
	}
	if _, err := strconv.ParseInt(string(value), 10, 32); err != nil {
		return "long"
	}
	return "int"
}

// appendJavaValue appends a JSON value without its quotes and escapes; an array
// as Java prints a list.
func appendJavaValue(dst, value []byte) []byte {
	switch {
	case len(value) > 1 && value[0] == '[':
		dst = append(dst, '[')
		dst = appendJavaValue(dst, value[1:len(value)-1])
		return append(dst, ']')
	case len(value) > 1 && value[0] == '"':
		if s, ok := jsonString(value); ok {
			return append(dst, s...)
		}
	}
	return append(dst, value...)
}
