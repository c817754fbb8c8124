package status

import (
	"bytes"
	"os"
	"strconv"
)

// residentBytes is the memory that the kernel holds for this process, from the
// second number of /proc/self/statm (pages); 0 where it cannot be read.
func residentBytes() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	words := bytes.Fields(b)
	if len(words) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(string(words[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
