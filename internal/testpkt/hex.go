package testpkt

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Hex reads hexadecimal text in which white space is free and everything from
// # to the end of a line is a comment. It panics on anything else: such text is
// part of a test's source.
func Hex(text string) []byte {
	b, err := parseHex(text)
	if err != nil {
		panic(fmt.Sprintf("testpkt: read annotated hex: %v", err))
	}
	return b
}

func parseHex(text string) ([]byte, error) {
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.Fields(line) {
			digits.WriteString(word)
		}
	}
	return hex.DecodeString(digits.String())
}
