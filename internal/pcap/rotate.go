package pcap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Rotation says when to go on to the next file, in the manner of dumpcap's -b.
// The zero value never does.
type Rotation struct {
	FileSize int64         // bytes written to a file; 0: any
	Duration time.Duration // age of a file; 0: any
	Packets  uint64        // packets in a file; 0: any
	Files    int           // files kept, the oldest is removed; 0: all
}

func (r Rotation) isSet() bool { return r.FileSize > 0 || r.Duration > 0 || r.Packets > 0 }

// ParseRotation reads the values of dumpcap's -b: filesize:KB (1,000 bytes),
// duration:SECONDS, packets:N, files:N.
func ParseRotation(values []string) (Rotation, error) {
	var r Rotation
	for _, v := range values {
		name, number, ok := strings.Cut(v, ":")
		n, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || n < 1 || n > 1<<40 {
			return r, fmt.Errorf("rotation %q: want NAME:NUMBER with a number from 1, such as filesize:1000, duration:60, packets:100000 or files:10", v)
		}
		switch name {
		case "filesize":
			r.FileSize = n * 1000
		case "duration":
			if n > int64(100*365*24*time.Hour/time.Second) {
				return r, fmt.Errorf("rotation %q: longer than a hundred years", v)
			}
			r.Duration = time.Duration(n) * time.Second
		case "packets":
			r.Packets = uint64(n)
		case "files":
			r.Files = int(n)
		default:
			return r, fmt.Errorf("rotation %q: %s is not known; there are filesize (kB), duration (seconds), packets and files", v, name)
		}
	}
	if r.Files > 0 && !r.isSet() {
		return r, errors.New("rotation by files:N needs to know when a file ends: add filesize, duration or packets")
	}
	return r, nil
}

// rotatedName is dumpcap's: NAME_00001_20261123235500.pcapng.
func rotatedName(path string, number int, now time.Time) string {
	dir, base := filepath.Split(path)
	stem, ext := base, ""
	if i := strings.Index(base[min(1, len(base)):], "."); i >= 0 { // not the dot of a hidden file
		stem, ext = base[:i+1], base[i+1:]
	}
	return filepath.Join(dir, fmt.Sprintf("%s_%05d_%s%s", stem, number, now.Format("20060102150405"), ext))
}

// ring is the files of a rotation, oldest first.
type ring struct {
	names []string
	keep  int
}

// add notes a new file and removes those over the number to keep.
func (r *ring) add(name string) error {
	r.names = append(r.names, name)
	if r.keep == 0 {
		r.names = r.names[:0]
		return nil
	}
	for len(r.names) > r.keep {
		oldest := r.names[0]
		r.names = r.names[1:]
		if err := os.Remove(oldest); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the oldest capture file: %w", err)
		}
	}
	return nil
}
