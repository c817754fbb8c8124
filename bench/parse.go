package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed seed/pom.xml
var seedPOM []byte

//go:embed seed/ParseSeed.java
var seedJava []byte

const (
	groupParse     = "parse, one thread"
	nameParseArrow = "xcapa parse to Arrow"
	nameParseJSON  = "xcapa parse to JSON"
	nameSeedNone   = "seed, no serializer"
	nameSeedKryo   = "seed, Kryo"
	nameSeedJSON   = "seed, Json"
)

// parse is B12: frames in memory to encoded records, ours against Logisland's
// published ParseNetworkPacket on the JVM.
func (h *harness) parse() {
	file := filepath.Join(h.scratch, "parse.pcap")
	if err := writeTrace(file, 10_580); err != nil {
		fmt.Fprintf(os.Stderr, "bench: parse: %v\n", err)
		return
	}
	java, err := h.prepareSeed()
	var cases []benchCase
	for _, c := range []struct{ name, encoding, note string }{
		{nameParseArrow, "arrow", "decoded and in a block"}, {nameParseJSON, "json", "decoded and a document"},
	} {
		cases = append(cases, benchCase{group: groupParse, name: c.name, unit: "packets", note: c.note, run: func() (sample, error) {
			return h.parser(h.self, "peer", "parse", "-encoding", c.encoding, "-file", file, "-for", "1s")
		}})
	}
	for _, c := range []struct{ name, format, note string }{
		{nameSeedNone, "none", "parsed alone"}, {nameSeedKryo, "kryo", "what the tutorial uses"}, {nameSeedJSON, "json", ""},
	} {
		cases = append(cases, benchCase{group: groupParse, name: c.name, unit: "packets", note: c.note, run: func() (sample, error) {
			if err != nil {
				return sample{}, err
			}
			return h.parser(append(java, "ParseSeed", c.format, file, "6")...)
		}})
	}
	h.rounds(min(h.count, 3), 60*time.Second, cases)
}

// parser runs one side and reads its line.
func (h *harness) parser(args ...string) (s sample, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := runTo(h.place.App, cmd); err != nil {
		return s, fmt.Errorf("%v: %w", args, err)
	}
	var r struct{ Packets, Seconds, CPU float64 }
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return s, fmt.Errorf("%v said %q: %w", args, out.Bytes(), err)
	}
	return sample{Delivered: uint64(r.Packets), Seconds: r.Seconds, CPU: r.CPU * 1e9 / r.Packets}, nil
}

// prepareSeed fetches the published jars once and compiles the harness. The
// error says what did not answer.
func (h *harness) prepareSeed() ([]string, error) {
	dir := filepath.Join(h.scratch, "seed")
	java := []string{"java", "-Xmx1g", "-cp", dir + "/classes:" + dir + "/BOOT-INF/classes:" + dir + "/BOOT-INF/lib/*:" + dir + "/jars/*"}
	if err := os.MkdirAll(filepath.Join(dir, "classes"), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), seedPOM, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "ParseSeed.java"), seedJava, 0o644); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	step := func(what string, args ...string) error {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %.300s", what, err, out)
		}
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "BOOT-INF")); err != nil {
		if err := step("Maven does not answer", "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"); err != nil {
			return nil, err
		}
		if err := step("unpack the seed", "unzip", "-qo", "jars/logisland-processor-cyber-security-1.2.0.jar", "BOOT-INF/*"); err != nil {
			return nil, err
		}
	}
	err := step("no Java compiler", "javac", "-d", "classes", "-cp", "BOOT-INF/classes:BOOT-INF/lib/*:jars/*", "ParseSeed.java")
	return java, err
}
