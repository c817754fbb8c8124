package codec

import (
	"bytes"
	"compress/zlib"
	"io"

	"xcapa/internal/message"
)

// CodeKryo is the code of a message in the format that Logisland's pipeline had
// between its stages.
const CodeKryo = "kryo_payload"

// The class names Kryo writes in front of a Logisland record: the record's own,
// or those of the collections in it.
var kryoNames = [][]byte{[]byte("com.hurence.logisland."), []byte("java.util.")}

// kryoHead is within how many bytes the first class name stands: behind a byte
// or two that say what comes.
const kryoHead = 28

// IsKryo recognises a record that Logisland's KryoSerializer wrote, deflated
// (as it does) or not. An Ethernet frame costs a look at its first two bytes.
func IsKryo(value []byte) bool {
	if len(value) < kryoHead {
		return false
	}
	switch {
	case value[0] == 0x01: // Kryo: not null, or a class by name
		return hasKryoName(value[:min(len(value), kryoHead)])
	case value[0] == 0x78 && (uint(value[0])<<8|uint(value[1]))%31 == 0: // RFC 1950 2.2
		z, err := zlib.NewReader(bytes.NewReader(value))
		if err != nil {
			return false
		}
		var head [kryoHead]byte
		n, _ := io.ReadFull(z, head[:])
		return head[0] == 0x01 && hasKryoName(head[:n])
	}
	return false
}

func hasKryoName(head []byte) bool {
	for _, name := range kryoNames {
		if bytes.Contains(head, name) {
			return true
		}
	}
	return false
}

// kryoError says what to do with such a message.
func kryoError(m *message.Message) error {
	return unreadable(CodeKryo, "value of %d bytes is a Java Kryo record of Logisland's, which only its own classes can read: parse the raw topic again with xcapa parse", len(m.Value))
}

// CheckKryo is nil unless m is Kryo; then the *UnreadableError that says so.
func CheckKryo(m *message.Message) error {
	if IsKryo(m.Value) {
		return kryoError(m)
	}
	return nil
}
