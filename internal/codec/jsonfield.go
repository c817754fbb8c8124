package codec

import "bytes"

// FieldText is the value of a document's field as text: a string without its
// quotes, a number as it stands; "" if there is none, or null.
func FieldText(doc []byte, name string) (text string) {
	_ = scanObject(doc, func(key, value []byte) error {
		if string(key) != name || string(value) == "null" {
			return nil
		}
		if s, ok := jsonString(value); ok {
			value = s
		}
		text = string(value)
		return nil
	})
	return text
}

// WithField returns doc, a JSON object, with one more field, a string, at its
// end.
func WithField(doc []byte, name, value string) []byte {
	end := bytes.LastIndexByte(doc, '}')
	if end < 0 {
		return doc
	}
	out := append(make([]byte, 0, len(doc)+len(name)+len(value)+8), doc[:end]...)
	if trimmed := bytes.TrimRight(out, " \t\r\n"); len(trimmed) > 0 && trimmed[len(trimmed)-1] != '{' {
		out = append(out, ',')
	}
	out = appendString(out, name)
	out = append(out, ':')
	out = appendString(out, value)
	return append(out, doc[end:]...)
}
