package codec

import (
	"slices"
	"strings"

	"xcapa/internal/record"
)

// Documents makes one message value of each record, in one of the encodings
// that have a value for each packet: json, and those of Logisland's serializers.
// One goroutine at a time; nothing is allocated for a packet once its buffers
// have grown.
type Documents struct {
	encoding Encoding
	options  JSONOptions
	flat     []byte   // the document, from which the others are made
	values   [][]byte // of flat, by line of the table of fields; nil: absent
	seed     record.Record
	at       int // line behind the last one found: flat has nearly the table's order
	collect  func(key, value []byte)
}

// NewDocuments makes documents of an encoding; options choose names and values.
func NewDocuments(e Encoding, options JSONOptions) *Documents {
	d := &Documents{encoding: e, options: options, values: make([][]byte, len(record.Fields()))}
	d.collect = func(key, value []byte) {
		table := record.Fields()
		for range table {
			if d.at == len(table) {
				d.at = 0
			}
			i := d.at
			d.at++
			if string(key) == table[i].Name {
				d.values[i] = value
				return
			}
		}
	}
	return d
}

// byName are the lines of the table of fields in the order of their names;
// without @timestamp, which Logisland makes of record_time itself.
var byName = func() []int {
	table := record.Fields()
	var order []int
	for i := range table {
		if table[i].Name != record.NameTimestamp {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(table[a].Name, table[b].Name) })
	return order
}()

// Lines of the table that are asked for one by one.
var lineID, lineType, lineTime = lineOf(record.NameID), lineOf(record.NameType), lineOf(record.NameTime)

func lineOf(name string) int {
	return slices.IndexFunc(record.Fields(), func(in record.Info) bool { return in.Name == name })
}

// HasDocuments reports whether e has one value for each packet that Documents
// can make.
func (e Encoding) HasDocuments() bool { return e == EncodingJSON || e >= EncodingSeedJSON }

// Append appends the value of one record; frame is what it was decoded from, nil
// when nobody has it. The seed's schema needs it to be Logisland's to the byte.
func (d *Documents) Append(dst []byte, r *record.Record, o *record.Origin, frame []byte) []byte {
	if d.options.Schema == record.SchemaSeed && frame != nil {
		if d.seed = *r; DecodeSeed(&d.seed, frame) {
			r = &d.seed
		}
	}
	if d.encoding == EncodingJSON {
		return AppendJSON(dst, r, o, &d.options)
	}
	d.flat, d.at = AppendJSON(d.flat[:0], r, o, &d.options), 0
	clear(d.values)
	skipMembers(d.flat, 1, 1, d.collect)
	switch d.encoding {
	case EncodingSeedJSON:
		return d.appendSeedJSON(dst)
	case EncodingExtendedJSON:
		return d.appendExtendedJSON(dst)
	case EncodingString:
		return d.appendText(dst)
	}
	return d.appendAvro(dst)
}

// appendSeedJSON appends what Logisland's JsonSerializer writes, repaired: its
// layout, the fields sorted by name, byte strings in base64, arrays of strings.
func (d *Documents) appendSeedJSON(dst []byte) []byte {
	dst = append(dst, "{\n  \"id\" : "...)
	dst = append(dst, d.values[lineID]...)
	dst = append(dst, ",\n  \"type\" : "...)
	dst = append(dst, d.values[lineType]...)
	dst = append(dst, ",\n  \"creationDate\" : "...)
	dst = append(dst, d.values[lineTime]...)
	dst = append(dst, ",\n  \"fields\" : {"...)
	first := true
	for _, i := range byName {
		value := d.values[i]
		if value == nil {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, "\n    \""...)
		dst = append(dst, record.Fields()[i].Name...)
		dst = append(dst, "\" : "...)
		if value[0] == '[' { // one element: record_errors
			dst = append(dst, "[ "...)
			dst = append(dst, value[1:len(value)-1]...)
			dst = append(dst, " ]"...)
		} else {
			dst = append(dst, value...)
		}
	}
	return append(dst, "\n  }\n}"...)
}

// appendExtendedJSON appends what Logisland's ExtendedJsonSerializer writes: the
// fields sorted by name, then id, creationDate and type, on one line.
func (d *Documents) appendExtendedJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for _, i := range byName {
		if value := d.values[i]; value != nil {
			dst = append(dst, '"')
			dst = append(dst, record.Fields()[i].Name...)
			dst = append(dst, `":`...)
			dst = append(dst, value...)
			dst = append(dst, ',')
		}
	}
	dst = append(dst, `"id":`...)
	dst = append(dst, d.values[lineID]...)
	dst = append(dst, `,"creationDate":`...)
	dst = append(dst, d.values[lineTime]...)
	dst = append(dst, `,"type":`...)
	dst = append(dst, d.values[lineType]...)
	return append(dst, '}')
}
