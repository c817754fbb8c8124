package codec

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"xcapa/internal/record"
)

type avroKind uint8

const (
	avroInt avroKind = iota
	avroLong
	avroString
	avroBytes
	avroStrings
)

var avroTypes = [...]any{"int", "long", "string", "bytes", map[string]string{"type": "array", "items": "string"}}

// avroRequired are the fields every record has: the others may be absent, a
// union of null and the type.
func avroRequired(line int) bool { return line == lineID || line == lineType || line == lineTime }

// avroKinds are the types of the table's lines.
var avroKinds = func() (kinds []avroKind) {
	for _, in := range record.Fields() {
		kinds = append(kinds, avroKindOf(&in))
	}
	return kinds
}()

func avroKindOf(in *record.Info) avroKind {
	switch {
	case in.Name == record.NameErrors:
		return avroStrings
	case in.Arrow == record.ArrowBinary:
		return avroBytes
	case in.Elastic == "long", in.Name == record.NameTime:
		return avroLong
	case in.Elastic == "integer", in.Elastic == "short":
		return avroInt
	}
	return avroString
}

// AvroSchema is the schema, as JSON, of what EncodingAvro writes: Avro binary
// without a container, as Logisland's AvroSerializer has it.
func AvroSchema(s record.Schema) []byte {
	schema := struct {
		Type   string           `json:"type"`
		Name   string           `json:"name"`
		Doc    string           `json:"doc"`
		Fields []map[string]any `json:"fields"`
	}{Type: "record", Name: record.TypePacket, Doc: "one packet, schema " + s.String()}
	for _, i := range byName {
		in := &record.Fields()[i]
		if !s.Has(in) {
			continue
		}
		m := map[string]any{"name": in.Name, "type": avroTypes[avroKinds[i]]}
		if !avroRequired(i) {
			m["type"], m["default"] = []any{"null", avroTypes[avroKinds[i]]}, nil
		}
		schema.Fields = append(schema.Fields, m)
	}
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // of constants
	}
	return append(out, '\n')
}

// appendAvro appends the Avro binary of the document.
//
// Avro 1.11 "Binary encoding": numbers are zigzag varints, strings and bytes
// have their length in front, a union the index of its branch.
func (d *Documents) appendAvro(dst []byte) []byte {
	for _, i := range byName {
		value := d.values[i]
		switch {
		case !d.options.Schema.Has(&record.Fields()[i]):
			continue
		case avroRequired(i):
		case value == nil:
			dst = append(dst, 0)
			continue
		default:
			dst = append(dst, 2)
		}
		dst = appendAvroValue(dst, avroKinds[i], value)
	}
	return dst
}

func appendAvroValue(dst []byte, kind avroKind, value []byte) []byte {
	switch kind {
	case avroInt, avroLong:
		n, _ := strconv.ParseInt(string(value), 10, 64)
		return binary.AppendVarint(dst, n)
	case avroBytes:
		text, _ := jsonString(value)
		dst = binary.AppendVarint(dst, int64(base64.StdEncoding.DecodedLen(len(text))-padding(text)))
		dst, _ = base64.StdEncoding.AppendDecode(dst, text)
		return dst
	case avroStrings: // one element
		dst = binary.AppendVarint(dst, 1)
		dst = appendAvroText(dst, value[1:len(value)-1])
		return append(dst, 0)
	}
	return appendAvroText(dst, value)
}

func appendAvroText(dst, value []byte) []byte {
	text, _ := jsonString(value)
	dst = binary.AppendVarint(dst, int64(len(text)))
	return append(dst, text...)
}

// padding is how many = end a base64 text.
func padding(text []byte) int {
	n := 0
	for n < len(text) && text[len(text)-1-n] == '=' {
		n++
	}
	return n
}
