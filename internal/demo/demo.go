// Package demo holds the captures that `xcapa demo` replays, inside the binary.
//
// Both are real traffic from the test data of the systems xcapa replaces, under
// the Apache License 2.0: ssh.pcap (Hurence Logisland, 9,819 frames of many
// small SSH connections) and web.pcap (Apache Metron, 761 frames of mixed TCP
// and UDP).
package demo

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
)

//go:embed *.pcap.gz
var files embed.FS

// Names are the bundled captures, in the order in which they are replayed.
var Names = []string{"web.pcap", "ssh.pcap"}

// Open returns a bundled capture, uncompressed.
func Open(name string) (io.Reader, error) {
	b, err := files.ReadFile(name + ".gz")
	if err != nil {
		return nil, fmt.Errorf("no bundled capture called %s: %w", name, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("unpack bundled capture %s: %w", name, err)
	}
	return r, nil
}
