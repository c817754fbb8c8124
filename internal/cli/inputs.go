package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"xcapa/internal/pcap"
)

// captureInputs are the capture files that arguments name: files, "-", folders
// (what is a capture in them, and in those below), and patterns that the shell
// left as they are. The order is that of the arguments, by name within one.
// skipped counts files of folders that are no captures.
func captureInputs(args []string) (files []string, skipped int, err error) {
	for _, arg := range args {
		info, statErr := os.Stat(arg)
		switch {
		case arg == "-":
			files = append(files, arg)
		case statErr == nil && info.IsDir():
			found, other, err := capturesIn(arg)
			if err != nil {
				return nil, 0, err
			}
			if len(found) == 0 {
				return nil, 0, fmt.Errorf("no capture file is in folder %s (%d other files)", arg, other)
			}
			files, skipped = append(files, found...), skipped+other
		case statErr == nil:
			files = append(files, arg)
		default:
			matches, err := filepath.Glob(arg)
			if err != nil || len(matches) == 0 {
				return nil, 0, fmt.Errorf("open capture file: %w", statErr)
			}
			slices.Sort(matches)
			files = append(files, matches...)
		}
	}
	return files, skipped, nil
}

// capturesIn lists the capture files of a folder and those below it.
func capturesIn(folder string) (files []string, other int, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if isCapture(path) {
			files = append(files, path)
		} else {
			other++
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("look for capture files: %w", err)
	}
	return files, other, nil
}

// isCapture reports whether a file begins as a capture does. One that cannot be
// read at all is taken for one, so that its error is seen.
func isCapture(path string) bool {
	r, err := pcap.Open(path, pcap.Options{})
	if err == nil {
		r.Close()
	}
	return !errors.Is(err, pcap.ErrFormat)
}
