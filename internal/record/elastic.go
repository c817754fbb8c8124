package record

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Schema chooses the names and values of a JSON document.
type Schema uint8

const (
	SchemaLogisland Schema = iota // the seed's names with right values
	SchemaSeed                    // the seed's exact values, wrong ones included
)

var schemaNames = [...]string{"logisland", "seed"}

// String is the name used on the command line.
func (s Schema) String() string {
	if int(s) < len(schemaNames) {
		return schemaNames[s]
	}
	return "unknown"
}

// ParseSchema is the inverse of String.
func ParseSchema(name string) (Schema, error) {
	for i, n := range schemaNames {
		if n == name {
			return Schema(i), nil
		}
	}
	return 0, fmt.Errorf("read schema %q: use logisland or seed", name)
}

// Has reports whether documents of the schema can hold the field.
func (s Schema) Has(in *Info) bool {
	switch {
	case in.Elastic == "":
		return false
	case s == SchemaSeed:
		return in.Seed != SeedAbsent && in.Seed != SeedNever && in.Name != NameTimestamp
	}
	return in.Kind != SeedOnly
}

// elasticMappings are the mapping parameters behind Info.Elastic.
var elasticMappings = map[string]string{
	"date_nanos":           `{"type":"date_nanos"}`,
	"date":                 `{"type":"date","format":"epoch_millis"}`,
	"long":                 `{"type":"long"}`,
	"integer":              `{"type":"integer"}`,
	"short":                `{"type":"short"}`,
	"keyword":              `{"type":"keyword"}`,
	"keyword, not indexed": `{"type":"keyword","index":false}`,
	"text, not indexed":    `{"type":"text","index":false}`,
	"ip":                   `{"type":"ip"}`,
	"binary":               `{"type":"binary"}`,
}

// ElasticProperties returns the "properties" object of the index template for
// documents of the schema: one JSON object, fields in document order.
func ElasticProperties(s Schema) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range table {
		in := &table[i]
		if !s.Has(in) {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(in.Name)
		b.Write(name)
		b.WriteByte(':')
		b.WriteString(elasticMappings[in.Elastic])
	}
	b.WriteByte('}')
	return b.Bytes()
}
