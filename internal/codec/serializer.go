package codec

import (
	"fmt"
	"strings"
)

// Serializer is what one of Logisland's serializer classes, named in a job file,
// stands for here.
type Serializer struct {
	Class    string   // without its package, as Logisland spells it
	Encoding Encoding // of what is written and read in its place
	Note     string   // what a person has to know; "": nothing, it is the same
}

const serializerPackage = "com.hurence.logisland.serializer."

var serializers = []Serializer{
	{"BytesArraySerializer", EncodingRaw, ""},
	{"KryoSerializer", EncodingArrow, "Java Kryo can be read by Logisland's own classes alone: Arrow blocks stand in its place, at both ends of the topic"},
	{"JsonSerializer", EncodingSeedJSON, "byte fields are base64 and arrays are arrays, where Logisland lost them"},
	{"ExtendedJsonSerializer", EncodingExtendedJSON, ""},
	{"StringSerializer", EncodingString, "nobody can read it back; byte fields are base64"},
	{"AvroSerializer", EncodingAvro, "the schema is that of `xcapa fields -o avro`"},
	{"none", EncodingJSON, "no serializer: one document a message"},
}

// refusedSerializers have no counterpart, and why.
var refusedSerializers = map[string]string{
	"ConfluentSerializer":    "it needs a schema registry; use AvroSerializer, whose schema is shipped",
	"KuraProtobufSerializer": "it is for Eclipse Kura's telemetry; use ExtendedJsonSerializer",
	"BsonSerializer":         "use ExtendedJsonSerializer",
}

// ParseSerializer finds a class of Logisland's, with or without its package, or
// "none". The error says what to use instead.
func ParseSerializer(class string) (Serializer, error) {
	name := strings.TrimPrefix(strings.TrimSpace(class), serializerPackage)
	for _, s := range serializers {
		if s.Class == name {
			return s, nil
		}
	}
	if why, ok := refusedSerializers[name]; ok {
		return Serializer{}, fmt.Errorf("serializer %s is not supported: %s", class, why)
	}
	return Serializer{}, fmt.Errorf("serializer %q is not known: use %s of %s", class, serializerNames(), strings.TrimSuffix(serializerPackage, "."))
}

func serializerNames() string {
	var names []string
	for _, s := range serializers[:len(serializers)-1] {
		names = append(names, s.Class)
	}
	return strings.Join(names, ", ") + " or none"
}
